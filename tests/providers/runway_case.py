"""What the tests of the `runway` provider share: requests, recorded payloads, a frame."""

import functools
import io
import random
import time
from pathlib import Path
from typing import Any

from PIL import Image

from filmforge.domain import GenerationRequest, Ingredient, Kind
from filmforge.providers.base import Job, JobReport, JobStatus, Material, Terms
from filmforge.providers.catalogue import fit, load_models
from filmforge.providers.runway import RunwayProvider
from tests.fakes.process import FakeVendor
from tests.providers.recordings import recording

KEY = "key_0f5e1d2c3b4a"
WORDS = "the keeper turns to the window"
MODELS = load_models("runway")
TERMS = Terms(submit_timeout_s=4, private=True)
FRAME = Ingredient(role="frame", digest="0" * 64)
TURBO, VEO, PICTURE = "gen4_turbo", "veo3.1_fast", "gen4_image"


def payload(name: str) -> Any:
    return recording("runway", name)


def a_provider(fake: FakeVendor) -> RunwayProvider:
    return RunwayProvider(KEY, MODELS, TERMS, base_url=fake.url)


def clip(model: str = TURBO, duration: str = "4.2", **wish: Any) -> GenerationRequest:
    look = {"prompt": WORDS, "negative_prompt": "text", "width": 1280, "height": 720, "fps": "24"}
    return GenerationRequest(
        kind=Kind.VIDEO,
        provider="runway",
        model=model,
        parameters=fit(MODELS[model], {**look, "duration": duration, **wish}),
        seed=7,
        inputs=(FRAME,),
    )


def picture(width: int = 1280, height: int = 720) -> GenerationRequest:
    return GenerationRequest(
        kind=Kind.IMAGE,
        provider="runway",
        model=PICTURE,
        parameters=fit(MODELS[PICTURE], {"prompt": WORDS, "width": width, "height": height}),
        seed=7,
    )


@functools.cache
def frame(side: int = 16, noisy: bool = False) -> Material:
    image = Image.new("RGB", (side, side), "teal")
    if noisy:
        image = Image.frombytes("RGB", (side, side), random.Random(7).randbytes(side * side * 3))
    file = io.BytesIO()
    image.save(file, "PNG", compress_level=0)
    url = "http://127.0.0.1:9/frame"
    return Material(url=url, media_type="image/png", public=False, data=file.getvalue())


def posts(fake: FakeVendor) -> int:
    """How many paid orders came in."""
    paid = ("/v1/image_to_video", "/v1/text_to_image")
    return sum(seen["path"] in paid for seen in fake.log()["requests"])


async def submit(
    provider: RunwayProvider,
    request: GenerationRequest | None = None,
    with_: Material | None = None,
) -> Job:
    return await provider.submit(
        request or clip(), {"frame": with_ or frame()}, None, Path("no answer is written")
    )


async def ended(provider: RunwayProvider, job: Job, request: GenerationRequest) -> JobReport:
    deadline = time.monotonic() + 10
    while (report := await provider.poll(job, request)).status is JobStatus.RUNNING:
        assert time.monotonic() < deadline
    return report
