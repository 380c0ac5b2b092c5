"""Callbacks of providers: they wake a request's poll, and name a job whose answer was lost."""

import asyncio
import contextlib
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from filmforge.errors import BadInput, Conflict, NotConfigured, NotFound
from filmforge.gateway.bodies import raw_body
from filmforge.gateway.problems import Refusal
from filmforge.gateway.state import Gateway, gateway_of
from filmforge.ledger.posting import State
from filmforge.providers.base import Notice, Provider

MAX_BODY_BYTES = 1 << 20
AWAITING_A_JOB = (State.SUBMITTING, State.UNKNOWN)

Parts = Annotated[Gateway, Depends(gateway_of)]

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
            await asyncio.to_thread(_take, gateway, caller.name, notice.request_key, notice)
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
    await asyncio.to_thread(_take, gateway, caller.name, request_key, notice)
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


def _take(gateway: Gateway, provider: str, request_key: str, notice: Notice) -> None:
    journal = gateway.ledger.journal
    try:
        posting = journal.read(request_key)
    except NotFound:
        raise _nothing() from None
    if posting.request.provider != provider:
        raise _nothing()
    if not gateway.ledger.callbacks.first_time(provider, notice.webhook_id, request_key):
        return  # told before: nothing new can follow from it
    if posting.job is None and posting.state in AWAITING_A_JOB:
        job = notice.job.model_dump(mode="json", exclude_none=True)
        journal.accept(request_key, job, "callback")
    elif posting.job is not None and notice.job.id not in journal.jobs(request_key):
        raise Conflict("the callback speaks of another job than those of this request")
    journal.wake(request_key)


def _nothing() -> NotFound:
    return NotFound("there is nothing at this address")
