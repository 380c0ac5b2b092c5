"""The review pages in a real browser: what people see, press and cannot press by accident."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from playwright.async_api import Page

from filmforge.gateway.tokens import sign_board, sign_review
from filmforge.media.panel import PanelBrief, draw_panel
from filmforge.store import object_key
from tests.browser.chromium import IN_CHROMIUM, browsing
from tests.fake_process import free_port
from tests.gateway.studio import BUCKET, Studio, open_studio

pytestmark = IN_CHROMIUM
FIRST, SECOND = "a" * 64, "b" * 64


@pytest.fixture
def pictures(tmp_path: Path) -> Iterator[str]:
    """A store of two drawn frames; yields its address."""
    frames = {}
    for digest, mood in ((FIRST, "calm"), (SECOND, "uneasy")):
        path = tmp_path / f"{mood}.png"
        draw_panel(PanelBrief("A woman opens a trunk under the rafters", mood=mood), path)
        frames[f"/{BUCKET}/{object_key(digest)}"] = path.read_bytes()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            picture = frames.get(self.path.partition("?")[0])
            self.send_response(200 if picture else 404)
            self.send_header("content-type", "image/png")
            self.end_headers()
            self.wfile.write(picture or b"")

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def studio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pictures: str) -> Iterator[Studio]:
    url = f"http://127.0.0.1:{free_port()}"
    made = open_studio(tmp_path / "studio", monkeypatch, public_url=url, s3_endpoint=pictures)
    made.film(title="Attic")
    yield made
    made.ledger.close()


@asynccontextmanager
async def served(studio: Studio) -> AsyncIterator[None]:
    port = int(studio.settings.public_url.rpartition(":")[2])
    config = uvicorn.Config(studio.app(), "127.0.0.1", port, log_level="error", lifespan="off")
    server = uvicorn.Server(config)
    task = asyncio.create_task(server._serve())
    async with asyncio.timeout(10):
        while not server.started:  # noqa: ASYNC110 - uvicorn offers no event to wait for
            await asyncio.sleep(0.01)
    try:
        yield
    finally:
        server.should_exit = True
        await task


def second_frame(studio: Studio) -> str:
    """A film whose first frame was rejected with a note; the link to the second one."""
    studio.gate(digest=FIRST)
    note = "Closer to the trunk, and let the light come from the window on the left."
    studio.ledger.gates.decide("attic", "shot_001", FIRST, "rejected", "Ada", note, "x")
    studio.retake("attic", SECOND, note)
    gate = studio.ledger.gates.open("attic", "shot_001", SECOND)
    return sign_review(studio.settings, gate)[0]


async def drawn(page: Page) -> bool:
    """Whether the first picture is there; the page's own policy forbids to poll for it."""
    return bool(
        await page.locator("img").first.evaluate("i => i.decode().then(() => i.naturalWidth > 0)")
    )


async def test_a_person_sees_the_frame_and_rejects_it_with_a_note(studio: Studio, tmp_path: Path):
    url = second_frame(studio)
    async with served(studio), browsing(tmp_path) as (page, complaints):
        await page.goto(url)
        assert await drawn(page)
        assert "opens the <b>trunk</b>" in (
            await page.get_by_role("img").first.get_attribute("alt") or ""
        )
        await page.get_by_label("A note").fill("Warmer light, please.")
        await page.get_by_label("Your name").fill("Ada")
        await page.screenshot(path=tmp_path / "review.png", full_page=True)
        await page.get_by_role("button", name="Reject").click()
        await page.get_by_role("heading", name="Rejected: shot_001").wait_for()
        assert studio.desk.commands[0].note == "Warmer light, please."
        assert studio.desk.commands[0].who == "Ada"
        assert complaints == []
        await page.goto(url)
        await page.get_by_role("heading", name="This link was used already").wait_for()


async def test_enter_in_the_name_decides_nothing_and_the_keyboard_reaches_the_buttons(
    studio: Studio, tmp_path: Path
):
    url = second_frame(studio)
    async with served(studio), browsing(tmp_path) as (page, _):
        await page.goto(url)
        name = page.get_by_label("Your name")
        await name.fill("Ada")
        await name.press("Enter")
        await name.press("Tab")
        focused = await page.evaluate("document.activeElement.textContent")
        assert focused == "Approve"
        assert page.url == url
        assert studio.desk.commands == []
        await page.keyboard.press("Enter")
        await page.get_by_role("heading", name="Approved: shot_001").wait_for()
        assert studio.desk.commands[0].verdict == "approve"


async def test_on_a_phone_everything_fits_the_width(studio: Studio, tmp_path: Path):
    url = second_frame(studio)
    phone = {"viewport": {"width": 360, "height": 740}, "is_mobile": True, "has_touch": True}
    async with served(studio), browsing(tmp_path, **phone) as (page, complaints):
        for address, name in ((url, "phone"), (sign_board(studio.settings, "attic"), "board")):
            await page.goto(address)
            assert await drawn(page)
            assert await page.evaluate("document.documentElement.scrollWidth") <= 360
            await page.screenshot(path=tmp_path / f"{name}.png")
        assert complaints == []


async def test_the_board_shows_frames_and_leads_to_the_open_one(studio: Studio, tmp_path: Path):
    second_frame(studio)
    async with served(studio), browsing(tmp_path) as (page, complaints):
        await page.goto(sign_board(studio.settings, "attic"))
        assert await drawn(page)
        await page.screenshot(path=tmp_path / "board.png", full_page=True)
        await page.get_by_role("link", name="Review this frame").click()
        await page.get_by_role("button", name="Approve").wait_for()
        assert complaints == []
