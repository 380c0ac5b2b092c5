"""What every provider promises, whoever makes the pictures."""

import asyncio
import hashlib
import importlib
import io
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import av
import pytest
from PIL import Image

from filmforge.domain import GenerationRequest, Ingredient, Kind
from filmforge.errors import BadInput, BadMedia
from filmforge.providers.base import Job, JobReport, JobStatus, Provider
from filmforge.providers.fake import FakeProvider
from tests.fake_process import FakeServer, fake_server

FINISH_TIMEOUT_S = 60
MAX_BYTES = 20_000_000
OFFERED = {
    "prompt": "A lamp in an empty attic",
    "width": 160,
    "height": 90,
    "fps": "12",
    "duration": "1",
    "text": "Nobody has been here for years.",
    "voice": "narrator",
}
NEEDED = {Kind.IMAGE: "prompt", Kind.VIDEO: "duration", Kind.AUDIO: "text"}


def a_frame() -> bytes:
    file = io.BytesIO()
    Image.linear_gradient("L").convert("RGB").resize((160, 90)).save(file, "PNG")
    return file.getvalue()


FRAME = a_frame()
FRAME_DIGEST = hashlib.sha256(FRAME).hexdigest()


async def fetch_frame(digest: str, path: Path) -> None:
    assert digest == FRAME_DIGEST
    path.write_bytes(FRAME)  # noqa: ASYNC240 - a few bytes


@dataclass
class Subject:
    """A provider under test and the folder its outputs go to."""

    provider: Provider
    folder: Path

    def request(self, kind: Kind, seed: int = 7, **changes: object) -> GenerationRequest:
        model = next(m for m in self.provider.models().values() if m.kind is kind)
        offered = {k: v for k, v in OFFERED.items() if k in model.parameters}
        return GenerationRequest.model_validate(
            {
                "kind": kind,
                "provider": self.provider.name,
                "model": model.id,
                "parameters": {**offered, **changes},
                "seed": seed if model.takes_seed else None,
                "inputs": (Ingredient(role="frame", digest=FRAME_DIGEST),)
                if kind is Kind.VIDEO
                else (),
            }
        )

    async def submit(self, request: GenerationRequest) -> Job:
        inputs: dict[str, str] = {
            i.role: f"http://127.0.0.1:9/{i.digest}?X=1" for i in request.inputs
        }
        return await self.provider.submit(request, inputs, None)

    async def finish(self, job: Job, request: GenerationRequest) -> JobReport:
        started = time.monotonic()
        async with asyncio.timeout(FINISH_TIMEOUT_S):
            while True:
                report = await self.provider.poll(job, request)
                if report.status is not JobStatus.RUNNING:
                    return report
                wait_s = self.provider.poll_interval_s(time.monotonic() - started)
                await asyncio.sleep(wait_s)

    async def make(self, request: GenerationRequest, name: str = "out") -> Path:
        report = await self.finish(await self.submit(request), request)
        assert report.status is JobStatus.SUCCEEDED, report.message
        assert report.output_url
        path = self.folder / name
        await self.provider.fetch(report.output_url, path, MAX_BYTES)
        return path


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FakeServer]:
    state = tmp_path_factory.mktemp("fake") / "fake.sqlite"
    with fake_server(state, latency_scale=0.01) as running:
        yield running


@pytest.fixture(params=["fake", "preview"])
async def subject(
    request: pytest.FixtureRequest, server: FakeServer, tmp_path: Path
) -> AsyncIterator[Subject]:
    provider: Provider
    if request.param == "fake":
        provider = FakeProvider(server.url, server.secret)
    else:
        pytest.importorskip("filmforge.providers.preview")
        preview = importlib.import_module("filmforge.providers.preview")
        provider = preview.PreviewProvider(tmp_path / "work", fetch_frame, 1)
    yield Subject(provider, tmp_path)
    await provider.close()


every_kind = pytest.mark.parametrize("kind", list(Kind))


@every_kind
def test_a_quote_is_never_negative_and_always_the_same(subject: Subject, kind: Kind) -> None:
    first = subject.provider.quote(subject.request(kind))
    assert first >= Decimal(0)
    assert subject.provider.quote(subject.request(kind)) == first


