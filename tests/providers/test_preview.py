"""The preview provider: real rendering that outlives killed children, workers and instances."""

import asyncio
import hashlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
import pytest

from filmforge.domain import GenerationRequest, Ingredient, Kind
from filmforge.errors import BadInput, BadMedia, NotFound, ProviderUnavailable, StoreUnavailable
from filmforge.providers.base import Job, JobReport, JobStatus
from filmforge.providers.preview import PreviewProvider

NO_ANSWER = Path("this-provider-answers-with-a-job")


def picture(**parameters: Any) -> GenerationRequest:
    asked = {"prompt": "an attic", "width": 96, "height": 64, **parameters}
    return GenerationRequest(
        kind=Kind.IMAGE, provider="preview", model="storyboard", parameters=asked, seed=1
    )


def clip(digest: str, **parameters: Any) -> GenerationRequest:
    asked = {"width": 96, "height": 64, "fps": "24", "duration": "0.5", **parameters}
    return GenerationRequest(
        kind=Kind.VIDEO,
        provider="preview",
        model="camera",
        parameters=asked,
        seed=1,
        inputs=(Ingredient(role="frame", digest=digest),),
    )


def line(text: str = "Hello there.") -> GenerationRequest:
    return GenerationRequest(
        kind=Kind.AUDIO,
        provider="preview",
        model="voice",
        seed=1,
        parameters={"text": text, "voice": "emma"},
    )


class Assets:
    """The only part of a store the provider needs: a folder of files by digest."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    async def fetch(self, digest: str, path: Path) -> None:
        if not (self.folder / digest).exists():
            raise NotFound(f"no asset {digest}")
        shutil.copyfile(self.folder / digest, path)

    def keep(self, path: Path) -> str:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        shutil.copyfile(path, self.folder / digest)
        return digest


@pytest.fixture
def assets(tmp_path: Path) -> Assets:
    (tmp_path / "assets").mkdir()
    return Assets(tmp_path / "assets")


@pytest.fixture
async def provider(tmp_path: Path, assets: Assets) -> AsyncIterator[PreviewProvider]:
    made = PreviewProvider(tmp_path / "work", assets.fetch, processes=1)
    yield made
    await made.close()


async def ended(
    provider: PreviewProvider, request: GenerationRequest, limit_s: float = 30
) -> JobReport:
    job = Job(id=request.key)
    async with asyncio.timeout(limit_s):
        while (report := await provider.poll(job, request)).status is JobStatus.RUNNING:  # noqa: ASYNC110
            await asyncio.sleep(provider.poll_interval_s(0))
    return report


async def made(provider: PreviewProvider, request: GenerationRequest, path: Path) -> Path:
    report = await ended(provider, request)
    assert report.status is JobStatus.SUCCEEDED, report
    assert report.output_url is not None
    await provider.fetch(report.output_url, path, 10_000_000)
    return path


def children() -> list[psutil.Process]:
    found = []
    for child in psutil.Process().children(recursive=True):
        try:
            if "spawn_main" in " ".join(child.cmdline()):
                found.append(child)
        except psutil.Error:
            continue
    return found


async def until(condition: Callable[[], bool], limit_s: float = 15) -> None:
    async with asyncio.timeout(limit_s):
        while not condition():  # noqa: ASYNC110 - a process offers no event
            await asyncio.sleep(0.02)


async def test_picture_clip_and_voice_are_real_files(
    provider: PreviewProvider, assets: Assets, tmp_path: Path
) -> None:
    frame = await made(provider, picture(), tmp_path / "a.png")
    assert frame.read_bytes().startswith(b"\x89PNG")
    moving = await made(provider, clip(assets.keep(frame)), tmp_path / "a.mp4")
    assert moving.read_bytes()[4:8] == b"ftyp"
    spoken = await made(provider, line(), tmp_path / "a.wav")
    assert spoken.read_bytes()[:4] == b"RIFF"
    assert list((tmp_path / "work" / "preview").iterdir()) == []


async def test_a_job_is_its_request_and_the_url_names_no_path(
    provider: PreviewProvider, tmp_path: Path
) -> None:
    request = picture()
    job = await provider.submit(request, {}, None, NO_ANSWER)
    assert (
        job == Job(id=request.key) == await provider.find(request, datetime.now(UTC), frozenset())
    )
    report = await ended(provider, request)
    assert report.output_url == f"preview:{request.key}.png"
    assert report.cost == 0


async def test_a_killed_child_costs_only_time(provider: PreviewProvider, tmp_path: Path) -> None:
    request = picture(width=2048, height=2048)
    await provider.submit(request, {}, None, NO_ANSWER)
    await until(lambda: bool(children()))
    for child in children():
        child.kill()
    await made(provider, request, tmp_path / "a.png")


async def test_a_new_instance_finishes_what_another_forgot(
    provider: PreviewProvider, assets: Assets, tmp_path: Path
) -> None:
    request = picture()
    await provider.submit(request, {}, None, NO_ANSWER)
    await provider.close()
    second = PreviewProvider(tmp_path / "work", assets.fetch, processes=1)
    await made(second, request, tmp_path / "a.png")
    await second.close()


async def test_a_finished_output_is_found_by_a_new_instance_without_rendering(
    provider: PreviewProvider, assets: Assets, tmp_path: Path
) -> None:
    await ended(provider, picture())
    second = PreviewProvider(tmp_path / "work", assets.fetch, processes=1)
    report = await second.poll(Job(id=picture().key), picture())
    assert report.status is JobStatus.SUCCEEDED


async def test_a_fetched_output_is_made_again_when_it_is_asked_for_again(
    provider: PreviewProvider, tmp_path: Path
) -> None:
    first = await made(provider, picture(), tmp_path / "a.png")
    again = await made(provider, picture(), tmp_path / "b.png")
    assert first.read_bytes() == again.read_bytes()


async def test_a_job_that_cannot_be_made_fails_with_its_reason(provider: PreviewProvider) -> None:
    report = await ended(provider, clip("0" * 64))
    assert (report.status, report.code, report.billed) == (JobStatus.FAILED, "not_found", False)
    assert (await provider.poll(Job(id=clip("0" * 64).key), clip("0" * 64))) == report


async def test_a_frame_that_is_no_picture_fails_as_bad_media(
    provider: PreviewProvider, assets: Assets, tmp_path: Path
) -> None:
    (tmp_path / "text").write_text("no picture")
    report = await ended(provider, clip(assets.keep(tmp_path / "text")))
    assert (report.status, report.code, report.transient) == (JobStatus.FAILED, "bad_media", False)
    assert str(tmp_path) not in report.message


async def test_a_store_that_is_away_for_now_is_asked_again_later(tmp_path: Path) -> None:
    async def away(digest: str, path: Path) -> None:
        raise StoreUnavailable("the store does not answer")

    provider = PreviewProvider(tmp_path, away, processes=1)
    with pytest.raises(ProviderUnavailable):
        await ended(provider, clip("0" * 64))
    await provider.close()


async def test_a_cancelled_job_that_waits_is_dropped(provider: PreviewProvider) -> None:
    running, waiting = picture(width=1024, height=1024), picture(prompt="a forest")
    await provider.submit(running, {}, None, NO_ANSWER)
    job = await provider.submit(waiting, {}, None, NO_ANSWER)
    await provider.cancel(job)
    assert (await ended(provider, waiting)).status is JobStatus.CANCELLED


async def test_an_output_above_the_limit_is_refused(
    provider: PreviewProvider, tmp_path: Path
) -> None:
    report = await ended(provider, picture())
    assert report.output_url is not None
    with pytest.raises(BadMedia, match="100"):
        await provider.fetch(report.output_url, tmp_path / "a.png", 100)


@pytest.mark.parametrize("url", ["preview:../../etc/passwd", "file:///etc/passwd", "preview:a.png"])
async def test_only_its_own_urls_are_fetched(
    provider: PreviewProvider, tmp_path: Path, url: str
) -> None:
    with pytest.raises(BadInput, match="url"):
        await provider.fetch(url, tmp_path / "a", 1_000)


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (picture().model_copy(update={"model": "nothing"}), "model"),
        (picture(prompt=""), "prompt"),
        (picture(width=63), "width"),
        (clip("0" * 64).model_copy(update={"inputs": ()}), "frame"),
        (clip("0" * 64, duration="0"), "duration"),
        (line(""), "text"),
        (line("…"), "text"),
    ],
    ids=["model", "prompt", "width", "frame", "duration", "no text", "nothing to say"],
)
def test_what_cannot_be_made_is_refused_by_field(
    tmp_path: Path, assets: Assets, request_: GenerationRequest, field: str
) -> None:
    with pytest.raises(BadInput) as caught:
        PreviewProvider(tmp_path, assets.fetch, 1).quote(request_)
    assert caught.value.field == field


async def test_everything_is_free_and_webhooks_are_refused(tmp_path: Path, assets: Assets) -> None:
    provider = PreviewProvider(tmp_path, assets.fetch, 1)
    assert provider.quote(picture()) == 0
    assert {model.price.usd for model in provider.models().values()} == {0}
    with pytest.raises(BadInput):
        await provider.parse_webhook({}, b"")


async def test_closing_ends_the_children(provider: PreviewProvider) -> None:
    await ended(provider, picture())
    mine = children()
    assert mine
    assert all(child.nice() >= 5 for child in mine)
    await provider.close()
    await until(
        lambda: (
            not any(child.is_running() and child.status() != psutil.STATUS_ZOMBIE for child in mine)
        ),
        5,
    )


PARENT = """
import asyncio, sys
from pathlib import Path
from filmforge.domain import GenerationRequest, Kind
from filmforge.providers.preview import PreviewProvider

