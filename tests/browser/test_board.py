"""The board of a film in a real browser: it changes by itself, filters, plays and fits a phone."""

import re
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, expect

from filmforge.domain import Execution, Kind, Review
from filmforge.gateway.tokens import sign_board
from tests.browser.chromium import IN_CHROMIUM, browsing
from tests.browser.test_play import DESK, PHONE, clip, come
from tests.pages.conftest import house as house  # the fixture of the pages' tests
from tests.pages.house import House
from tests.pages.long_film import long_film

pytestmark = IN_CHROMIUM
WALL = {"viewport": {"width": 2560, "height": 1440}}
LIVE = "#live.on"


async def varied(house: House) -> None:
    """A film whose shots stand in every state; the first one has a clip."""
    house.shot_list(8)
    shots = house.ledger.shots
    for number, mood in ((1, "calm"), (2, "uneasy"), (3, "tender"), (4, "joyful")):
        shot_id = f"shot_{number:03d}"
        digest = await house.picture(f"Number {number} under the rafters", mood)
        await house.take(digest, shot_id)
        if number in (2, 3):
            house.ledger.gates.open("attic", shot_id, digest)
    await house.take(await clip(house), kind=Kind.VIDEO, price="0.28")
    shots.set("attic", "shot_001", execution=Execution.SUCCEEDED, review=Review.DONE)
    shots.set("attic", "shot_004", execution=Execution.RUNNING, review=Review.RETAKE)
    shots.set("attic", "shot_005", execution=Execution.RUNNING, review=Review.WIP)
    shots.set(
        "attic",
        "shot_006",
        execution=Execution.NEEDS_ATTENTION,
        reason="rejected",
        message="The model refused the prompt: it names a person. Change the prompt, then retry.",
    )
    shots.set("attic", "shot_007", execution=Execution.CANCELLED, review=Review.OMITTED)
    house.ledger.films.set("attic", Execution.RUNNING)


async def drawn(page: Page) -> bool:
    """Whether the first picture is there; the page's own policy forbids to poll for it."""
    first = page.locator(".still img").first
    return bool(await first.evaluate("i => i.decode().then(() => i.naturalWidth > 0)"))


def cards(page: Page) -> Any:
    return page.locator("#cards > li")


async def test_what_changes_is_seen_without_loading_the_page_again(house: House, tmp_path: Path):
    house.shot_list(3)
    async with house.served(), browsing(tmp_path, **DESK) as (page, complaints):
        await come(page, house, "/films/attic")
        await page.locator(LIVE).wait_for()
        first = page.locator("#shot-shot_001")
        await expect(first).to_contain_text("no frame yet")
        await first.locator("a.look").focus()
        await house.waiting("An attic")
        await expect(first).to_have_attribute("data-review", "wfa")
        await expect(first.locator("img")).to_have_count(1)
        assert await drawn(page)
        await expect(first.locator("a.look")).to_be_focused()
        await expect(page.locator("#figures")).to_contain_text("1 waiting for approval")
        await expect(page.locator("#figures")).to_contain_text("0.003 USD")
        assert complaints == []


async def test_filters_and_search_narrow_the_board_as_one_types(house: House, tmp_path: Path):
    await varied(house)
    async with house.served(), browsing(tmp_path, **DESK) as (page, complaints):
        await come(page, house, "/films/attic")
        await expect(page.locator("#found")).to_have_text("8 shots")
        await page.get_by_label("Search").fill("number 4")
        await expect(cards(page)).to_have_count(1)
        await expect(page.locator("#found")).to_have_text("1 of 8 shots")
        assert page.url.endswith("?q=number+4")
        await page.get_by_label("Search").fill("")
        await page.get_by_label("Order").select_option("status")
        await expect(cards(page).first).to_have_attribute("data-shot", "shot_006")
        await page.get_by_role("link", name="2 waiting for approval").click()
        await expect(cards(page)).to_have_count(2)
        await expect(page.get_by_label("Review")).to_have_value("wfa")
        await page.get_by_label("Order").select_option("story")
        await page.locator(LIVE).wait_for()
        # What comes to fit is put where it belongs; what was looked at stays.
        await house.waiting("An attic", "shot_001", mood="tense")
        await expect(cards(page).first).to_have_attribute("data-shot", "shot_001")
        await expect(cards(page)).to_have_count(3)
        await page.reload()
        await expect(cards(page)).to_have_count(3)
        assert complaints == []


