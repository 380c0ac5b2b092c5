"""A provider tells nobody its key, whatever it is answered and however the key is refused."""

import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from filmforge.domain import Kind
from filmforge.errors import FilmError, KeyRefused
from filmforge.providers.base import Job, Material
from filmforge.providers.registry import build_registry
from filmforge.providers.runway import MAX_DATA_URI_CHARS
from filmforge.settings import Settings
from tests.conformance.subject import MAX_BYTES, Subject, fetch_frame, frame_server
from tests.fake_process import free_port
from tests.fakes.process import FakeVendor
from tests.keys.lock import CUT, MALFORMED
from tests.keys.planted import Finder, Planted, a_key, a_secret
from tests.keys.wiring import KEYS, SHAPES, addresses

KIND = {"elevenlabs": Kind.AUDIO, "runway": Kind.VIDEO}
ANSWERS = (MALFORMED, CUT, 400, 401, 402, 403, 404, 409, 422, 429, 500, 502)
PLANTED = {name: a_key(name, SHAPES[name]) for name in KEYS}
SECRET = a_secret("webhook secret")


@pytest.fixture(scope="module")
def fakes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], FakeVendor]]:
    """The fakes by name, behind their locks, each started when it is first asked for."""
    running: dict[str, FakeVendor] = {}
    with ExitStack() as stack:

        def fake(name: str) -> FakeVendor:
            if name not in running:
                state = tmp_path_factory.mktemp(name) / "state.db"
                running[name] = FakeVendor(
                    "tests.keys.lock", state, VENDOR=name, OPENS=PLANTED[name].value
                )
                running[name].start()
                stack.callback(running[name].stop)
            return running[name]

        yield fake


async def quote(url: str, answer: int) -> None:
    """Have every request answered so."""
    async with httpx.AsyncClient(trust_env=False) as client:
        (await client.post(f"{url}/control/quote", json=answer)).raise_for_status()


@asynccontextmanager
async def opened(name: str, url: str, key: str, folder: Path) -> AsyncIterator[Subject]:
    """A provider at an address, with this key."""
    told: dict[str, Any] = {
        KEYS[name]: SecretStr(key),
        "replicate_webhook_secret": SecretStr(SECRET.value),
        "openai_webhook_secret": SecretStr(SECRET.value),
        **addresses(name, url),
    }
    settings = Settings(
        work_dir=folder, allow_private_urls=True, submit_timeout_s=4, listing_lag_s=0, **told
    )
    registry = build_registry(settings, fetch_frame)
    async with frame_server() as frame_url:
        yield Subject(registry.get(name), KIND.get(name, Kind.IMAGE), folder, None, frame_url)
    await registry.close()


async def everything_said(subject: Subject) -> dict[str, str]:
    """What each of the provider's methods says or fails with, as a log would show it."""
    provider, request = subject.provider, subject.request()
    since = datetime.now(UTC) - timedelta(minutes=1)
    job = Job(id="job-1", urls={"response": f"{subject.folder.name}"})

    async def listed() -> list[str]:
        return [repr(item) async for item in provider.listed(since)]

    calls: dict[str, Callable[[], Awaitable[Any]]] = {
        "submit": lambda: subject.submit(request),
        "poll": lambda: provider.poll(job, request),
        "cancel": lambda: provider.cancel(job),
        "find": lambda: provider.find(request, since, frozenset()),
        "listed": listed,
        "fetch": lambda: provider.fetch("http://127.0.0.1:1/gone", subject.folder / "f", MAX_BYTES),
        "parse_webhook": lambda: provider.parse_webhook({"webhook-id": "x"}, b"{}"),
    }
    said = {"repr": repr(provider) + str(provider)}
    for name, call in calls.items():
        try:
            said[name] = repr(await call())
        except FilmError as error:
            said[name] = "".join(traceback.format_exception(error))
    return said


def unhidden(said: dict[str, str], planted: Planted) -> list[str]:
    finder = Finder([planted, SECRET])
    return [
        f"{name}: {leak.key}, {leak.dress}: {words[-300:]}"
        for name, words in said.items()
        for leak in finder.look(name, words)
    ]


@pytest.mark.parametrize("answer", ANSWERS)
@pytest.mark.parametrize("name", KEYS)
async def test_an_answer_that_quotes_the_key_is_passed_on_without_it(
    name: str, answer: int, fakes: Callable[[str], FakeVendor], tmp_path: Path
) -> None:
    url = fakes(name).url
    async with opened(name, url, PLANTED[name].value, tmp_path) as subject:
        await quote(url, answer)
        said = await everything_said(subject)
    assert "Traceback" in said["submit"]
    assert unhidden(said, PLANTED[name]) == []
    if answer == 401:
        assert KeyRefused.__name__ in said["submit"]
        assert "***" in said["submit"] or name == "openai"


@pytest.mark.parametrize("name", KEYS)
async def test_a_provider_that_cannot_be_reached_is_told_of_without_the_key(
    name: str, tmp_path: Path
) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    async with opened(name, url, PLANTED[name].value, tmp_path) as subject:
        said = await everything_said(subject)
    assert "NotSent" in said["submit"]
    assert unhidden(said, PLANTED[name]) == []


@pytest.mark.parametrize("blemish", ["\n", "\x00", "\u2013"])
@pytest.mark.parametrize("name", KEYS)
async def test_a_key_that_no_header_can_carry_is_told_by_no_error(
    name: str, blemish: str, fakes: Callable[[str], FakeVendor], tmp_path: Path
) -> None:
    url = fakes(name).url
    try:
        async with opened(name, url, PLANTED[name].value + blemish, tmp_path) as subject:
            said = await everything_said(subject)
    except FilmError as error:
        said = {"opened": "".join(traceback.format_exception(error))}
    assert unhidden(said, PLANTED[name]) == []


def test_settings_show_no_key_in_any_form() -> None:
    told = {
        name: SecretStr(key.value)
        for name, key in zip(KEYS.values(), PLANTED.values(), strict=True)
    }
    settings = Settings(signing_key=SecretStr(SECRET.value), **told)
    shown = f"{settings!r} {settings} {settings.model_dump_json()} {settings.model_dump()}"
    assert "**********" in shown
    assert Finder([*PLANTED.values(), SECRET]).look("settings", shown) == []


@pytest.mark.parametrize("answer", ANSWERS)
async def test_an_upload_that_is_answered_with_the_key_is_told_of_without_it(
    answer: int, fakes: Callable[[str], FakeVendor], tmp_path: Path
) -> None:
    """Runway takes a large frame by an upload of its own."""
    url, planted = fakes("runway").url, PLANTED["runway"]
    large = Material(url=url, media_type="image/png", public=False, data=bytes(MAX_DATA_URI_CHARS))
    async with opened("runway", url, planted.value, tmp_path) as subject:
        await quote(url, answer)
        request = subject.request()
        inputs = {str(part.role): large for part in request.inputs}
        with pytest.raises(FilmError) as caught:
            await subject.provider.submit(request, inputs, None, tmp_path / "answer")
    said = {"submit": "".join(traceback.format_exception(caught.value))}
    assert unhidden(said, planted) == []
