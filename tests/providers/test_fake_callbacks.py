"""Which callbacks the fake provider's client believes."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from standardwebhooks.webhooks import Webhook

from filmforge.errors import BadInput
from filmforge.providers.fake import FakeProvider
from tests.fake_process import WEBHOOK_SECRET


@pytest.fixture
async def provider() -> AsyncIterator[FakeProvider]:
    client = FakeProvider("http://127.0.0.1:1", WEBHOOK_SECRET)
    yield client
    await client.close()


def signed(secret: str, body: str, at: datetime) -> dict[str, str]:
    return {
        "Webhook-Id": "msg_1",
        "Webhook-Timestamp": str(int(at.timestamp())),
        "Webhook-Signature": Webhook(secret).sign("msg_1", at, body),
    }


async def test_a_genuine_callback_names_its_job(provider: FakeProvider) -> None:
    body = json.dumps({"request_id": "abc", "status": "COMPLETED"})
    headers = signed(WEBHOOK_SECRET, body, datetime.now(UTC))
    notice = await provider.parse_webhook(headers, body.encode())
    assert (notice.webhook_id, notice.job.id) == ("msg_1", "abc")


@pytest.mark.parametrize("change", ["old", "body", "secret", "no headers", "no id", "not text"])
async def test_a_callback_that_is_not_genuine_or_stale_is_refused(
    provider: FakeProvider, change: str
) -> None:
    now = datetime.now(UTC)
    body = "{}" if change == "no id" else '{"request_id": "abc"}'
    secret = "whsec_b3RoZXItc2VjcmV0" if change == "secret" else WEBHOOK_SECRET
    at = now - timedelta(minutes=6) if change == "old" else now
    headers = {} if change == "no headers" else signed(secret, body, at)
    sent = {"body": b'{"request_id": "xyz"}', "not text": b"\xff\xfe"}.get(change, body.encode())
    with pytest.raises(BadInput):
        await provider.parse_webhook(headers, sent)
