"""Health: whether the process lives, whether it can work, and figures for monitoring."""

import asyncio
from collections.abc import Awaitable

import structlog
from fastapi import APIRouter, Request, Response
from sqlalchemy import text

from filmforge.fields import Frozen
from filmforge.gateway.metrics import Metrics
from filmforge.gateway.problems import RETRY_AFTER_S, Refusal
from filmforge.gateway.replies import json_response
from filmforge.gateway.state import Gateway, gateway_of
from filmforge.gateway.wording import FieldError

router = APIRouter(tags=["operations"])

CHECK_TIMEOUT_S = 3.0

_log = structlog.get_logger()


class Health(Frozen):
    """What works."""

    status: str
    checks: dict[str, str] = {}


@router.get("/healthz", response_model=Health)
async def alive() -> Response:
    """The process answers."""
    return json_response(Health(status="ok"))


@router.get("/readyz", response_model=Health)
async def ready(request: Request) -> Response:
    """The database, the store and Temporal answer; 503 names those that do not."""
    gateway = gateway_of(request)
    checks: dict[str, Awaitable[None]] = {
        "database": asyncio.to_thread(_check_database, gateway),
        "store": asyncio.to_thread(gateway.store.check),
        "temporal": gateway.engine.check(),
    }
    failed = [
        name
        for name, ok in zip(
            checks, await asyncio.gather(*map(_passes, checks.values())), strict=True
        )
        if not ok
    ]
    if not failed:
        return json_response(Health(status="ready", checks=dict.fromkeys(checks, "ok")))
    problem = f"does not answer within {CHECK_TIMEOUT_S:g} s"
    errors = [
        FieldError(field=name, problem=problem, remedy="Look at its log; filmforge doctor helps.")
        for name in failed
    ]
    detail = f"These do not answer: {', '.join(failed)}."
    headers = {"Retry-After": str(RETRY_AFTER_S)}
    raise Refusal(503, "not_ready", detail, errors, headers)


@router.get("/metrics", response_class=Response)
async def metrics(request: Request) -> Response:
    """Figures in the text format of Prometheus."""
    kept: Metrics = request.app.state.metrics
    body, content_type = await asyncio.to_thread(kept.exposition, gateway_of(request).ledger)
    return Response(body, headers={"Content-Type": content_type})


async def _passes(check: Awaitable[None]) -> bool:
    try:
        await asyncio.wait_for(check, CHECK_TIMEOUT_S)
    except Exception as error:  # noqa: BLE001  whatever it is, the answer is: not ready
        _log.warning("not_ready", error=str(error) or type(error).__name__)
        return False
    return True


def _check_database(gateway: Gateway) -> None:
    with gateway.ledger.db.read() as tx:
        tx.execute(text("SELECT 1"))
