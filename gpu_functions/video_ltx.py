"""LTX-Video 0.9.5 by diffusers: a clip from words, from its first frame, from its first and last.

The fast one: two billion parameters and an autoencoder that packs 32 x 32 x 8 pixels into one
token, so a clip is made in about the time it takes to watch it a few times. It moves best with a
prompt that says what happens, one thing after another, and how the camera moves. Inputs: `frame`,
what the clip begins with, and `last_frame`, what it ends with; both may be left out.

Licence: OpenRAIL-M (commercial use allowed, with its list of forbidden uses).
GPU: L40S (48 GB), everything resident. About 20 s for four seconds of 704 x 480, 0.01 USD at
0.000542 USD a second: reckoned from 35 TFLOP a step, not measured.
"""

from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Annotated, Any, ClassVar

import modal
from pydantic import Field

from filmforge.domain import Work
from gpu_functions import clip, deployment, long_clip
from gpu_functions.device import GIB, Device
from gpu_functions.long_clip import Chunk, Given, frames_given
from gpu_functions.maker import Made, Room
from gpu_functions.raster import Frames, Raster
from gpu_functions.weights import Repo, Source
from gpu_functions.wishes import Wish, frames_of, read

app = modal.App("filmforge-video-ltx")
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
            "Lightricks/LTX-Video-0.9.5",
            revision="e58e28c39631af4d1468ee57a853764e11c1d37e",
            licence="OpenRAIL-M",
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
    gib=29.5,
)

# ## What it takes
#
# Sides are a multiple of 32 and frames 8 k + 1: the model makes the next larger, and what was asked
# for is cut out of it. The model card recommends less than 1280 x 720 and 257 frames at once;
# ninety-seven, four seconds, is what it was shown most of.

MULTIPLE = 32
STEP = 8
MOST_PIXELS = 1280 * 736
MOST_FRAMES = 720
NEGATIVE = "worst quality, inconsistent motion, blurry, jittery, distorted"
# The decoder was trained on latents with a little noise left; figures of the 0.9.5 release.
DECODE_TIMESTEP = 0.05
DECODE_NOISE = 0.025

Side = Annotated[int, Field(ge=64, le=1280, multiple_of=2)]


class LtxWish(Wish):
    """`duration` in seconds and `fps`, whole or as 24000/1001, give the number of frames."""

    prompt: Annotated[str, Field(min_length=1, max_length=8000)]
    negative_prompt: Annotated[str, Field(max_length=8000)] = NEGATIVE
    width: Side = 704
    height: Side = 480
    duration: Annotated[str, Field(pattern=r"^\d+(\.\d+)?$")] = "4"
    fps: Annotated[str, Field(pattern=r"^[1-9]\d*(/[1-9]\d*)?$")] = "24"
    steps: Annotated[int, Field(ge=1, le=100)] = 40
    guidance: Annotated[float, Field(ge=1, le=20)] = 3.0


# ## What it weighs
#
# Parameters as the published configurations give them: T5-XXL 4.76 billion, the transformer 1.92,
# the autoencoder 1.25. At work decoding takes most: about four of its widest layers at once, each
# of 256 channels on patches of 4 x 4 pixels, which is 64 numbers for every pixel of a chunk.

T5_BILLIONS = 4.76
ALL_BILLIONS = 7.93
WORK_NUMBERS_PER_PIXEL = 64


