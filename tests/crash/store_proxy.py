"""A proxy before the object store that answers 503 for as long as it is told to."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit

REFUSAL = b"HTTP/1.1 503 Slow Down\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
PIECE_BYTES = 65_536


class StoreProxy:
    """Hands every byte on; while it is `failing` every request is refused and counted."""

    def __init__(self, upstream: str) -> None:
        self._upstream = urlsplit(upstream)
        self._open: set[asyncio.StreamWriter] = set()
        self.failing = False
        self.refused = 0
        self.url = ""

    def fail(self) -> None:
        """Refuse from now on, also what is under way."""
        self.failing = True
        for writer in self._open:
            writer.transport.abort()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        self._open.add(writer)
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            if self.failing:
                await reader.readuntil(b"\r\n\r\n")
                self.refused += 1
                writer.write(REFUSAL)
                await writer.drain()
            else:
                await self._hand_on(reader, writer)
        self._open.discard(writer)
        writer.close()

    async def _hand_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there = await asyncio.open_connection(self._upstream.hostname, self._upstream.port)
        pipes = [
            asyncio.create_task(_pipe(reader, there[1])),
            asyncio.create_task(_pipe(there[0], writer)),
        ]
        try:
            await asyncio.wait(pipes, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pipe in pipes:
                pipe.cancel()
            await asyncio.gather(*pipes, return_exceptions=True)
            there[1].close()


@asynccontextmanager
async def store_proxy(upstream: str) -> AsyncIterator[StoreProxy]:
    """A proxy on a free port, before the store at an address."""
    proxy = StoreProxy(upstream)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    proxy.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield proxy
    finally:
        proxy.fail()
        server.close()
        await server.wait_closed()


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while piece := await reader.read(PIECE_BYTES):
        writer.write(piece)
        await writer.drain()
