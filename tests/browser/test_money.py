"""Attention, budget and costs in a real browser, on a desk and on a phone."""

from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page
from sqlalchemy import update

from filmforge.domain import Kind
from filmforge.ledger.database import now
from filmforge.ledger.tables import charges
from tests.browser.chromium import IN_CHROMIUM, browsing
from tests.pages.conftest import house as house  # the fixture of the pages' tests
from tests.pages.house import KEY, House
from tests.pages.till import failed, found_black, lost, paid, parked, priced, sent

pytestmark = IN_CHROMIUM
DESK: dict[str, Any] = {"viewport": {"width": 1280, "height": 900}}
PHONE: dict[str, Any] = {
    "viewport": {"width": 360, "height": 740},
    "is_mobile": True,
    "has_touch": True,
    "device_scale_factor": 2,
}
SCREENS = pytest.mark.parametrize("screen", [DESK, PHONE], ids=["desk", "phone"])


async def come_in(page: Page, url: str, complaints: list[str]) -> None:
    """Sign in; what the browser says of that page is for its own tests."""
    page.on(
        "response", lambda answer: complaints.append(answer.url) if answer.status == 404 else None
    )
    await page.goto(f"{url}/sign-in?next=/costs")
    await page.get_by_label("Key").fill(KEY)
    await page.get_by_role("button", name="Sign in").click()
    await page.get_by_role("heading", name="Costs of").wait_for()
    complaints.clear()


def said_of(complaints: list[str]) -> list[str]:
    """What the browser complained of, without the icon that it looks for at any time."""
    nameless = "Failed to load resource: the server responded with a status of 404 (Not Found)"
    return [each for each in complaints if each != nameless]


async def fits(page: Page) -> bool:
    """Whether nothing has to be scrolled to the side."""
    inside = "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
    return bool(await page.evaluate(inside))


async def troubled(house: House) -> None:
    """A film in which much went wrong."""
    priced(house, 8, budget_usd="0.40")
    frame = await house.picture("A woman opens a trunk under the rafters", "uneasy")
    await house.take(frame, "shot_002")
    failed(house, "shot_001", "content_refused", "The prompt was flagged: violence (0.82).")
    found_black(house, "shot_002", frame)
    lost(house, "shot_003")
    parked(house, "shot_005", "shot_006")
    failed(house, "shot_007", "provider_out_of_credit", "402: top up your balance")


async def spent(house: House) -> None:
    """A film on which was spent day by day."""
    priced(house, 14, project="noir", budget_usd="9.00")
    for number in range(1, 14):
        shot_id = f"shot_{number:03d}"
        paid(house, shot_id, f"{number:064x}", f"{0.11 * (1 + number * 7 % 5):.2f}")
        at = now() - timedelta(days=(13 - number) * 0.8)
        with house.ledger.db.write() as tx:
            tx.execute(update(charges).where(charges.c.shot_id == shot_id).values(at=at))


@SCREENS
async def test_what_stands_still_is_chosen_for_by_plain_forms(
    house: House, tmp_path: Path, screen: dict[str, Any]
):
    await troubled(house)
    async with house.served() as url, browsing(tmp_path, **screen) as (page, complaints):
        await come_in(page, url, complaints)
        await page.goto(f"{url}/films/attic/attention")
        assert await fits(page)
        await page.screenshot(path=tmp_path / "attention.png", full_page=True)
        refused = page.locator("#shot-shot_001")
        await refused.get_by_label("Have another model make it").select_option(index=1)
        await refused.get_by_role("button", name="Use this model").click()
        await page.get_by_text("shot_001 is being made again.").wait_for()
        assert house.ledger.shots.read("attic", "shot_001").direction.providers.image
        unclear = page.locator("#shot-shot_003")
        await unclear.get_by_role("button", name="Look again").click()
        await page.get_by_text("The provider of shot_003 is asked again.").wait_for()
        found = page.locator("#shot-shot_002")
        await found.get_by_text("Replace with a file of yours").click()
        picture = tmp_path / "own.png"
        taken = house.ledger.shots.read("attic", "shot_002").digest(Kind.IMAGE)
        picture.write_bytes((await house.store.load(taken, 10_000_000)).data)
        await found.get_by_label("File").set_input_files(picture)
        assert await fits(page)
        await found.get_by_role("button", name="Use this file").click()
        await page.get_by_text("shot_002 goes on with your file.").wait_for()
        assert said_of(complaints) == []


@SCREENS
async def test_a_limit_is_seen_through_before_it_is_set(
    house: House, tmp_path: Path, screen: dict[str, Any]
):
    await troubled(house)
    sent(house, "shot_008")
    house.ledger.set_budget("attic", Decimal("0.01"), "Ada")
    async with house.served() as url, browsing(tmp_path, **screen) as (page, complaints):
        await come_in(page, url, complaints)
        await page.goto(f"{url}/films/attic/budget")
        await page.get_by_label("New limit in US dollars").fill("0.05")
        await page.get_by_role("button", name="Show what it leads to").click()
        await page.get_by_role("heading", name="Raise the limit: 0.01 → 0.05 USD").wait_for()
        assert house.ledger.budget("attic").limit == Decimal("0.01")
        assert await fits(page)
        await page.screenshot(path=tmp_path / "budget.png", full_page=True)
        await page.get_by_role("button", name="Set the limit to 0.05 USD").click()
        await page.get_by_text("The limit is set.").wait_for()
        assert house.ledger.budget("attic").limit == Decimal("0.05")
        await page.get_by_role("link", name="See what cancelling does").click()
        await page.get_by_role("button", name="Cancel the film now").wait_for()
        assert await fits(page)
        await page.screenshot(path=tmp_path / "cancel.png", full_page=True)
        assert said_of(complaints) == []


@SCREENS
async def test_costs_are_read_off_plots_of_their_own_width(
    house: House, tmp_path: Path, screen: dict[str, Any]
):
    await spent(house)
    house.ledger.set_cap("month:*", Decimal(20), False, "Ada")
    house.ledger.set_cap("project:noir", Decimal(12), True, "Ada")
    async with house.served() as url, browsing(tmp_path, **screen) as (page, complaints):
        await come_in(page, url, complaints)
        for path, name in (("/films/attic/costs", "costs"), ("/costs", "month")):
            await page.goto(url + path)
            plot = page.get_by_role("img", name="Spent by day").first
            await plot.wait_for()
            box = await plot.bounding_box()
            assert box is not None
            assert box["width"] > screen["viewport"]["width"] * 0.75
            letters = await page.locator(".chart text").first.evaluate(
                "t => parseFloat(getComputedStyle(t).fontSize)"
            )
            assert letters >= 12
            assert await fits(page)
            await page.screenshot(path=tmp_path / f"{name}.png", full_page=True)
        assert said_of(complaints) == []