class VideoLtx:
    """LTX-Video: text, first frame, first and last frame to video.

    A chunk is at most CHUNK frames, the first LEAD of which are the last of the chunk before: with
    nine the model sees not only where things were but where they were going.
    """

    name: ClassVar[str] = "video_ltx"
    source: ClassVar[Source] = SOURCE
    heavy: ClassVar[bool] = True
    CHUNK: ClassVar[int] = 97
    LEAD: ClassVar[int] = 9

    def __init__(self, weights: Path, device: Device) -> None:
        from diffusers import LTXConditionPipeline

        self._device = device
        self._pipeline = LTXConditionPipeline.from_pretrained(
            weights / "base", local_files_only=True, dtype=device.torch_dtype
        )
        self._pipeline.set_progress_bar_config(disable=True)
        whole_gib, part_gib = _weights_gib(device)
        room_gib = _work_gib(MOST_PIXELS, self.CHUNK, device)
        self.placed = device.place(self._pipeline, whole_gib + room_gib, part_gib)

    @classmethod
    def needs_gib(cls, work: Work, device: Device) -> float:
        """Its weights as they are placed, and what a chunk takes."""
        wish = read(LtxWish, work)
        plan = long_clip.plan(_frames(wish), cls.CHUNK, cls.LEAD)
        frames = max(chunk.made(STEP) for chunk in plan)
        whole_gib, part_gib = _weights_gib(device)
        room_gib = _work_gib(MOST_PIXELS, cls.CHUNK, device)
        weights = whole_gib if device.has_room(whole_gib + room_gib) else part_gib
        return weights + _work_gib(_raster(wish).made_pixels, frames, device)

    def make(self, work: Work, room: Room) -> Made:
        """Make an MP4. Raises BadInput naming a parameter or an input, or Stopped."""
        wish = read(LtxWish, work)
        raster = _raster(wish)
        plan = long_clip.plan(_frames(wish), self.CHUNK, self.LEAD)
        given = frames_given(room, raster)
        # Where the parts take turns on the GPU, a work that was stopped has left one there.
        self._pipeline.maybe_free_model_hooks()
        one = partial(self._chunk, wish, raster, given, work.seed or 0, room)
        frames = long_clip.make(plan, room, one)
        path = room.folder / "clip.mp4"
        clip.write_clip(frames, path, Fraction(wish.fps))
        facts = {"seed": work.seed or 0, "frames": len(frames), "chunks": len(plan)}
        return Made(path, "video/mp4", facts)

    def close(self) -> None:
        """Give the memory back."""
        del self._pipeline

    def _chunk(
        self,
        wish: LtxWish,
        raster: Raster,
        given: Given,
        seed: int,
        room: Room,
        chunk: Chunk,
        lead: Frames | None,
    ) -> Frames:
        made = self._pipeline(
            conditions=_conditions(chunk, lead, given, raster) or None,
            prompt=wish.prompt,
            negative_prompt=wish.negative_prompt,
            width=raster.made_width,
            height=raster.made_height,
            num_frames=chunk.made(STEP),
            frame_rate=float(Fraction(wish.fps)),
            num_inference_steps=wish.steps,
            guidance_scale=wish.guidance,
            decode_timestep=DECODE_TIMESTEP,
            decode_noise_scale=DECODE_NOISE,
            generator=self._device.generator(seed + chunk.index),
            callback_on_step_end=chunk.telling(room, wish.steps),
            output_type="np",
        ).frames[0]
        return chunk.cut(raster.cut(made), keep_end=chunk.final and "last_frame" in given)


def _conditions(chunk: Chunk, lead: Frames | None, given: Given, raster: Raster) -> list[Any]:
    """What the model is told of the frames of a chunk: how it begins, and how the clip ends."""
    from diffusers.pipelines.ltx.pipeline_ltx_condition import LTXVideoCondition

    told = []
    if lead is not None:
        told.append(LTXVideoCondition(video=[raster.draw_out(frame) for frame in lead]))
    elif "frame" in given:
        told.append(LTXVideoCondition(image=given["frame"]))
    if chunk.final and "last_frame" in given:
        end = chunk.made(STEP) - 1
        told.append(LTXVideoCondition(image=given["last_frame"], frame_index=end))
    return told


def _frames(wish: LtxWish) -> int:
    return frames_of(wish.duration, wish.fps, MOST_FRAMES)


def _raster(wish: LtxWish) -> Raster:
    return Raster(wish.width, wish.height, MULTIPLE, MOST_PIXELS)


def _weights_gib(device: Device) -> tuple[float, float]:
    """GiB of all weights, and of the largest part alone."""
    gib = device.number_bytes * 1e9 / GIB
    return ALL_BILLIONS * gib, T5_BILLIONS * gib


def _work_gib(pixels: int, frames: int, device: Device) -> float:
    return pixels * frames * WORK_NUMBERS_PER_PIXEL * device.number_bytes / GIB


# ## On Modal
#
# `modal run gpu_functions/video_ltx.py::download` once, then `modal deploy`.

LIMIT_S = 600
START_LIMIT_S = 300


@app.function(image=image, volumes=deployment.volumes(), timeout=deployment.DOWNLOAD_TIMEOUT_S)
def download() -> str:
    """Fill the volume with the weights."""
    return deployment.fetch_weights(VideoLtx)


@app.cls(
    image=image,
    gpu="L40S",
    volumes=deployment.volumes(),
    secrets=deployment.bucket(),
    timeout=LIMIT_S,
    startup_timeout=START_LIMIT_S,
    scaledown_window=deployment.SCALEDOWN_S,
    enable_memory_snapshot=True,
)
class Worker:
    """LTX-Video in a container of its own."""

    @modal.enter(snap=True)
    def warm(self) -> None:
        """Import what takes long, before the snapshot."""
        from diffusers import LTXConditionPipeline  # noqa: F401

    @modal.enter(snap=False)
    def load(self) -> None:
        """Load the weights from the volume."""
        self.seat = deployment.Seat(VideoLtx)

    @modal.method()
    def make(self, work: dict[str, Any]) -> dict[str, Any]:
        """Make a work; the receipt as JSON."""
        return self.seat.serve(work)
