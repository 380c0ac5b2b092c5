"""Thumbs: small pictures of frames and clips, made once, and at hand while they are looked at."""

import asyncio
from collections import OrderedDict
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock

from filmforge.domain import Ingredient
from filmforge.errors import NotFound
from filmforge.gateway.scratch import UPLOADS, folder_of
from filmforge.gateway.state import Gateway
from filmforge.ledger.makings import Making
from filmforge.media.thumb import draw_thumb
from filmforge.recipe import recipe_of

WIDTH = 480
JPEG = "image/jpeg"
_MOST_BYTES = 1 << 20
_KEPT_BYTES = 64 << 20


class Thumbs:
    """The small pictures that were shown lately, in memory."""

    def __init__(self, most_bytes: int = _KEPT_BYTES) -> None:
        self._most, self._bytes = most_bytes, 0
        self._kept: OrderedDict[str, bytes] = OrderedDict()
        self._lock = Lock()

    def get(self, digest: str) -> bytes | None:
        """The small picture of an asset, if it is here."""
        with self._lock:
            if digest in self._kept:
                self._kept.move_to_end(digest)
            return self._kept.get(digest)

    def keep(self, digest: str, picture: bytes) -> None:
        """Keep one, and forget those that nobody asked for longest."""
        with self._lock:
            self._bytes += len(picture) - len(self._kept.pop(digest, b""))
            self._kept[digest] = picture
            while self._bytes > self._most:
                self._bytes -= len(self._kept.popitem(last=False)[1])


async def make_thumb(gateway: Gateway, digest: str, looks: asyncio.Semaphore) -> bytes:
    """The small picture of a frame or a clip, made now if it never was or is not stored any more.

    It is made within `looks`. Raises NotFound, and BadMedia for what has no picture.
    """
    recipe = recipe_of("thumb", {"width": WIDTH}, [Ingredient(role="frame", digest=digest)])
    made = await asyncio.to_thread(gateway.ledger.makings.of, recipe.key)
    if stored := await _stored(gateway, made[0].digest if made else None):
        return stored
    async with looks:
        return await _made(gateway, digest, recipe.key)


async def _stored(gateway: Gateway, thumb: str | None) -> bytes | None:
    if thumb is None:
        return None
    try:
        return (await gateway.store.load(thumb, _MOST_BYTES)).data
    except NotFound:
        return None


async def _made(gateway: Gateway, digest: str, recipe_key: str) -> bytes:
    with TemporaryDirectory(dir=folder_of(gateway.settings.work_dir, UPLOADS)) as name:
        source, path = Path(name) / "picture", Path(name) / "thumb.jpg"
        await gateway.store.fetch(digest, source)
        await asyncio.to_thread(draw_thumb, source, path, WIDTH)
        stored = await gateway.store.put(path, JPEG)
        picture = await asyncio.to_thread(path.read_bytes)
    making = Making(name="", digest=stored.digest, media_type=JPEG, size=stored.size)
    await asyncio.to_thread(gateway.ledger.makings.keep, recipe_key, [making])
    return picture
