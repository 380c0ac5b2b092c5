"""The review pages in a real browser: what people see, press and cannot press by accident."""

from pathlib import Path

import pytest
from playwright.async_api import Page

from filmforge.gateway.tokens import sign_board, sign_review
from tests.browser.chromium import IN_CHROMIUM, browsing
from tests.pages.conftest import house as house  # the fixture of the pages' tests
from tests.pages.house import House

pytestmark = IN_CHROMIUM


@pytest.fixture
def attic(request: pytest.FixtureRequest) -> House:
    made: House = request.getfixturevalue("house")
    made.shot_list(2)
    return made


async def second_frame(house: House) -> str:
    """A film whose first frame was rejected with a note; the link to the second one."""
    note = "Closer to the trunk, and let the light come from the window on the left."
    first = await house.waiting("A woman opens a trunk under the rafters")
    house.ledger.gates.decide("attic", "shot_001", first.digest, "rejected", "Ada", note, "x")
    house.directed("shot_001", note)
    digest = await house.picture("A woman opens a trunk under the rafters", mood="uneasy")
    await house.take(digest, note=note)
    return sign_review(house.settings, house.ledger.gates.open("attic", "shot_001", digest))[0]


async def drawn(page: Page) -> bool:
    """Whether the first picture is there; the page's own policy forbids to poll for it."""
    return bool(
        await page.locator("img").first.evaluate("i => i.decode().then(() => i.naturalWidth > 0)")
    )


async def test_a_person_sees_the_frame_and_rejects_it_with_a_note(attic: House, tmp_path: Path):
    url = await second_frame(attic)
    async with attic.served(), browsing(tmp_path) as (page, complaints):
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
        assert attic.desk.commands[0].note == "Warmer light, please."
        assert attic.desk.commands[0].who == "Ada"
        assert complaints == []
        await page.goto(url)
        await page.get_by_role("heading", name="This link was used already").wait_for()


async def test_enter_in_the_name_decides_nothing_and_the_keyboard_reaches_the_buttons(
    attic: House, tmp_path: Path
):
    url = await second_frame(attic)
    async with attic.served(), browsing(tmp_path) as (page, _):
        await page.goto(url)
        name = page.get_by_label("Your name")
        await name.fill("Ada")
        await name.press("Enter")
        await name.press("Tab")
        focused = await page.evaluate("document.activeElement.textContent")
        assert focused == "Approve"
        assert page.url == url
        assert attic.desk.commands == []
        await page.keyboard.press("Enter")
        await page.get_by_role("heading", name="Approved: shot_001").wait_for()
        assert attic.desk.commands[0].verdict == "approve"


async def test_on_a_phone_everything_fits_the_width(attic: House, tmp_path: Path):
    url = await second_frame(attic)
    phone = {"viewport": {"width": 360, "height": 740}, "is_mobile": True, "has_touch": True}
    async with attic.served(), browsing(tmp_path, **phone) as (page, complaints):
        for address, name in ((url, "phone"), (sign_board(attic.settings, "attic"), "board")):
            await page.goto(address)
            assert await drawn(page)
            assert await page.evaluate("document.documentElement.scrollWidth") <= 360
            await page.screenshot(path=tmp_path / f"{name}.png")
        assert complaints == []


async def test_the_board_shows_frames_and_leads_to_the_open_one(attic: House, tmp_path: Path):
    await second_frame(attic)
    async with attic.served(), browsing(tmp_path) as (page, complaints):
        await page.goto(sign_board(attic.settings, "attic"))
        assert await drawn(page)
        await page.screenshot(path=tmp_path / "board.png", full_page=True)
        await page.locator("#shot-shot_001 a.look").click()
        await page.get_by_role("button", name="Approve").wait_for()
        assert complaints == []
