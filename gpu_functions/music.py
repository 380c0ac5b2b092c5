"""Music: a piece from words, of exactly the length that a film needs.

ACE-Step 1.5 XL turbo (ACE Studio and StepFun 2026, MIT; its card allows commercial use of what it
makes) by diffusers: a transformer of 4 billion parameters denoises, in eight steps, what the codec
makes 48 kHz stereo of. Of the models that diffusers and transformers run it is the one whose
licence lets a film be sold: MusicGen's weights are not for commerce, Stable Audio's only below a
turnover.

It makes 10 seconds to 10 minutes. A shorter piece is made 10 seconds long; every piece is cut to
the sample. Its last second and a half is faded out (of a short one the last quarter), as music
that stops where a film does is seldom at an end. Without `lyrics` nobody sings.

On an A10 a minute of music takes some 10 seconds, about 0.004 USD, and loading a minute: estimates,
not measurements. Weights: ACE-Step/acestep-v15-xl-turbo-diffusers, some 11 GB of which are fetched.
"""

import math
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any, ClassVar

import modal
from pydantic import Field

from filmforge.domain import Work
from gpu_functions import deployment, sound, wishes
from gpu_functions.device import GIB, Device
from gpu_functions.maker import Made, Room
from gpu_functions.weights import Repo, Source

app = modal.App("filmforge-music")
image = deployment.image_of(
    "torch==2.13.0",
    "diffusers==0.42.1",
    "transformers==5.23.0",
    "accelerate==1.15.0",
    "safetensors==0.8.0",
    "numpy==2.4.6",
)

# Without what it needs only to make covers of other music.
MODEL = Repo(
    "ACE-Step/acestep-v15-xl-turbo-diffusers",
    revision="200ba991ae448051e14b0183157e35c2d27c9fb0",
    licence="MIT",
    folder="ace-step",
    files=(
        "model_index.json",
        "condition_encoder/*",
        "scheduler/*",
        "text_encoder/*",
        "tokenizer/*",
        "transformer/*",
        "vae/*",
    ),
)
SOURCE = Source(repos=(MODEL,), gib=10.3)

# The transformer has 4.2 billion parameters, all with text encoder, condition encoder and codec 5.5
# (counted from their shapes); the codec works on 20 seconds at once, the transformer on all, which
# is our estimate.
PARAMETERS = 5.5e9
LARGEST_PARAMETERS = 4.2e9
WORKING_GIB = 2.0
WORKING_GIB_PER_MINUTE = 0.1

SHORTEST_S = 10
LONGEST_S = 600
FADE_S = 1.5
# Turbo has its guidance within and was trained for eight steps (the documentation of diffusers).
STEPS = 8
INSTRUMENTAL = "[Instrumental]"


class Wish(wishes.Wish):
    """`duration` in seconds; `language` is that of the lyrics, `key` as "A minor"."""

    prompt: str = Field(min_length=1, max_length=2000)
    duration: Decimal = Field(gt=0, le=LONGEST_S)
    lyrics: str = Field(default="", max_length=4000)
    language: str = Field(default="en", pattern="^[a-z]{2,3}$")
    bpm: int | None = Field(default=None, ge=30, le=300)
    key: str = Field(default="", max_length=20)

    @property
    def made_s(self) -> float:
        """How long a piece the model is asked for: whole seconds, as its prompt says them."""
        return float(max(SHORTEST_S, math.ceil(self.duration)))


class Music:
    """Makes a piece of `duration` seconds; the output is WAV, stereo, 48 kHz."""

    name: ClassVar[str] = "music"
    source: ClassVar[Source] = SOURCE
    heavy: ClassVar[bool] = True

    def __init__(self, weights: Path, device: Device) -> None:
        from diffusers import AceStepPipeline

        self._device = device
        self._pipeline = AceStepPipeline.from_pretrained(
            weights / MODEL.folder,
            local_files_only=True,
            dtype=device.torch_dtype,
            audio_tokenizer=None,
            audio_token_detokenizer=None,
        )
        self._pipeline.set_progress_bar_config(disable=True)
        self._pipeline.vae.enable_tiling()
        longest = working_gib(LONGEST_S)
        device.place(
            self._pipeline,
            _gib(PARAMETERS, device) + longest,
            _gib(LARGEST_PARAMETERS, device) + longest,
        )

    @classmethod
    def needs_gib(cls, work: Work, device: Device) -> float:
        """The weights as they are placed for the longest piece, and room to work on this one."""
        working = working_gib(wishes.read(Wish, work).made_s)
        whole = _gib(PARAMETERS, device)
        if device.has_room(whole + working_gib(LONGEST_S)):
            return whole + working
        return _gib(LARGEST_PARAMETERS, device) + working

    def make(self, work: Work, room: Room) -> Made:
        """Make a piece; the facts are its duration and rate."""
        wish = wishes.read(Wish, work)

        def told(_pipeline: Any, step: int, _time: float, tensors: dict[str, Any]) -> Any:
            room.tell((step + 1) / (STEPS + 1))
            return tensors

        room.tell(0)
        audio = self._pipeline(
            prompt=wish.prompt,
            lyrics=wish.lyrics or INSTRUMENTAL,
            vocal_language=wish.language if wish.lyrics else "unknown",
            audio_duration=wish.made_s,
            bpm=wish.bpm,
            keyscale=wish.key or None,
            num_inference_steps=STEPS,
            guidance_scale=1.0,
            generator=self._device.generator(work.seed),
            callback_on_step_end=told,
        ).audios[0]
        rate = self._pipeline.sample_rate
        samples = audio.float().cpu().numpy().T[: round(Fraction(wish.duration) * rate)]
        fade_s = min(FADE_S, float(wish.duration) / 4)
        path = room.folder / "music.wav"
        sound.encode(path, sound.fade_out(samples, rate, fade_s), rate)
        facts = {"duration_s": len(samples) / rate, "rate_hz": rate, "fade_out_s": fade_s}
        return Made(path, "audio/wav", facts)

    def close(self) -> None:
        """Give the memory back."""
        del self._pipeline
        self._device.forget()


def working_gib(seconds: float) -> float:
    """What it takes beside the weights to make so many seconds."""
    return WORKING_GIB + WORKING_GIB_PER_MINUTE * seconds / 60


def _gib(parameters: float, device: Device) -> float:
    return parameters * device.number_bytes / GIB


@app.function(image=image, volumes=deployment.volumes(), timeout=deployment.DOWNLOAD_TIMEOUT_S)
def download() -> str:
    """Fill the volume with the weights."""
    return deployment.fetch_weights(Music)


@app.cls(
    image=image,
    gpu="A10",
    volumes=deployment.volumes(),
    secrets=deployment.bucket(),
    timeout=300,
    startup_timeout=300,
    scaledown_window=deployment.SCALEDOWN_S,
    enable_memory_snapshot=True,
)
class Worker:
    """The function on Modal; its snapshot holds the imports, the volume the weights."""

    @modal.enter(snap=True)
    def warm(self) -> None:
        """Import what takes long."""
        import diffusers  # noqa: F401
        import transformers  # noqa: F401

    @modal.enter(snap=False)
    def load(self) -> None:
        """Load the weights."""
        self.seat = deployment.Seat(Music)

    @modal.method()
    def make(self, work: dict[str, Any]) -> dict[str, Any]:
        """Make a work."""
        return self.seat.serve(work)
