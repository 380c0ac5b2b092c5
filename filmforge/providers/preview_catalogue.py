"""What the `preview` provider offers, and what an order to it becomes."""

from datetime import date
from fractions import Fraction
from pathlib import Path
from typing import Annotated

from pydantic import ConfigDict, Field

from filmforge.domain import Kind
from filmforge.fields import Frozen, Pixels, Rate, Seconds
from filmforge.media.motion import render_motion
from filmforge.media.panel import PanelBrief, draw_panel
from filmforge.media.speech import MAX_CHARS, speak
from filmforge.media.tones import render_ambience, render_music
from filmforge.money import ZERO
from filmforge.providers.catalogue import Model, Price, Unit


class StoryboardOrder(Frozen):
    """What a panel is drawn from; see PanelBrief."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    prompt: Annotated[str, Field(min_length=1)]
    negative_prompt: str = ""
    width: Pixels = 1280
    height: Pixels = 720
    shot_type: str = "medium"
    mood: str = ""
    time_of_day: str = ""
    characters: tuple[str, ...] = ()
    landscapes: tuple[str, ...] = ()
    styles: tuple[str, ...] = ()

    def make(self, path: Path, frame: Path | None, seed: int) -> None:
        """Draw the panel."""
        draw_panel(PanelBrief(**self.model_dump(), seed=seed), path)


class CameraOrder(Frozen):
    """What a clip is made from, besides its frame; `duration` in seconds."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    width: Pixels = 1280
    height: Pixels = 720
    fps: Rate = Fraction(24)
    duration: Seconds
    camera: str | None = None
    shot_type: str = "medium"

    def make(self, path: Path, frame: Path | None, seed: int) -> None:
        """Move the camera over the frame."""
        assert frame is not None
        render_motion(
            frame,
            path,
            width=self.width,
            height=self.height,
            fps=self.fps,
            duration_s=self.duration,
            camera=self.camera,
            shot_type=self.shot_type,
            seed=seed,
        )


class VoiceOrder(Frozen):
    """What is said, and who says it."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    text: Annotated[str, Field(min_length=1, max_length=MAX_CHARS)]
    voice: str = "narrator"
    mood: str | None = None

    def make(self, path: Path, frame: Path | None, seed: int) -> None:
        """Say the text."""
        speak(self.text, path, voice=self.voice, mood=self.mood, seed=seed)


class MusicOrder(Frozen):
    """What music is made of; `duration` in seconds."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    prompt: Annotated[str, Field(min_length=1)]
    duration: Seconds

    def make(self, path: Path, frame: Path | None, seed: int) -> None:
        """Play chords."""
        render_music(path, prompt=self.prompt, duration_s=float(self.duration), seed=seed)


class AmbienceOrder(MusicOrder):
    """What a bed of noise is made of; `duration` in seconds."""

    def make(self, path: Path, frame: Path | None, seed: int) -> None:
        """Let the wind blow."""
        render_ambience(path, prompt=self.prompt, duration_s=float(self.duration), seed=seed)


Order = StoryboardOrder | CameraOrder | VoiceOrder | MusicOrder
ORDERS: dict[str, type[Order]] = {
    "storyboard": StoryboardOrder,
    "camera": CameraOrder,
    "voice": VoiceOrder,
    "music": MusicOrder,
    "ambience": AmbienceOrder,
}
FREE = Price(usd=ZERO, unit=Unit.ITEM, source="made on this machine", read_on=date(2026, 11, 1))
MODELS = {
    model.id: model
    for model in (
        Model(
            id="storyboard",
            kind=Kind.IMAGE,
            price=FREE,
            parameters=frozenset(StoryboardOrder.model_fields),
        ),
        Model(
            id="camera",
            kind=Kind.VIDEO,
            price=FREE,
            max_duration_s=120,
            parameters=frozenset(CameraOrder.model_fields),
        ),
        Model(
            id="voice",
            kind=Kind.AUDIO,
            makes="speech",
            price=FREE,
            max_chars=MAX_CHARS,
            parameters=frozenset(VoiceOrder.model_fields),
        ),
        Model(
            id="music",
            kind=Kind.AUDIO,
            makes="music",
            price=FREE,
            max_duration_s=120,
            parameters=frozenset(MusicOrder.model_fields),
        ),
        Model(
            id="ambience",
            kind=Kind.AUDIO,
            makes="effect",
            price=FREE,
            max_duration_s=120,
            parameters=frozenset(AmbienceOrder.model_fields),
        ),
    )
}
