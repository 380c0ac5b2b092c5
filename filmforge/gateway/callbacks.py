"""Callbacks of providers: they wake a request's poll, and name a job whose answer was lost."""

import asyncio
import contextlib
from datetime import timedelta

from fastapi import APIRouter, Request, Response

from filmforge.errors import BadInput, Conflict, NotConfigured, NotFound
from filmforge.gateway.bodies import raw_body
from filmforge.gateway.problems import Refusal
from filmforge.gateway.state import Gateway, Parts
from filmforge.ledger import Ledger
from filmforge.ledger.database import now
from filmforge.ledger.posting import Posting
from filmforge.providers.base import Notice, Provider

MAX_BODY_BYTES = 1 << 20
# A callback can be repeated for five minutes, and is sent late for hours.
REMEMBERED = timedelta(days=1)


router = APIRouter(tags=["callbacks"])


@router.post("/v1/callbacks/{provider}", status_code=204, openapi_extra={"security": []})
async def account_calls(request: Request, gateway: Parts, provider: str) -> Response:
    """Take a webhook of a provider that has one address for a whole account.

    The job itself tells which request it belongs to; otherwise as for one request. Genuine news
    of somebody else's job is taken too, or the provider would repeat it for days.
    """
    caller, notice = await _genuine(request, gateway, provider)
    if notice.request_key is not None:
        with contextlib.suppress(NotFound):
            await _take(gateway, caller, notice.request_key, notice)
    return Response(status_code=204)


@router.post(
    "/v1/callbacks/{provider}/{request_key}", status_code=204, openapi_extra={"security": []}
)
async def provider_calls(
    request: Request, gateway: Parts, provider: str, request_key: str
) -> Response:
    """Take a provider's webhook: the next poll of that request is due now.

    Only a poll decides what became of a job, so one that is lost, late or repeated is harmless.
    A job whose answer was lost is written down from it.
    """
    caller, notice = await _genuine(request, gateway, provider)
    if notice.request_key not in (None, request_key):
        raise _nothing()
    await _take(gateway, caller, request_key, notice)
    return Response(status_code=204)


async def _genuine(request: Request, gateway: Gateway, name: str) -> tuple[Provider, Notice]:
    try:
        provider = gateway.registry.get(name)
    except (BadInput, NotConfigured):
        raise _nothing() from None
    body = await raw_body(request)
    if len(body) > MAX_BODY_BYTES:
        raise Refusal(413, "too_large", "A callback is larger than 1 MiB: send a smaller one.")
    try:
        return provider, await provider.parse_webhook(dict(request.headers), body)
    except BadInput as error:
        raise Refusal(401, "not_genuine", str(error)) from None


async def _take(gateway: Gateway, provider: Provider, request_key: str, notice: Notice) -> None:
    ledger = gateway.ledger
    try:
        posting = await asyncio.to_thread(ledger.journal.read, request_key)
    except NotFound:
        raise _nothing() from None
    if posting.request.provider != provider.name:
        raise _nothing()
    if notice.job.id not in await asyncio.to_thread(ledger.journal.jobs, request_key):
        await asyncio.to_thread(_refuse_anothers_job, ledger, provider.name, notice)
        # Some providers sign for all their customers with one key: the job must be one that our
        # own account can ask for before it is written down.
        await provider.poll(notice.job, posting.request)
    await asyncio.to_thread(_write_down, gateway.ledger, provider.name, posting, notice)


def _refuse_anothers_job(ledger: Ledger, provider: str, notice: Notice) -> None:
    """A genuine callback may be repeated by somebody at the address of another request."""
    if notice.job.id in ledger.journal.jobs_of(provider, now() - REMEMBERED):
        raise Conflict("the callback speaks of a job of another request")


def _write_down(ledger: Ledger, provider: str, posting: Posting, notice: Notice) -> None:
    """Once only: the job of a lost answer, a second job, or only that the next poll is due."""
    key = posting.request_key
    job = notice.job.model_dump(mode="json", exclude_none=True)
    with ledger.db.write():  # all of it or nothing: what is remembered as told is never told again
        if ledger.callbacks.first_time(provider, notice.webhook_id, key):
            ledger.journal.accept(key, job, "callback")
            ledger.journal.wake(key)


def _nothing() -> NotFound:
    return NotFound("there is nothing at this address")
