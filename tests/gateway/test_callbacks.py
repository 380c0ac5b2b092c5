"""Provider callbacks: a genuine one wakes its request, and nothing ever changes more."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import cast

import httpx
import pytest
from pydantic import SecretStr
from standardwebhooks.webhooks import Webhook

from filmforge.domain import GenerationRequest, Kind
from filmforge.errors import ProviderUnavailable
from filmforge.ledger.posting import Claim, State
from filmforge.providers.base import Job, JobReport, JobStatus, Notice, Provider
from filmforge.providers.registry import Registry
from tests.fake_process import WEBHOOK_SECRET
from tests.gateway.studio import Studio, open_studio

REQUEST = GenerationRequest(
    kind=Kind.IMAGE, provider="fake", model="fake/image", parameters={"prompt": "x"}
)
KEY = REQUEST.key
OURS = ("job-7", "job-8")


class Account:
    """A provider that checks signatures as the fake does, and whose account has known jobs.

    With a `request_key` its callbacks name the request themselves.
    """

    name = "fake"

    def __init__(self, genuine: Provider, request_key: str | None = None) -> None:
        self._genuine = genuine
        self._request_key = request_key

    async def parse_webhook(self, headers: Mapping[str, str], body: bytes) -> Notice:
        notice = await self._genuine.parse_webhook(headers, body)
        return notice.model_copy(update={"request_key": self._request_key})

    async def poll(self, job: Job, _request: GenerationRequest) -> JobReport:
        if job.id not in OURS:
            raise ProviderUnavailable("fake: there is no such request")
        return JobReport(status=JobStatus.RUNNING)


def telling(studio: Studio, request_key: str | None = None) -> Studio:
    """The studio with a provider whose callbacks name this request."""
    account = Account(studio.gateway.registry.get("fake"), request_key)
    registry = Registry({"fake": lambda: cast(Provider, account)})
    return replace(studio, gateway=replace(studio.gateway, registry=registry))


@pytest.fixture
def studio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Studio]:
    made = open_studio(
        tmp_path,
        monkeypatch,
        fake_url="http://127.0.0.1:9",
        fake_webhook_secret=SecretStr(WEBHOOK_SECRET),
    )
    made.film()
    claim = Claim(film_id="attic", shot_id="shot_001", intent="first")
    made.ledger.journal.reserve(REQUEST, Decimal("0.05"), claim)
    made.ledger.journal.begin_submitting(KEY)
    yield telling(made)
    made.ledger.close()


def accepted(studio: Studio, job_id: str = "job-7") -> None:
    studio.ledger.journal.accept(KEY, {"id": job_id, "urls": {}}, "submit")


def signed(
    body: bytes,
    secret: str = WEBHOOK_SECRET,
    age: timedelta = timedelta(),
    webhook_id: str = "msg_1",
) -> dict[str, str]:
    moment = datetime.now(UTC) - age
    return {
        "webhook-id": webhook_id,
        "webhook-timestamp": str(int(moment.timestamp())),
        "webhook-signature": Webhook(secret).sign(webhook_id, moment, body.decode()),
    }


def notice(job_id: str = "job-7") -> bytes:
    return json.dumps({"request_id": job_id, "status": "COMPLETED"}).encode()


async def call(
    studio: Studio, body: bytes, headers: dict[str, str], key: str = KEY, provider: str = "fake"
) -> httpx.Response:
    async with studio.client() as client:
        return await client.post(f"/v1/callbacks/{provider}/{key}", content=body, headers=headers)


async def call_account(studio: Studio, body: bytes, provider: str = "fake") -> httpx.Response:
    async with studio.client() as client:
        path = f"/v1/callbacks/{provider}"
        return await client.post(path, content=body, headers=signed(body))


async def test_a_genuine_callback_wakes_its_request_and_changes_nothing_else(studio: Studio):
    accepted(studio)
    before = studio.ledger.journal.read(KEY)
    assert (await call(studio, notice(), signed(notice()))).status_code == 204
    after = studio.ledger.journal.read(KEY)
    assert before.woken_at is None
    assert after.woken_at is not None
    assert after.model_copy(update={"woken_at": None}) == before


async def test_a_replay_is_answered_like_the_first_and_does_nothing(studio: Studio):
    accepted(studio)
    await call(studio, notice(), signed(notice()))
    before = studio.ledger.journal.read(KEY)
    for body in (notice(), notice("job-8")):
        assert (await call(studio, body, signed(body))).status_code == 204
    assert studio.ledger.journal.read(KEY) == before
    await call(studio, notice(), signed(notice(), webhook_id="msg_2"))
    assert studio.ledger.journal.read(KEY).woken_at != before.woken_at


@pytest.mark.parametrize("state", [State.SUBMITTING, State.UNKNOWN])
async def test_a_job_whose_answer_was_lost_is_written_down_from_its_callback(
    studio: Studio, state: State
):
    if state is State.UNKNOWN:
        studio.ledger.journal.doubt(KEY, "nobody answered")
    assert studio.ledger.journal.read(KEY).state is state
    assert (await call(studio, notice(), signed(notice()))).status_code == 204
    posting = studio.ledger.journal.read(KEY)
    assert posting.state is State.ACCEPTED
    assert posting.job == {"id": "job-7", "urls": {}}
    assert posting.woken_at
    assert posting.submits == 1


async def test_at_an_accounts_address_the_job_names_its_request(studio: Studio):
    assert (await call_account(telling(studio, KEY), notice())).status_code == 204
    posting = studio.ledger.journal.read(KEY)
    assert posting.state is State.ACCEPTED
    assert posting.job == {"id": "job-7", "urls": {}}


@pytest.mark.parametrize("key", [None, "0" * 64])
async def test_at_an_accounts_address_news_of_nobodys_job_is_taken_and_does_nothing(
    studio: Studio, key: str | None
):
    before = studio.ledger.journal.read(KEY)
    assert (await call_account(telling(studio, key), notice())).status_code == 204
    assert studio.ledger.journal.read(KEY) == before


async def test_an_accounts_address_of_nobody_is_not_known(studio: Studio):
    answer = await call_account(telling(studio, KEY), notice(), "nobody")
    assert answer.status_code == 404
    assert answer.json()["detail"] == "there is nothing at this address"


async def test_at_an_accounts_address_a_forged_callback_is_refused(studio: Studio):
    async with telling(studio, KEY).client() as client:
        answer = await client.post(
            "/v1/callbacks/fake", content=notice("job-8"), headers=signed(notice())
        )
    assert answer.status_code == 401
    assert studio.ledger.journal.read(KEY).state is State.SUBMITTING


async def test_a_callback_that_names_another_request_than_its_address_is_not_known(
    studio: Studio,
):
    answer = await call(telling(studio, "0" * 64), notice(), signed(notice()))
    assert answer.status_code == 404
    assert studio.ledger.journal.read(KEY).state is State.SUBMITTING


@pytest.mark.parametrize("why", ["forged", "stale", "changed", "unsigned"])
async def test_a_callback_that_is_not_genuine_is_refused(studio: Studio, why: str):
    accepted(studio)
    headers = {
        "forged": signed(notice(), "whsec_b3RoZXIgc2VjcmV0"),
        "stale": signed(notice(), age=timedelta(minutes=6)),
        "changed": signed(notice("job-8")),
        "unsigned": {},
    }[why]
    answer = await call(studio, notice(), headers)
    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"
    assert studio.ledger.journal.read(KEY).woken_at is None


async def test_a_second_job_of_a_request_is_written_into_its_history_never_over_the_first(
    studio: Studio,
):
    accepted(studio, "job-8")
    assert (await call(studio, notice(), signed(notice()))).status_code == 204
    posting = studio.ledger.journal.read(KEY)
    assert posting.job == {"id": "job-8", "urls": {}}
    assert posting.woken_at
    assert studio.ledger.journal.jobs(KEY) == {"job-7", "job-8"}


async def test_late_news_of_an_earlier_job_never_stands_in_for_the_submit_under_way(
    studio: Studio,
):
    accepted(studio)
    studio.ledger.journal.resubmit(KEY, "it broke")
    studio.ledger.journal.begin_submitting(KEY)
    assert (await call(studio, notice(), signed(notice()))).status_code == 204
    posting = studio.ledger.journal.read(KEY)
    assert (posting.state, posting.job) == (State.SUBMITTING, None)


async def test_a_job_that_the_account_does_not_have_is_never_written_down(studio: Studio):
    body = notice("job-of-another-customer")
    assert (await call(studio, body, signed(body))).status_code >= 400
    posting = studio.ledger.journal.read(KEY)
    assert (posting.state, posting.job, posting.woken_at) == (State.SUBMITTING, None, None)


@pytest.mark.parametrize(
    ("provider", "key"),
    [("fake", "0" * 64), ("fake", "%00"), ("fake", "x" * 500), ("nobody", KEY)],
)
async def test_what_is_not_known_is_answered_without_a_hint(
    studio: Studio, provider: str, key: str
):
    answer = await call(studio, notice(), signed(notice()), key, provider)
    assert answer.status_code == 404
    assert answer.json()["detail"] == "there is nothing at this address"


async def test_a_key_of_another_provider_is_not_known(studio: Studio):
    other = REQUEST.model_copy(update={"provider": "preview"})
    claim = Claim(film_id="attic", shot_id="shot_002", intent="first")
    studio.ledger.journal.reserve(other, Decimal(0), claim)
    answer = await call(studio, notice(), signed(notice()), other.key)
    assert answer.status_code == 404
    assert studio.ledger.journal.read(other.key).woken_at is None


async def test_a_provider_that_is_not_configured_is_not_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    bare = open_studio(tmp_path / "bare", monkeypatch)
    assert (await call(bare, notice(), signed(notice()))).status_code == 404
    bare.ledger.close()


async def test_a_callback_larger_than_one_mebibyte_is_refused(studio: Studio):
    body = b"x" * ((1 << 20) + 1)
    assert (await call(studio, body, signed(body))).status_code == 413


@pytest.mark.parametrize("body", [b"", b"\xff\xfe", b"{}", b"[]", b"null"])
async def test_a_signed_body_that_names_no_job_is_refused(studio: Studio, body: bytes):
    headers = signed(body) if body != b"\xff\xfe" else signed(b"x")
    answer = await call(studio, body, headers)
    assert answer.status_code == 401
    assert studio.ledger.journal.read(KEY).woken_at is None
