"""Wan 2.1 VACE 14B by diffusers: a clip from words, from its first frame, from its first and last.

The good one: fourteen billion parameters that know how people, cloth and water move. Of the Wan
family it is VACE that is used, because this one model does what otherwise takes three (words to
video, first frame to video, first and last frame to video): it is given a video of which some
frames are known and the rest is grey, and a mask that says which. Inputs: `frame`, what the clip
begins with, and `last_frame`, what it ends with; both may be left out.

It was trained on 16 frames a second and knows of no other rate: at 24 everything moves half as
fast again. Better make a clip at 16 and interpolate it.

Licence: Apache-2.0. GPU: H100 (80 GB), everything resident. About 5 minutes for five seconds of
832 x 480, 0.35 USD at 0.001097 USD a second, and three times that at 1280 x 720: reckoned from
4.4 PFLOP a step, not measured.
"""

from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Annotated, Any, ClassVar

import modal
from PIL import Image
from pydantic import Field

from filmforge.domain import Work
from gpu_functions import clip, deployment, long_clip
from gpu_functions.device import GIB, Device
from gpu_functions.long_clip import Chunk, Given, frames_given
from gpu_functions.maker import Made, Room
from gpu_functions.raster import Frames, Raster
from gpu_functions.weights import Repo, Source
from gpu_functions.wishes import Wish, frames_of, read

app = modal.App("filmforge-video-wan")
image = deployment.image_of(
    "torch==2.13.0",
    "diffusers==0.42.1",
    "transformers==5.23.0",
    "accelerate==1.15.0",
    "sentencepiece==0.2.3",
    "protobuf==7.36.2",
    "numpy==2.4.6",
    "pillow==13.0.0",
    "av==18.1.0",
)

SOURCE = Source(
    repos=(
        Repo(
            "Wan-AI/Wan2.1-VACE-14B-diffusers",
            revision="db79b90c60bbb45ceec9e41b9d5a4df934538ac4",
            licence="Apache-2.0",
            folder="base",
            files=(
                "model_index.json",
                "scheduler/*",
                "text_encoder/*",
                "tokenizer/*",
                "transformer/*",
                "vae/*",
            ),
        ),
    ),
    gib=70.0,
)

# ## What it takes
#
# Sides are a multiple of 16 and frames 4 k + 1: the model makes the next larger, and what was asked
# for is cut out of it. Eighty-one frames, five seconds, is what it was trained on.

MULTIPLE = 16
STEP = 4
MOST_PIXELS = 1280 * 720
MOST_FRAMES = 320
TOKENS = 512
NEGATIVE = (
    "overexposed, static, blurred details, subtitles, worst quality, low quality, extra fingers, "
    "poorly drawn hands, poorly drawn face, deformed, still picture, messy background"
)
GREY = 128

Side = Annotated[int, Field(ge=64, le=1280, multiple_of=2)]


class WanWish(Wish):
    """`duration` in seconds and `fps`, whole or as 24000/1001, give the number of frames."""

    prompt: Annotated[str, Field(min_length=1, max_length=8000)]
    negative_prompt: Annotated[str, Field(max_length=8000)] = NEGATIVE
    width: Side = 832
    height: Side = 480
    duration: Annotated[str, Field(pattern=r"^\d+(\.\d+)?$")] = "5"
    fps: Annotated[str, Field(pattern=r"^[1-9]\d*(/[1-9]\d*)?$")] = "16"
    steps: Annotated[int, Field(ge=1, le=100)] = 30
    guidance: Annotated[float, Field(ge=1, le=20)] = 5.0


# The noise schedule leans further towards noise the larger the picture: figures of the Wan release.


def _flow_shift(raster: Raster) -> float:
    return 5.0 if raster.made_pixels > 832 * 480 else 3.0


