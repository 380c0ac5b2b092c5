"""Which callbacks are taken for fal's own."""

import hashlib
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator

import pytest

from filmforge.errors import (
    BadInput,
    ProviderUnavailable,
)
from filmforge.providers import fal_callbacks
from filmforge.providers.base import Job
from filmforge.providers.fal import FalProvider
from tests.fakes.fal import USER_ID, signing_key
from tests.fakes.process import FakeVendor, fake_vendor
from tests.providers.fal_bench import (
    Listener,
    a_provider,
    a_request,
    listening,
    payload,
    submitted,
    until,
)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FakeVendor]:
    with fake_vendor("tests.fakes.fal", tmp_path_factory.mktemp("fal") / "fal.sqlite") as fake:
        yield fake


@pytest.fixture
def fake(running: FakeVendor) -> FakeVendor:
    running.reset()
    return running


@pytest.fixture
async def provider(fake: FakeVendor) -> AsyncIterator[FalProvider]:
    client = a_provider(fake)
    yield client
    await client.close()


@pytest.fixture
async def listener() -> AsyncIterator[Listener]:
    async with listening() as heard:
        yield heard


async def called_back(fake: FakeVendor, provider: FalProvider, listener: Listener) -> Job:
    job = await submitted(provider, a_request(), callback_url=listener.url)
    await until(lambda: bool(listener.calls))
    return job


def signed(body: bytes, key: int = 1, age_s: float = 0) -> dict[str, str]:
    words = ("request-1", USER_ID, str(int(time.time() - age_s)))
    message = "\n".join([*words, hashlib.sha256(body).hexdigest()]).encode()
    names = ("Request-Id", "User-Id", "Timestamp")
    headers = {f"X-Fal-Webhook-{n}": w for n, w in zip(names, words, strict=True)}
    return {**headers, "X-Fal-Webhook-Signature": signing_key(key).sign(message).hex()}


BODY = json.dumps(payload("webhook_ok")).encode()


async def test_a_genuine_callback_names_its_job_and_is_the_same_when_repeated(
    fake: FakeVendor, provider: FalProvider, listener: Listener
) -> None:
    fake.set_faults({"fault": "webhook_twice"})
    job = await called_back(fake, provider, listener)
    await until(lambda: len(listener.calls) == 2)
    told = [await provider.parse_webhook(headers, body) for headers, body in listener.calls]
    assert told[0] == told[1]
    assert told[0].job == Job(id=job.id)
    assert told[0].webhook_id
    shouted = {name.upper(): value for name, value in listener.calls[0][0].items()}
    assert await provider.parse_webhook(shouted, listener.calls[0][1]) == told[0]
    asked = [r for r in fake.log()["requests"] if "jwks" in r["path"]]
    assert len(asked) == 1


async def test_the_callback_of_a_failed_job_is_as_genuine(
    fake: FakeVendor, provider: FalProvider, listener: Listener
) -> None:
    fake.set_faults({"fault": "job_fails"})
    job = await called_back(fake, provider, listener)
    headers, body = listener.calls[0]
    assert json.loads(body)["status"] == "ERROR"
    assert (await provider.parse_webhook(headers, body)).job.id == job.id


@pytest.mark.parametrize("fault", ["webhook_forged", "webhook_stale"])
async def test_a_forged_or_stale_callback_is_not_genuine(
    fake: FakeVendor, provider: FalProvider, listener: Listener, fault: str
) -> None:
    fake.set_faults({"fault": fault})
    await called_back(fake, provider, listener)
    with pytest.raises(BadInput, match="not genuine"):
        await provider.parse_webhook(*listener.calls[0])


async def test_a_recorded_callback_is_read(provider: FalProvider) -> None:
    notice = await provider.parse_webhook(signed(BODY, age_s=290), BODY)
    assert notice.job.id == payload("webhook_ok")["request_id"]
    assert notice.webhook_id == "request-1"


@pytest.mark.parametrize(
    ("sign", "body"),
    [
        (lambda: signed(BODY, key=2), BODY),
        (lambda: signed(BODY, age_s=310), BODY),
        (lambda: signed(BODY, age_s=-310), BODY),
        (lambda: {**signed(BODY), "X-Fal-Webhook-Request-Id": "request-2"}, BODY),
        (lambda: {**signed(BODY), "X-Fal-Webhook-Signature": "not hexadecimal"}, BODY),
        (lambda: {k: v for k, v in signed(BODY).items() if "User" not in k}, BODY),
        (lambda: signed(BODY), BODY + b" "),
        (lambda: signed(b"{}"), b"{}"),
        (lambda: signed(b"junk"), b"junk"),
    ],
)
async def test_a_callback_that_is_wrong_in_any_part_is_not_genuine(
    provider: FalProvider, sign: Callable[[], dict[str, str]], body: bytes
) -> None:
    with pytest.raises(BadInput, match="not genuine"):
        await provider.parse_webhook(sign(), body)


async def test_changed_keys_are_asked_for_once_they_are_needed(
    fake: FakeVendor, provider: FalProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    await provider.parse_webhook(signed(BODY), BODY)
    fake.settings(signing_key=2)
    with pytest.raises(BadInput):  # not at once: anybody can send what no key fits
        await provider.parse_webhook(signed(BODY, key=2), BODY)
    monkeypatch.setattr(fal_callbacks, "KEPT_AT_LEAST_S", 0)
    assert await provider.parse_webhook(signed(BODY, key=2), BODY)
    with pytest.raises(BadInput):
        await provider.parse_webhook(signed(BODY, key=1), BODY)


async def test_a_callback_cannot_be_judged_while_the_keys_are_away(
    fake: FakeVendor, provider: FalProvider
) -> None:
    fake.settings(serves_keys=False)
    with pytest.raises(ProviderUnavailable):
        await provider.parse_webhook(signed(BODY), BODY)