async def test_a_clip_plays_while_one_points_at_it(house: House, tmp_path: Path):
    await varied(house)
    async with house.served(), browsing(tmp_path, **DESK) as (page, complaints):
        await come(page, house, "/films/attic")
        video = page.locator("#shot-shot_001 video")
        await expect(video).to_have_count(0)
        await page.locator("#shot-shot_001").hover()
        await expect(video).to_have_js_property("paused", False)
        assert await video.evaluate("v => v.muted && v.loop")
        await page.screenshot(path=tmp_path / "board.png", full_page=True)
        await page.locator("#shot-shot_002").hover()
        await expect(video).to_have_count(0)
        assert complaints == []


@pytest.mark.parametrize(("name", "options"), [("phone", PHONE), ("wall", WALL)])
async def test_the_board_and_the_films_fit_their_screen(
    house: House, tmp_path: Path, name: str, options: dict[str, Any]
):
    await varied(house)
    long_name = "a" * 60
    house.shot_list(2, long_name, title="W" * 80)
    async with house.served() as url, browsing(tmp_path, **options) as (page, complaints):
        await page.goto(f"{url}/sign-in?next=/films")
        await page.get_by_label("Key").fill("the-key-of-the-house")
        await page.get_by_role("button", name="Sign in").click()
        await page.get_by_role("heading", name="Films").wait_for()
        complaints.clear()  # Chromium has opinions on forms with passwords
        for path in ("/films", "/films/attic", f"/films/{long_name}"):
            await page.goto(url + path)
            await page.get_by_role("heading", level=1).wait_for()
            width = await page.evaluate("document.documentElement.scrollWidth")
            assert width <= options["viewport"]["width"]
            if path.endswith("attic"):
                assert await drawn(page)
            await page.screenshot(path=tmp_path / f"{name}{path.count('/')}{len(path)}.png")
        assert complaints == []


async def test_the_rest_of_a_long_film_comes_by_itself(house: House, tmp_path: Path):
    long_film(house.ledger, 500)
    async with house.served() as url, browsing(tmp_path, **DESK) as (page, _):
        await page.goto(sign_board(house.settings, "long"))
        await expect(cards(page)).to_have_count(500)
        ids = await cards(page).evaluate_all("all => all.map(each => each.dataset.shot)")
        assert ids == [f"shot_{n:04d}" for n in range(500)]
        await expect(page.locator("#more")).to_be_hidden()
        await expect(page.locator("#rest")).to_have_text(re.compile("Cost to finish"))
        assert page.url.startswith(f"{url}/review/films/")


async def test_without_scripts_one_turns_pages_filters_and_follows_the_review_links(
    house: House, tmp_path: Path
):
    long_film(house.ledger, 150)
    options = {**PHONE, "java_script_enabled": False}
    async with house.served(), browsing(tmp_path, **options) as (page, _):
        await page.goto(sign_board(house.settings, "long"))
        assert await cards(page).count() == 60
        await page.get_by_role("link", name="Later shots").click()
        assert await cards(page).first.get_attribute("data-shot") == "shot_0060"
        await page.get_by_label("Review").select_option("wfa")
        await page.get_by_role("button", name="Show").click()
        assert await cards(page).count() == 25
        assert page.url.split("?")[1].startswith("q=&review=wfa")
        assert await page.get_by_role("link", name="Review this frame").count() == 25
