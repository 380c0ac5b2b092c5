"""Notes in a real browser: drawn by hand, finger and key, shown where they belong, live."""

import asyncio
import re
from pathlib import Path

from playwright.async_api import Page, expect

from filmforge.domain import Kind
from filmforge.marks import Arrow, Freehand, Rectangle, Remark
from filmforge.rights import Given
from tests.browser.axe import serious_findings
from tests.browser.chromium import IN_CHROMIUM, browsing
from tests.browser.test_play import DESK, PHONE, clip, come
from tests.pages.conftest import house as house  # the fixture of the pages' tests
from tests.pages.house import House

pytestmark = IN_CHROMIUM
SHOT = "/films/attic/shots/shot_001"


async def drag(page: Page, *way: tuple[float, float]) -> None:
    """Draw over the picture along points given as parts of it."""
    box = await page.locator("svg.marks").bounding_box()
    assert box
    places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in way]
    await page.mouse.move(*places[0])
    await page.mouse.down()
    for place in places[1:]:
        await page.mouse.move(*place, steps=4)
    await page.mouse.up()


async def send(page: Page, words: str) -> None:
    await page.get_by_label(re.compile("^Comment on")).fill(words)
    await page.get_by_role("button", name="Comment", exact=True).click()
    await expect(page.locator(".thread").filter(has_text=words)).to_be_visible()


async def test_marks_are_drawn_said_shown_again_and_resolved(house: House, tmp_path: Path):
    house.shot_list(1)
    gate = await house.waiting("An attic")
    async with house.served(), browsing(tmp_path, **DESK) as (page, complaints):
        await come(page, house, SHOT)
        await page.get_by_role("button", name="Box").click()
        await drag(page, (0.1, 0.1), (0.3, 0.35))
        await page.get_by_role("button", name="Arrow").click()
        await drag(page, (0.5, 0.9), (0.5, 0.5))
        await page.get_by_role("button", name="Draw").click()
        await drag(page, (0.7, 0.7), (0.8, 0.9), (0.9, 0.7))
        await page.screenshot(path=tmp_path / "drawing.png")
        assert await serious_findings(page) == []
        await send(page, "Less <b>light</b> here.")
        (comment,) = house.ledger.comments.of_shot("attic", "shot_001")
        box, arrow, line = comment.marks
        assert isinstance(box, Rectangle)
        assert isinstance(arrow, Arrow)
        assert isinstance(line, Freehand)
        for found, drawn in ((box.x, 0.1), (box.width, 0.2), (box.height, 0.25)):
            assert abs(found - drawn) < 0.01
        assert abs(arrow.head[1] - 0.5) < 0.01
        assert comment.digest == gate.digest
        await expect(page.locator("svg.marks path")).to_have_count(0)
        await page.get_by_role("link", name="upper left, centre and lower right").click()
        await expect(page.locator("svg.marks path")).to_have_count(3)
        await page.screenshot(path=tmp_path / "notes.png", full_page=True)
        assert await serious_findings(page) == []
        # Another person answers: it turns up, and what is being written stays.
        await page.get_by_label(re.compile("^Comment on")).fill("And one more")
        reply = {"digest": gate.digest, "text": "Done.", "parent_id": comment.comment_id}
        remark = Remark.model_validate(reply)
        house.ledger.comments.add("attic", "shot_001", remark, "Bo", "member x")
        await expect(page.locator(".replies")).to_contain_text("Done.")
        await expect(page.get_by_label(re.compile("^Comment on"))).to_have_value("And one more")
        await page.get_by_role("button", name="Resolve").click()
        await expect(page.get_by_text("Resolved by Kim (link Acme)")).to_be_visible()
        assert complaints == []