@every_kind
async def test_a_request_becomes_media_of_its_kind(subject: Subject, kind: Kind) -> None:
    path = await subject.make(subject.request(kind))
    with av.open(str(path)) as media:
        stream = media.streams.audio[0] if kind is Kind.AUDIO else media.streams.video[0]
        frames = list(media.decode(stream))
    assert len(frames) == {Kind.IMAGE: 1, Kind.VIDEO: 12}.get(kind, max(1, len(frames)))
    for frame in frames:
        if isinstance(frame, av.VideoFrame):
            assert (frame.width, frame.height) == (160, 90)


@every_kind
async def test_equal_requests_make_equal_bytes(subject: Subject, kind: Kind) -> None:
    if (subject.provider.name, kind) == ("preview", Kind.AUDIO):
        pytest.skip("the speech synthesiser keeps a state of its own between two lines")
    request = subject.request(kind)
    first, second = await subject.make(request, "a"), await subject.make(request, "b")
    assert first.read_bytes() == second.read_bytes()


@every_kind
async def test_other_words_make_other_bytes(subject: Subject, kind: Kind) -> None:
    words = "text" if kind is Kind.AUDIO else "prompt"
    first = await subject.make(subject.request(kind), "a")
    second = await subject.make(subject.request(kind, seed=8, **{words: "A whole other"}), "b")
    assert first.read_bytes() != second.read_bytes()


async def test_a_job_costs_at_most_its_quote(subject: Subject) -> None:
    request = subject.request(Kind.IMAGE)
    report = await subject.finish(await subject.submit(request), request)
    assert report.cost is None or report.cost <= subject.provider.quote(request)


async def test_an_accepted_job_is_found_again(subject: Subject) -> None:
    request, since = subject.request(Kind.IMAGE, seed=1001), datetime.now(UTC)
    job = await subject.submit(request)
    found = await subject.provider.find(request, since, frozenset())
    assert found is not None
    assert found.id == job.id
    assert (await subject.finish(found, request)).status is JobStatus.SUCCEEDED


async def test_a_request_never_sent_is_absent_or_free(subject: Subject) -> None:
    request = subject.request(Kind.IMAGE, seed=1002)
    found = await subject.provider.find(request, datetime.now(UTC), frozenset())
    assert found is None or subject.provider.quote(request) == 0


async def test_a_finished_job_keeps_its_report(subject: Subject) -> None:
    request = subject.request(Kind.IMAGE)
    job = await subject.submit(request)
    report = await subject.finish(job, request)
    assert await subject.provider.poll(job, request) == report


async def test_cancelling_a_finished_job_changes_nothing(subject: Subject) -> None:
    request = subject.request(Kind.IMAGE)
    job = await subject.submit(request)
    await subject.finish(job, request)
    await subject.provider.cancel(job)
    assert (await subject.provider.poll(job, request)).status is JobStatus.SUCCEEDED


async def test_an_output_longer_than_the_bound_is_refused_and_removed(subject: Subject) -> None:
    request = subject.request(Kind.IMAGE)
    report = await subject.finish(await subject.submit(request), request)
    path = subject.folder / "bounded"
    with pytest.raises(BadMedia):
        await subject.provider.fetch(str(report.output_url), path, 10)
    assert not path.exists()


def test_an_unknown_model_is_refused_by_name(subject: Subject) -> None:
    request = subject.request(Kind.IMAGE).model_copy(update={"model": "nonesuch"})
    with pytest.raises(BadInput) as refusal:
        subject.provider.quote(request)
    assert refusal.value.field == "model"
    assert "nonesuch" in str(refusal.value)


@every_kind
def test_a_missing_parameter_is_refused_by_name(subject: Subject, kind: Kind) -> None:
    request = subject.request(kind)
    rest = {k: v for k, v in request.parameters.items() if k != NEEDED[kind]}
    with pytest.raises(BadInput) as refusal:
        subject.provider.quote(request.model_copy(update={"parameters": rest}))
    assert NEEDED[kind] in refusal.value.field


def test_a_forged_callback_is_refused(subject: Subject) -> None:
    headers = {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(int(time.time())),
        "webhook-signature": "v1,bm90IGEgc2lnbmF0dXJl",
    }
    with pytest.raises(BadInput):
        subject.provider.parse_webhook(headers, b'{"request_id": "someone-elses"}')


def test_polls_are_neither_frantic_nor_idle(subject: Subject) -> None:
    for age_s in (0, 0.1, 1, 10, 100, 10_000):
        assert 0 < subject.provider.poll_interval_s(age_s) <= 5
