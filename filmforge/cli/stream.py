"""Server-sent events: news of a film, over a connection that is made again when it breaks."""

import asyncio
from collections.abc import AsyncIterator

import httpx

from filmforge.cli.api import refuse

_SILENCE_S = 60
_FIRST_PAUSE_S = 0.25
_LONGEST_PAUSE_S = 5.0
_PASSING = (429, 500, 502, 503, 504)


async def event_ids(lines: AsyncIterator[str]) -> AsyncIterator[str]:
    """The id of each event in a text/event-stream, "" for one without.

    Comments and keep-alives are no events.
    https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
    """
    event_id, has_data = "", False
    async for line in lines:
        name, _, value = line.partition(":")
        if not line and has_data:
            yield event_id
            has_data = False
        elif name == "id" and "\0" not in value:
            event_id = value.removeprefix(" ")
        elif name == "data":
            has_data = True


async def news(client: httpx.AsyncClient, path: str) -> AsyncIterator[None]:
    """One item for each event and each new connection, for ever; nothing is heard twice.

    Raises Refusal when the API does not want to tell.
    """
    last_id, pause_s = "", _FIRST_PAUSE_S
    while True:
        headers = {"Accept": "text/event-stream", **({"Last-Event-ID": last_id} if last_id else {})}
        try:
            timeout = httpx.Timeout(10, read=_SILENCE_S)
            async with client.stream("GET", path, headers=headers, timeout=timeout) as answer:
                if answer.status_code not in _PASSING:
                    await _refuse(answer)
                    yield None
                    async for event_id in event_ids(answer.aiter_lines()):
                        last_id, pause_s = event_id or last_id, _FIRST_PAUSE_S
                        yield None
        except httpx.TransportError:
            yield None
        await asyncio.sleep(pause_s)
        pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)


async def _refuse(answer: httpx.Response) -> None:
    if not answer.is_success:
        await answer.aread()
        refuse(answer)
