"""fal's list of requests: platform-apis/v1/models/requests/by-endpoint."""

from collections.abc import AsyncIterator, Iterable
from datetime import datetime

import httpx
from pydantic import ValidationError

from filmforge.domain import GenerationRequest
from filmforge.errors import ProviderUnavailable
from filmforge.providers.catalogue import Model
from filmforge.providers.fal_forms import Item, Page
from filmforge.providers.fal_orders import same_order
from filmforge.providers.wire import Wire

PATH = "/v1/models/requests/by-endpoint"
PAGE = 10  # every listed request brings its input along, perhaps with a frame in it
MAX_PAGE_BYTES = PAGE * 16 * 1024 * 1024
MAX_ENDPOINTS = 50
FORBIDDEN = (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN)


class Forbidden(Exception):
    """The key may not see the list of requests."""


class History:
    """The account's requests with what went in and what came out; each call may raise Forbidden.

    fal keeps inputs and results for 30 days (documentation/model-apis/media-expiration).
    """

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    async def since(self, models: Iterable[str], start: datetime) -> AsyncIterator[Item]:
        """The requests to these models sent since then, in fal's order: the last to end first."""
        names = sorted(models)
        for place in range(0, len(names), MAX_ENDPOINTS):
            endpoints = ",".join(names[place : place + MAX_ENDPOINTS])
            async for item in self._items(endpoints, start=start.isoformat()):
                if item.sent_at >= start:
                    yield item

    async def one(self, model: str, request_id: str) -> Item | None:
        """A request by its id."""
        asked = self._items(model, request_id=request_id)
        found = [item async for item in asked if item.request_id == request_id]
        return found[0] if found else None

    async def alike(
        self, model: Model, request: GenerationRequest, start: datetime, known: frozenset[str]
    ) -> tuple[list[Item], list[Item]]:
        """Requests sent since then with the same input, and those that may have it."""
        same: list[Item] = []
        like: list[Item] = []
        async for item in self.since([model.id], start):
            verdict = item.request_id not in known and same_order(model, request, item.json_input)
            if verdict is not False:
                small = item.model_copy(update={"json_input": None, "json_output": None})
                (same if verdict else like).append(small)
        return same, like

    async def _items(self, endpoints: str, **asked: str) -> AsyncIterator[Item]:
        query = {"endpoint_id": endpoints, "limit": str(PAGE), "expand": "payloads", **asked}
        while True:
            page = await self._page(query)
            for item in page.items:
                yield item
            if not page.has_more or not page.next_cursor:
                return
            query["cursor"] = page.next_cursor

    async def _page(self, query: dict[str, str]) -> Page:
        answer = await self._wire.call("GET", PATH, params=query, max_bytes=MAX_PAGE_BYTES)
        what = "the list of requests"
        if answer.status in FORBIDDEN:
            raise Forbidden(self._wire.told(f"does not show this key {what} ({answer.status})"))
        if not answer.ok:
            raise ProviderUnavailable(self._wire.told(f"{what}: HTTP {answer.status}"))
        try:
            return Page.model_validate_json(answer.body)
        except ValidationError as error:
            problem = error.errors()[0]["msg"]
            raise ProviderUnavailable(self._wire.told(f"{what}: unreadable: {problem}")) from None