async def nothing(digest, path): ...

async def main():
    provider = PreviewProvider(Path(sys.argv[1]), nothing, processes=1)
    asked = {"prompt": "an attic", "width": 96, "height": 64}
    request = GenerationRequest(kind=Kind.IMAGE, provider="preview", model="storyboard",
                                parameters=asked)
    job = await provider.submit(request, {}, None, Path("unused"))
    while (await provider.poll(job, request)).status.value == "running":
        await asyncio.sleep(0.05)
    print("ready", flush=True)
    await asyncio.sleep(60)

if __name__ == "__main__":
    asyncio.run(main())
"""


def test_children_end_by_themselves_after_their_parent_was_killed(tmp_path: Path) -> None:
    (tmp_path / "parent.py").write_text(PARENT)
    with subprocess.Popen(
        [sys.executable, str(tmp_path / "parent.py"), str(tmp_path)], stdout=subprocess.PIPE
    ) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"ready\n"
        orphans = psutil.Process(parent.pid).children(recursive=True)
        assert orphans
        os.kill(parent.pid, signal.SIGKILL)
    gone, alive = psutil.wait_procs(orphans, timeout=3)
    assert gone
    assert not [child for child in alive if child.status() != psutil.STATUS_ZOMBIE]


def test_polls_come_fast_at_first_and_slower_later(tmp_path: Path, assets: Assets) -> None:
    provider = PreviewProvider(tmp_path, assets.fetch, 1)
    assert provider.poll_interval_s(0) <= 0.1 < provider.poll_interval_s(60)
