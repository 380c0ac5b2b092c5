"""GPU functions: which models of one's own there are, where, and at what price."""

import asyncio
from contextlib import suppress

from fastapi import APIRouter, Depends, Request, Response

from filmforge.contracts import GpuQueue
from filmforge.domain import Kind
from filmforge.errors import NotConfigured
from filmforge.fields import Frozen
from filmforge.gateway.auth import caller
from filmforge.gateway.replies import json_response
from filmforge.gateway.state import Gateway, gateway_of
from filmforge.money import Money

router = APIRouter(prefix="/v1", tags=["operations"], dependencies=[Depends(caller)])

PROVIDERS = ("modal", "local")


class FunctionView(Frozen):
    """A function that films can name; the price is of a second of its processor."""

    ref: str
    kind: Kind
    makes: str | None
    usd_a_second: Money
    limit_s: float | None
    guides: tuple[str, ...]
    options: tuple[str, ...]


class GpuView(Frozen):
    """The functions that can be named here, and one's own GPU's queue."""

    functions: tuple[FunctionView, ...]
    local: GpuQueue


@router.get("/gpu", response_model=GpuView)
async def gpu(request: Request) -> Response:
    """The functions that films can name, and who serves one's own GPU's queue."""
    gateway = gateway_of(request)
    functions = await asyncio.to_thread(_functions, gateway)
    return json_response(GpuView(functions=functions, local=await gateway.engine.gpu_queue()))


def _functions(gateway: Gateway) -> tuple[FunctionView, ...]:
    found: list[FunctionView] = []
    for name in PROVIDERS:
        with suppress(NotConfigured):
            found += [
                FunctionView(
                    ref=f"{name}:{model.id}",
                    kind=model.kind,
                    makes=model.makes,
                    usd_a_second=model.price.usd,
                    limit_s=None if model.limit_s is None else float(model.limit_s),
                    guides=tuple(sorted(model.roles)),
                    options=tuple(sorted(model.options)),
                )
                for model in gateway.registry.get(name).models().values()
            ]
    return tuple(found)
