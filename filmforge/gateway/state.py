"""What every route works with."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from filmforge.engine import Engine
from filmforge.ledger import Ledger
from filmforge.providers.registry import Registry
from filmforge.settings import Settings
from filmforge.store import AssetStore


@dataclass(frozen=True)
class Gateway:
    """The parts of one running gateway, found at `request.app.state.gateway`."""

    settings: Settings
    ledger: Ledger
    store: AssetStore
    engine: Engine
    registry: Registry


def gateway_of(request: Request) -> Gateway:
    """The gateway that answers a request; made for FastAPI's `Depends`."""
    gateway: Gateway = request.app.state.gateway
    return gateway


Parts = Annotated[Gateway, Depends(gateway_of)]
