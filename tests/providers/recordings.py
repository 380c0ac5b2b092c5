"""Recorded payloads, and how they are made to speak."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

PAYLOADS = Path(__file__).with_name("payloads")


def recording(vendor: str, name: str) -> Any:
    """A recorded payload of a vendor."""
    return json.loads((PAYLOADS / vendor / f"{name}.json").read_text("utf-8"))


async def recorded(provider: Any, reply: Callable[[httpx.Request], httpx.Response]) -> None:
    """Let recorded answers speak in place of the fake."""
    await provider._wire.close()
    provider._wire.client = httpx.AsyncClient(transport=httpx.MockTransport(reply))


def beside(path: Path) -> list[str]:
    """The files that are there after a submit or a download."""
    return [found.name for found in path.parent.iterdir()]
