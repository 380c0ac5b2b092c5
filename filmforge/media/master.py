"""The finished film that everything is delivered from."""

from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

from filmforge.delivery import FilmFacts
from filmforge.errors import BadInput, BadMedia
from filmforge.media.probe import probe
from filmforge.media.reframe import Size
from filmforge.media.sample_clock import samples_at


class Delivered(NamedTuple):
    """A file that was made: its name, with / inside a delivery of many files, and where it is."""

    name: str
    path: Path
    media_type: str


class Master(NamedTuple):
    """A film as the assembly writes it: H.264 at a constant rate and, or not, AAC."""

    path: Path
    size: Size
    fps: Fraction
    frames: int
    has_sound: bool

    @property
    def duration_s(self) -> Fraction:
        """How long the film lasts in seconds, exactly."""
        return self.frames / self.fps

    @property
    def samples(self) -> int:
        """How many samples of 48 kHz sound belong to the film."""
        return samples_at(self.frames, self.fps)


def read_master(path: Path) -> Master:
    """Read what a film is, decoding nothing. Raises BadMedia for one that was not assembled."""
    facts = probe(path)
    if facts.video_codec != "h264" or facts.audio_codec not in ("aac", None):
        raise BadMedia(
            f"the film is {facts.video_codec} with {facts.audio_codec}; deliveries are made from "
            "H.264 with AAC: assemble it again"
        )
    if not (facts.width and facts.height and facts.fps and facts.frames):
        raise BadMedia("the film does not say how many frames it has: assemble it again")
    return Master(
        path=path,
        size=Size(facts.width, facts.height),
        fps=facts.fps,
        frames=facts.frames,
        has_sound=facts.audio_codec is not None,
    )


def check_facts(facts: FilmFacts, master: Master) -> None:
    """Raise BadInput for shots that reach beyond the film."""
    for index, shot in enumerate(facts.shots):
        if shot.start + shot.frames > master.frames:
            raise BadInput(
                f"shots[{index}]",
                f"{shot.shot_id!r} ends at frame {shot.start + shot.frames:,} and the film has "
                f"{master.frames:,}",
                "Give the shots of this very film.",
            )
