"""What the tests of the `modal` provider share: requests, a frame, the bucket of their works."""

import asyncio
import os
import time
import uuid
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from filmforge.domain import GenerationRequest, Ingredient, Kind
from filmforge.providers.base import Job, JobReport, JobStatus, Material, Terms
from filmforge.providers.catalogue import fit, load_models
from filmforge.providers.modal import ModalProvider
from filmforge.works import Works
from tests.conformance.subject import FRAME, FRAME_DIGEST
from tests.fakes.modal_service import TOKEN_ID, TOKEN_SECRET
from tests.fakes.process import FakeVendor

MODELS = load_models("modal")
TERMS = Terms(submit_timeout_s=4, listing_lag_s=0, private=True)
SDXL, LTX = "image_sdxl", "video_ltx"
SPAWN = "/modal.client.ModalClient/FunctionMap"


def works() -> Works:
    return Works(os.environ["FILMFORGE_S3_BUCKET"], os.environ["AWS_ENDPOINT_URL_S3"])


def a_provider(
    fake: FakeVendor, terms: Terms = TERMS, secret: str = TOKEN_SECRET, url: str = ""
) -> ModalProvider:
    return ModalProvider(
        (TOKEN_ID, SecretStr(secret)),
        MODELS,
        terms,
        works(),
        server_url=url or fake.url,
        environment="main",
    )


def picture(words: str = "the keeper turns to the window", model: str = SDXL) -> GenerationRequest:
    """A request that nobody has made before."""
    prompt = f"{words} {uuid.uuid4().hex}"
    wish = {"prompt": prompt, "text": prompt, "width": 320, "height": 180, "duration": "1"}
    return GenerationRequest(
        kind=MODELS[model].kind,
        provider="modal",
        model=model,
        parameters=fit(MODELS[model], wish),
        seed=7,
    )


def clip(digest: str = FRAME_DIGEST) -> GenerationRequest:
    wish = {"prompt": uuid.uuid4().hex, "width": 320, "height": 180, "fps": "12", "duration": "1"}
    return GenerationRequest(
        kind=Kind.VIDEO,
        provider="modal",
        model=LTX,
        parameters=fit(MODELS[LTX], wish),
        seed=7,
        inputs=(Ingredient(role="frame", digest=digest),),
    )


def frame(data: bytes = FRAME) -> Material:
    return Material(url="http://127.0.0.1:9/f", media_type="image/png", public=False, data=data)


def spawns(fake: FakeVendor) -> int:
    """How many paid requests came in."""
    return sum(seen["path"] == SPAWN for seen in fake.log()["requests"])


def charged(fake: FakeVendor) -> list[dict[str, Any]]:
    return [job for job in fake.charges()["jobs"] if job["charged"]]


async def submit(
    provider: ModalProvider, request: GenerationRequest, with_: Material | None = None
) -> Job:
    inputs = {str(part.role): with_ or frame() for part in request.inputs}
    return await provider.submit(request, inputs, None, Path("no answer is written"))


async def ended(provider: ModalProvider, job: Job, request: GenerationRequest) -> JobReport:
    deadline = time.monotonic() + 20
    while (report := await provider.poll(job, request)).status is JobStatus.RUNNING:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)
    return report


async def claimed(request: GenerationRequest) -> str:
    """Wait until a call has claimed the work; returns its id."""
    deadline = time.monotonic() + 20
    while (call_id := await works().claim(request.key)) is None:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)
    return call_id
