"""Callbacks of OpenAI, and that its own client understands the fake."""

import base64
import json
import time
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from openai.types.responses import Response

from filmforge.errors import (
    AnswerLost,
    BadInput,
    CreateAmbiguous,
    ProviderUnavailable,
)
from filmforge.providers.base import JobStatus
from filmforge.providers.catalogue import Recovery
from filmforge.providers.openai import OpenAIProvider
from filmforge.providers.openai_answers import Reply, trouble_in
from tests.fakes.callbacks import standard_signature
from tests.fakes.openai import KEY, WEBHOOK_SECRET
from tests.fakes.process import FakeVendor, fake_vendor
from tests.providers.openai_case import (
    PROMPT,
    Ear,
    a_provider,
    draw,
    ended,
    heard,
    payload,
    picture_request,
    speech_request,
    until,
)


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FakeVendor]:
    with fake_vendor("tests.fakes.openai", tmp_path_factory.mktemp("openai") / "state") as running:
        yield running


@pytest.fixture
def server(process: FakeVendor) -> FakeVendor:
    process.reset()
    return process


@pytest.fixture
async def provider(server: FakeVendor) -> AsyncIterator[OpenAIProvider]:
    made = a_provider(server)
    yield made
    await made.close()


async def test_a_lost_picture_can_only_be_told_by_a_callback_and_lost_speech_by_nothing(
    server: FakeVendor, provider: OpenAIProvider
) -> None:
    silent = a_provider(server, secret="")
    assert provider.recovery(picture_request()) is Recovery.WEBHOOK
    assert silent.recovery(picture_request()) is Recovery.NONE
    assert provider.recovery(speech_request()) is Recovery.NONE
    with pytest.raises(CreateAmbiguous):
        await provider.find(picture_request(), datetime.now(UTC), frozenset())
    with pytest.raises(CreateAmbiguous):
        provider.listed(datetime.now(UTC))
    with pytest.raises(BadInput, match="OPENAI_WEBHOOK_SECRET"):
        await silent.parse_webhook({}, b"{}")
    await silent.close()


async def test_a_callback_leads_to_the_job_whose_answer_was_lost(
    server: FakeVendor, provider: OpenAIProvider, tmp_path: Path
) -> None:
    async with Ear() as ear:
        server.settings(webhook_url=ear.url)
        server.set_faults({"fault": "accept_then_drop"})
        with pytest.raises(AnswerLost):
            await draw(provider, tmp_path / "answer")

        async def any_heard() -> bool:
            return bool(ear.heard)

        await until(any_heard)
        headers, body = ear.heard[0]
    notice = await provider.parse_webhook(headers, body)
    assert notice.request_key == picture_request().key
    assert (await ended(provider, notice.job)).status is JobStatus.SUCCEEDED
    assert server.charges()["by_words"] == {PROMPT: 1}


async def test_a_repeated_callback_has_the_same_id_and_headers_may_be_written_in_any_case(
    server: FakeVendor, provider: OpenAIProvider
) -> None:
    first, again = await heard(server, {"fault": "webhook_twice"}, count=2)
    shouted = {name.upper(): value for name, value in again[0].items()}
    notices = [
        await provider.parse_webhook(*first),
        await provider.parse_webhook(shouted, again[1]),
    ]
    assert notices[0] == notices[1]


@pytest.mark.parametrize("fault", ["webhook_forged", "webhook_stale"])
async def test_a_forged_or_stale_callback_is_refused(
    server: FakeVendor, provider: OpenAIProvider, fault: str
) -> None:
    ((headers, body),) = await heard(server, {"fault": fault})
    with pytest.raises(BadInput, match="genuine"):
        await provider.parse_webhook(headers, body)


async def test_a_callback_of_another_secret_or_about_another_thing_is_refused(
    server: FakeVendor, provider: OpenAIProvider
) -> None:
    ((headers, body),) = await heard(server)
    other = a_provider(server, secret="whsec_" + base64.b64encode(b"another").decode())
    with pytest.raises(BadInput, match="genuine"):
        await other.parse_webhook(headers, body)
    await other.close()
    for news, problem in ((b'{"type": "batch.completed", "data": {"id": "b"}}', "no news"),
                          (b"[]", "genuine")):  # fmt: skip
        with pytest.raises(BadInput, match=problem):
            await provider.parse_webhook(signed(news), news)
    lost = b'{"type": "response.completed", "data": {"id": "resp_nobody"}}'
    with pytest.raises(ProviderUnavailable):
        await provider.parse_webhook(signed(lost), lost)


def signed(body: bytes) -> dict[str, str]:
    now = time.time()
    return {
        "webhook-id": "wh_1",
        "webhook-timestamp": str(int(now)),
        "webhook-signature": standard_signature(WEBHOOK_SECRET, "wh_1", int(now), body),
    }


STATUSES = ("accepted", "in_progress", "completed", "failed", "moderated", "cancelled")


@pytest.mark.parametrize("name", [*STATUSES, "incomplete"])
async def test_a_recorded_response_is_one_by_the_types_of_openais_own_client(name: str) -> None:
    Response.model_validate(payload(name), strict=False)
    Reply.model_validate(payload(name))


async def test_the_fake_answers_as_recorded(server: FakeVendor, tmp_path: Path) -> None:
    provider = a_provider(server)
    server.settings(latency_s=0.2)
    job = await draw(provider, tmp_path / "answer")
    headers = {"authorization": f"Bearer {KEY}"}
    async with httpx.AsyncClient(base_url=f"{server.url}/v1", headers=headers) as client:
        running = (await client.get(f"/responses/{job.id}")).json()
        await ended(provider, job)
        done = (await client.get(f"/responses/{job.id}")).json()
        refused = (await client.get("/responses/resp_x")).json()
    await provider.close()
    assert shape(running) == shape(payload("in_progress"))
    assert shape(done) == shape(payload("completed"))
    assert shape(refused) == shape(payload("error_not_found"))


@pytest.mark.parametrize(
    ("name", "content", "credit"),
    [
        ("error_content", True, False),
        ("error_quota", False, True),
        ("error_rate", False, False),
        ("error_key", False, False),
    ],
)
async def test_a_recorded_error_names_the_content_or_the_credit(
    name: str, content: bool, credit: bool
) -> None:
    trouble = trouble_in(json.dumps(payload(name)).encode())
    assert (trouble.names_content, trouble.names_credit) == (content, credit)
    assert trouble.message


def shape(value: Any) -> Any:
    """The names in a JSON value, without what they stand for."""
    if isinstance(value, dict):
        return {name: shape(each) for name, each in value.items()}
    return [shape(each) for each in value] if isinstance(value, list) else None


async def test_openais_own_client_reads_the_fake_and_takes_its_callbacks(
    server: FakeVendor,
) -> None:
    ((headers, body),) = await heard(server)
    assert shape(json.loads(body)) == shape(payload("webhook"))
    async with openai.AsyncOpenAI(
        api_key=KEY,
        base_url=f"{server.url}/v1",
        webhook_secret=WEBHOOK_SECRET,
        max_retries=0,
        _strict_response_validation=True,
    ) as client:
        event = client.webhooks.unwrap(body, headers)
        assert event.type == "response.completed"
        response = await client.responses.retrieve(event.data.id)
        assert response.status == "completed"
        with pytest.raises(openai.NotFoundError, match="not found"):
            await client.responses.retrieve("resp_x")