async def test_the_keyboard_draws_a_box_and_moves_it(house: House, tmp_path: Path):
    house.shot_list(1)
    await house.waiting("An attic")
    async with house.served(), browsing(tmp_path, **DESK) as (page, complaints):
        await come(page, house, SHOT)
        await page.get_by_role("button", name="Box").focus()
        await page.keyboard.press("Enter")
        surface = page.locator("svg.marks")
        await expect(surface).to_be_focused()
        for key in ("ArrowLeft", "ArrowUp", "Shift+ArrowRight"):
            await page.keyboard.press(key)
        await send(page, "Here.")
        (comment,) = house.ledger.comments.of_shot("attic", "shot_001")
        (box,) = comment.marks
        assert isinstance(box, Rectangle)
        assert (box.x, box.y, box.width, box.height) == (0.355, 0.355, 0.27, 0.25)
        assert complaints == []


async def test_on_a_phone_a_comment_on_a_clip_goes_to_its_time(house: House, tmp_path: Path):
    house.shot_list(1)
    await house.take(await clip(house), kind=Kind.VIDEO)
    async with house.served(), browsing(tmp_path, **PHONE) as (page, complaints):
        await come(page, house, SHOT)
        video = page.locator(".stage video")
        await video.evaluate("v => { v.pause(); v.currentTime = 1.5; }")
        await expect(page.locator(".at-time output")).to_have_text("0:01.50")
        await page.get_by_role("button", name="Box").tap()
        await drag(page, (0.4, 0.4), (0.6, 0.6))
        await send(page, "She blinks.")
        (comment,) = house.ledger.comments.of_shot("attic", "shot_001")
        assert comment.at_ms == 1_500
        await video.evaluate("v => { v.currentTime = 0; }")
        await page.get_by_role("link", name="0:01.50 · centre").tap()
        await expect(video).to_have_js_property("currentTime", 1.5)
        assert await page.evaluate("document.documentElement.scrollWidth") <= 360
        await page.screenshot(path=tmp_path / "notes-phone.png", full_page=True)
        assert complaints == []


async def test_what_was_drawn_goes_with_the_note_that_rejects(house: House, tmp_path: Path):
    house.shot_list(1)
    gate = await house.waiting("An attic")
    async with house.served(), browsing(tmp_path, **DESK) as (page, complaints):
        await come(page, house, SHOT, Given.DECIDE)
        await page.get_by_role("button", name="Box").click()
        await drag(page, (0.1, 0.1), (0.3, 0.3))
        reject = page.locator("#verdict").get_by_role("button", name="Reject")
        await reject.click()  # without a word nobody knows what is wrong there
        await expect(page.get_by_label(re.compile("^Comment on"))).to_be_focused()
        await expect(page.locator(".pending")).to_have_count(0)
        await page.get_by_label("Note steers").fill("Less light.")
        await reject.click()
        await expect(page.locator(".pending")).to_contain_text("shot_001 rejected")
        (comment,) = house.ledger.comments.of_shot("attic", "shot_001")
        assert (comment.text, len(comment.marks), comment.digest) == ("Less light.", 1, gate.digest)
        await page.goto("about:blank")  # leaving the page sends what was decided
        await house_decides(house)
        (sent,) = house.desk.bulks[0].decisions
        assert (sent.verdict, sent.note) == ("reject", "upper left: Less light.")
        assert complaints == []


async def house_decides(house: House) -> None:
    async with asyncio.timeout(60):
        while not house.desk.bulks:  # noqa: ASYNC110 - what the server keeps tells no event
            await asyncio.sleep(0.02)


async def test_a_page_that_nobody_looks_at_holds_no_connection(house: House, tmp_path: Path):
    house.shot_list(1)
    gate = await house.waiting("An attic")
    look = (
        "value => { Object.defineProperty(document, 'hidden', {value, configurable: true});"
        "document.dispatchEvent(new Event('visibilitychange')); }"
    )
    async with house.served(), browsing(tmp_path, **DESK) as (page, _):
        async with page.expect_response("**/live?after=*"):
            await come(page, house, SHOT)
        async with page.expect_event("requestfailed", lambda request: "/live" in request.url):
            await page.evaluate(look, True)
        remark = Remark(digest=gate.digest, text="Said meanwhile.")
        house.ledger.comments.add("attic", "shot_001", remark, "Bo", "member x")
        await page.evaluate(look, False)
        await expect(page.locator(".thread")).to_contain_text("Said meanwhile.")
