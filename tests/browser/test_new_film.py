"""A new film and an edited shot in a real browser, on a desk and on a phone."""

from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page

from filmforge.domain import Execution
from tests.browser.axe import serious_findings
from tests.browser.chromium import IN_CHROMIUM, browsing
from tests.pages.conftest import house as house  # the fixture of the pages' tests
from tests.pages.house import KEY, House

pytestmark = IN_CHROMIUM
PHONE = {"viewport": {"width": 360, "height": 740}, "is_mobile": True, "has_touch": True}
DESK = {"viewport": {"width": 1280, "height": 900}}
SCRIPT = """Title: The Attic

EXT. FARMHOUSE - DUSK

A red car stops. MARA gets out.

INT. ATTIC - NIGHT

MARA
(whispering)
So this is where he kept it.

CUT TO:
"""


@pytest.fixture(autouse=True)
def fake_provider(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FILMFORGE_FAKE_URL", "http://127.0.0.1:9")


@pytest.fixture
def started(house: House) -> list[str]:
    films: list[str] = []

    async def start_film(film_id: str, *_: Any) -> None:
        films.append(film_id)

    house.desk.start_film = start_film  # type: ignore[attr-defined] # the engine's way
    return films


async def sign_in(page: Page, url: str, path: str) -> None:
    await page.goto(f"{url}/sign-in?next={path}")
    await page.get_by_label("Key").fill(KEY)
    await page.get_by_role("button", name="Sign in").click()
    await page.wait_for_url(f"{url}{path}")


async def fits(page: Page, width: int) -> bool:
    return int(await page.evaluate("document.documentElement.scrollWidth")) <= width


async def test_a_dropped_screenplay_is_edited_in_the_table_by_keyboard_and_submitted(
    house: House, started: list[str], tmp_path: Path
):
    script = tmp_path / "attic.fountain"
    script.write_text(SCRIPT)
    async with house.served() as url, browsing(tmp_path, **DESK) as (page, complaints):
        await sign_in(page, url, "/new")
        await page.screenshot(path=tmp_path / "new.png")
        data = await page.evaluate_handle(
            """text => { const made = new DataTransfer();
            made.items.add(new File([text], "attic.fountain")); return made; }""",
            SCRIPT,
        )
        await page.dispatch_event(".drop", "drop", {"dataTransfer": data})
        await page.get_by_role("button", name="Submit 2 shots").wait_for()
        assert await page.get_by_label("Title", exact=True).input_value() == "The Attic"
        seconds = page.get_by_label("Seconds", exact=True)
        await seconds.first.fill("5")
        await seconds.first.press("Enter")
        assert await seconds.nth(1).evaluate("cell => cell === document.activeElement")
        await seconds.nth(1).press("Enter")  # a row more, from the last one
        assert await seconds.count() == 3
        prompt = page.get_by_label("Prompt", exact=True)
        await prompt.nth(2).evaluate(
            """(cell, text) => { const clipboardData = new DataTransfer();
            clipboardData.setData("text/plain", text);
            const how = {clipboardData, bubbles: true, cancelable: true};
            cell.dispatchEvent(new ClipboardEvent("paste", how)); }""",
            'The sea.\t3\t"Where, \nto?"\nA gull.\t2\n',
        )
        await page.get_by_text("Pasted 5 cells into 2 rows").wait_for()
        assert await prompt.nth(3).input_value() == "A gull."
        await prompt.nth(3).press("Alt+Shift+ArrowUp")
        assert await prompt.nth(2).input_value() == "A gull."
        await page.screenshot(path=tmp_path / "table.png", full_page=True)
        assert await serious_findings(page) == []
        await page.get_by_role("button", name="Remove").first.click()
        await page.get_by_role("button", name="Check again").click()
        await page.get_by_role("button", name="Submit 3 shots").dblclick()
        await page.wait_for_url(f"{url}/films/film-*")
        assert [line for line in complaints if "Content Security" in line] == []
    (film,) = house.ledger.films.recent()
    shots = [record.shot for record in house.ledger.shots.of_film(film.film_id)]
    assert [str(shot.duration) for shot in shots] == ["4", "2", "3"]
    assert shots[2].dialogue == "Where, \nto?"


async def test_on_a_phone_the_table_is_a_list_of_cards_that_fits(
    house: House, started: list[str], tmp_path: Path
):
    async with house.served() as url, browsing(tmp_path, **PHONE) as (page, complaints):
        await sign_in(page, url, "/new")
        assert await fits(page, 360)
        await page.screenshot(path=tmp_path / "new-phone.png", full_page=True)
        assert await serious_findings(page) == []
        table = "shot,prompt,seconds\na,A door,x\nb,A cat,2\n"
        await page.get_by_label("Paste shots").fill(table)
        await page.get_by_role("button", name="Check the shots").click()
        await page.get_by_text("Line 2").wait_for()
        assert await fits(page, 360)
        await page.screenshot(path=tmp_path / "table-phone.png", full_page=True)
        assert await serious_findings(page) == []
        await page.get_by_label("Seconds", exact=True).first.fill("2")
        await page.get_by_role("button", name="Check again").click()
        await page.get_by_role("button", name="Submit 2 shots").wait_for()
        assert complaints == []


@pytest.mark.parametrize(("options", "name"), [(DESK, "desk"), (PHONE, "phone")])
async def test_an_edit_shows_what_becomes_stale_before_anybody_asks_for_it(
    house: House, tmp_path: Path, options: dict[str, Any], name: str
):
    house.shot_list(2, providers={"image": "fake:image-1", "video": "fake:video-1"})
    await house.waiting("A woman opens a trunk")
    house.ledger.shots.set("attic", "shot_001", execution=Execution.SUCCEEDED)
    async with house.served() as url, browsing(tmp_path, **options) as (page, complaints):
        await sign_in(page, url, "/films/attic/edit")
        assert await fits(page, options["viewport"]["width"])
        await page.get_by_role("link", name="shot_001").click()
        await page.get_by_label("Prompt").fill("A woman closes the trunk.")
        await page.get_by_role("button", name="Keep as a draft").click()
        await page.get_by_role("button", name="Make this again").wait_for()
        assert await fits(page, options["viewport"]["width"])
        await page.screenshot(path=tmp_path / f"edit-{name}.png", full_page=True)
        assert await serious_findings(page) == []
        await page.get_by_role("link", name="All shots").click()
        await page.get_by_role("button", name="Make this again").wait_for()
        await page.screenshot(path=tmp_path / f"edits-{name}.png", full_page=True)
        assert await serious_findings(page) == []
        assert complaints == []
    assert house.desk.commands == []
