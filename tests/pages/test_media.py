"""Pictures and clips through the gateway: only the film's own, and never as a page."""

import asyncio
import io
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest
from PIL import Image

from filmforge.errors import NotFound
from filmforge.gateway.thumbs import WIDTH
from filmforge.gateway.tokens import sign_review
from filmforge.rights import Given
from tests.pages.house import House, come_in


@pytest.fixture
def attic(house: House) -> House:
    house.shot_list(1)
    return house


async def test_a_guest_sees_the_frames_of_the_film_whole_and_in_part(attic: House):
    gate = await attic.waiting("An attic")
    path = f"/films/attic/media/{gate.digest}"
    async with attic.client() as client:
        await come_in(client, attic.share(Given.SEE))
        whole = await client.get(path)
        assert whole.status_code == 200
        assert whole.headers["content-type"] == "image/png"
        assert whole.headers["x-content-type-options"] == "nosniff"
        assert "sandbox" in whole.headers["content-security-policy"]
        assert Image.open(io.BytesIO(whole.content)).size == (1280, 720)
        size = len(whole.content)
        for asked, first, last in (
            ("bytes=10-19", 10, 19),
            ("bytes=10-", 10, size - 1),
            ("bytes=-5", size - 5, size - 1),
            (f"bytes=10-{size * 2}", 10, size - 1),
        ):
            part = await client.get(path, headers={"range": asked})
            assert part.status_code == 206
            assert part.headers["content-range"] == f"bytes {first}-{last}/{size}"
            assert part.content == whole.content[first : last + 1]
        beyond = await client.get(path, headers={"range": f"bytes={size}-"})
        assert (beyond.status_code, beyond.headers["content-range"]) == (416, f"bytes */{size}")
        known = {"if-none-match": whole.headers["etag"]}
        assert (await client.get(path, headers=known)).status_code == 304
        assert (await client.head(path)).headers["content-length"] == str(size)


async def test_nothing_of_another_film_is_given_out(attic: House):
    attic.shot_list(1, "other")
    gate = await attic.waiting("A cellar", film_id="other")
    async with attic.client() as client:
        await come_in(client, attic.share(Given.SEE))
        for what in ("media", "thumb"):
            answer = await client.get(f"/films/attic/{what}/{gate.digest}")
            assert answer.status_code == 404


async def test_a_small_picture_is_made_once_and_kept(attic: House):
    gate = await attic.waiting("An attic")
    path = f"/films/attic/thumb/{gate.digest}"
    async with attic.client() as client:
        await come_in(client, attic.share(Given.SEE))
        first = await client.get(path)
        assert Image.open(io.BytesIO(first.content)).size == (WIDTH, WIDTH * 9 // 16)
    with attic.ledger.db.read() as tx:
        made = tx.exec_driver_sql("SELECT digest FROM makings").scalars().all()
    busy = attic.app()  # another gateway: nothing is in its memory, and it has no time to draw
    busy.state.looks = asyncio.Semaphore(0)
    transport = httpx.ASGITransport(busy)
    async with httpx.AsyncClient(transport=transport, base_url=attic.settings.public_url) as client:
        await come_in(client, attic.share(Given.SEE))
        async with asyncio.timeout(60):
            again = await client.get(path)
    assert again.content == first.content
    assert len(made) == 1


async def test_a_file_that_the_store_lost_is_not_there(
    attic: House, monkeypatch: pytest.MonkeyPatch
):
    @contextmanager
    def lost(digest: str, *_: int) -> Iterator[None]:
        raise NotFound(f"the store has no {digest}")
        yield

    gate = await attic.waiting("An attic")
    link = sign_review(attic.settings, gate)[0]
    monkeypatch.setattr(attic.store, "opened", lost)
    async with attic.client() as client:
        await come_in(client, attic.share(Given.SEE))
        for address in ("/films/attic", link):
            answer = await client.get(f"{address}/media/{gate.digest}")
            assert answer.status_code == 404


async def test_a_link_to_a_frame_shows_the_takes_of_its_shot_alone(attic: House):
    attic.shot_list(1, "other")
    gate, other = await attic.waiting("An attic"), await attic.waiting("A cellar", film_id="other")
    link = sign_review(attic.settings, gate)[0]
    async with attic.client() as client:
        assert (await client.get(f"{link}/media/{gate.digest}")).status_code == 200
        assert (await client.get(f"{link}/media/{other.digest}")).status_code == 404
        assert (await client.get(f"/review/forged/media/{gate.digest}")).status_code == 403