# ## What it weighs
#
# Parameters as the published configurations give them: the transformer 17.34 billion, UMT5-XXL 5.68
# and the autoencoder 0.13, which stays in 32 bits because its pictures suffer in 16. At work a
# token is 16 x 16 pixels of four frames, and about 24 vectors of 5120 numbers are kept for each:
# the stream, what the eight control layers add to it, and the widest layer's inside.

TRANSFORMER_BILLIONS = 17.34
T5_BILLIONS = 5.68
VAE_GIB = 0.5
WORK_NUMBERS_PER_TOKEN = 24 * 5120


class VideoWan:
    """Wan 2.1 VACE: text, first frame, first and last frame to video.

    A chunk is at most CHUNK frames, the first LEAD of which are the last of the chunk before: with
    five the model sees not only where things were but where they were going.
    """

    name: ClassVar[str] = "video_wan"
    source: ClassVar[Source] = SOURCE
    heavy: ClassVar[bool] = True
    CHUNK: ClassVar[int] = 81
    LEAD: ClassVar[int] = 5

    def __init__(self, weights: Path, device: Device) -> None:
        import torch
        from diffusers import AutoencoderKLWan, WanVACEPipeline

        self._device = device
        folder = weights / "base"
        vae = AutoencoderKLWan.from_pretrained(
            folder, subfolder="vae", local_files_only=True, dtype=torch.float32
        )
        self._pipeline = WanVACEPipeline.from_pretrained(
            folder, vae=vae, local_files_only=True, dtype=device.torch_dtype
        )
        self._pipeline.set_progress_bar_config(disable=True)
        whole_gib, part_gib = _weights_gib(device)
        room_gib = _work_gib(MOST_PIXELS, self.CHUNK, device)
        self.placed = device.place(self._pipeline, whole_gib + room_gib, part_gib)

    @classmethod
    def needs_gib(cls, work: Work, device: Device) -> float:
        """Its weights as they are placed, and what a chunk takes."""
        wish = read(WanWish, work)
        plan = long_clip.plan(_frames(wish), cls.CHUNK, cls.LEAD)
        frames = max(chunk.made(STEP) for chunk in plan)
        whole_gib, part_gib = _weights_gib(device)
        room_gib = _work_gib(MOST_PIXELS, cls.CHUNK, device)
        weights = whole_gib if device.has_room(whole_gib + room_gib) else part_gib
        return weights + _work_gib(_raster(wish).made_pixels, frames, device)

    def make(self, work: Work, room: Room) -> Made:
        """Make an MP4. Raises BadInput naming a parameter or an input, or Stopped."""
        wish = read(WanWish, work)
        raster = _raster(wish)
        plan = long_clip.plan(_frames(wish), self.CHUNK, self.LEAD)
        given = frames_given(room, raster)
        # Where the parts take turns on the GPU, a work that was stopped has left one there.
        self._pipeline.maybe_free_model_hooks()
        words = {
            "prompt_embeds": self._embedded(wish.prompt),
            "negative_prompt_embeds": self._embedded(wish.negative_prompt),
        }
        scheduler = self._pipeline.scheduler
        self._pipeline.scheduler = scheduler.from_config(
            scheduler.config, flow_shift=_flow_shift(raster)
        )
        one = partial(self._chunk, wish, raster, given, words, work.seed or 0, room)
        frames = long_clip.make(plan, room, one)
        path = room.folder / "clip.mp4"
        clip.write_clip(frames, path, Fraction(wish.fps))
        facts = {"seed": work.seed or 0, "frames": len(frames), "chunks": len(plan)}
        return Made(path, "video/mp4", facts)

    def close(self) -> None:
        """Give the memory back."""
        del self._pipeline

    def _embedded(self, prompt: str) -> Any:
        """Words as the model reads them, once for all chunks; beyond their end zero, as trained."""
        import torch

        words = self._pipeline.tokenizer(
            prompt, padding="max_length", max_length=TOKENS, truncation=True, return_tensors="pt"
        ).to(self._device.kind)
        with torch.no_grad():
            states = self._pipeline.text_encoder(words.input_ids, words.attention_mask)
        return states.last_hidden_state * words.attention_mask.unsqueeze(-1)

    def _chunk(
        self,
        wish: WanWish,
        raster: Raster,
        given: Given,
        words: dict[str, Any],
        seed: int,
        room: Room,
        chunk: Chunk,
        lead: Frames | None,
    ) -> Frames:
        made = self._pipeline(
            **_known(chunk, lead, given, raster),
            **words,
            width=raster.made_width,
            height=raster.made_height,
            num_frames=chunk.made(STEP),
            num_inference_steps=wish.steps,
            guidance_scale=wish.guidance,
            generator=self._device.generator(seed + chunk.index),
            callback_on_step_end=chunk.telling(room, wish.steps),
            output_type="np",
        ).frames[0]
        return chunk.cut(raster.cut(made), keep_end=chunk.final and "last_frame" in given)


