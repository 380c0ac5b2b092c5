"""Callbacks of providers: they wake a request's poll and change nothing else."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from filmforge.errors import BadInput, Conflict, NotConfigured, NotFound
from filmforge.gateway.bodies import raw_body
from filmforge.gateway.problems import Refusal
from filmforge.gateway.state import Gateway, gateway_of
from filmforge.providers.base import Provider

MAX_BODY_BYTES = 1 << 20

Parts = Annotated[Gateway, Depends(gateway_of)]

router = APIRouter(tags=["callbacks"])


@router.post(
    "/v1/callbacks/{provider}/{request_key}", status_code=204, openapi_extra={"security": []}
)
async def provider_calls(
    request: Request, gateway: Parts, provider: str, request_key: str
) -> Response:
    """Take a provider's webhook: the next poll of that request is due now.

    Only a poll decides what became of a job, so one that is lost, late or repeated is harmless.
    """
    caller = _provider(gateway, provider)
    job_id = _genuine_job(caller, request, await _body(request))
    await asyncio.to_thread(_wake, gateway, provider, request_key, job_id)
    return Response(status_code=204)


def _provider(gateway: Gateway, name: str) -> Provider:
    try:
        return gateway.registry.get(name)
    except (BadInput, NotConfigured):
        raise _nothing() from None


async def _body(request: Request) -> bytes:
    body = await raw_body(request)
    if len(body) > MAX_BODY_BYTES:
        raise Refusal(413, "too_large", "A callback is larger than 1 MiB: send a smaller one.")
    return body


def _genuine_job(provider: Provider, request: Request, body: bytes) -> str:
    try:
        return provider.parse_webhook(dict(request.headers), body)
    except BadInput as error:
        raise Refusal(401, "not_genuine", str(error)) from None


def _wake(gateway: Gateway, provider: str, request_key: str, job_id: str) -> None:
    journal = gateway.ledger.journal
    try:
        posting = journal.read(request_key)
    except NotFound:
        raise _nothing() from None
    if posting.request.provider != provider:
        raise _nothing()
    if posting.job is not None and job_id not in journal.jobs(request_key):
        raise Conflict("the callback speaks of another job than those of this request")
    journal.wake(request_key)


def _nothing() -> NotFound:
    return NotFound("there is nothing at this address")