# What is known of a chunk: black in the mask are frames to keep, white those to make.


def _known(
    chunk: Chunk, lead: Frames | None, given: Given, raster: Raster
) -> dict[str, list[Image.Image]]:
    size = (raster.made_width, raster.made_height)
    frames = dict(enumerate(raster.draw_out(frame) for frame in (() if lead is None else lead)))
    if lead is None and "frame" in given:
        frames[0] = given["frame"]
    made = chunk.made(STEP)
    if chunk.final and "last_frame" in given:
        frames[made - 1] = given["last_frame"]
    grey, keep, make = (
        Image.new("RGB", size, (GREY, GREY, GREY)),
        Image.new("L", size, 0),
        Image.new("L", size, 255),
    )
    return {
        "video": [frames.get(index, grey) for index in range(made)],
        "mask": [keep if index in frames else make for index in range(made)],
    }


def _frames(wish: WanWish) -> int:
    return frames_of(wish.duration, wish.fps, MOST_FRAMES)


def _raster(wish: WanWish) -> Raster:
    return Raster(wish.width, wish.height, MULTIPLE, MOST_PIXELS)


def _weights_gib(device: Device) -> tuple[float, float]:
    """GiB of all weights, and of the largest part alone."""
    gib = device.number_bytes * 1e9 / GIB
    return (TRANSFORMER_BILLIONS + T5_BILLIONS) * gib + VAE_GIB, TRANSFORMER_BILLIONS * gib


def _work_gib(pixels: int, frames: int, device: Device) -> float:
    tokens = pixels / MULTIPLE**2 * ((frames - 1) / STEP + 1)
    return tokens * WORK_NUMBERS_PER_TOKEN * device.number_bytes / GIB


# ## On Modal
#
# `modal run gpu_functions/video_wan.py::download` once, then `modal deploy`.

# Five seconds at 1280 x 720 are about a quarter of an hour of work. What takes longer is ended, and
# goes on from its last chunk when it is asked for again.
LIMIT_S = 1800
START_LIMIT_S = 600


@app.function(image=image, volumes=deployment.volumes(), timeout=deployment.DOWNLOAD_TIMEOUT_S)
def download() -> str:
    """Fill the volume with the weights."""
    return deployment.fetch_weights(VideoWan)


@app.cls(
    image=image,
    gpu="H100",
    volumes=deployment.volumes(),
    secrets=deployment.bucket(),
    timeout=LIMIT_S,
    startup_timeout=START_LIMIT_S,
    scaledown_window=deployment.SCALEDOWN_S,
    enable_memory_snapshot=True,
)
class Worker:
    """Wan in a container of its own."""

    @modal.enter(snap=True)
    def warm(self) -> None:
        """Import what takes long, before the snapshot."""
        from diffusers import WanVACEPipeline  # noqa: F401

    @modal.enter(snap=False)
    def load(self) -> None:
        """Load the weights from the volume."""
        self.seat = deployment.Seat(VideoWan)

    @modal.method()
    def make(self, work: dict[str, Any]) -> dict[str, Any]:
        """Make a work; the receipt as JSON."""
        return self.seat.serve(work)
