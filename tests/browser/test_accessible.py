"""Every page can be used by everybody, on a desk and on a phone, and nothing runs beside itself."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page

from filmforge.domain import Execution
from filmforge.gateway.tokens import sign_review
from filmforge.ledger.gates import Gate
from filmforge.rights import Given, Role
from tests.browser.axe import serious_findings
from tests.browser.chromium import IN_CHROMIUM, browsing
from tests.pages.conftest import house as house  # the fixture of the pages' tests
from tests.pages.house import KEY, House
from tests.pages.walk import doors

pytestmark = IN_CHROMIUM
DESK: dict[str, Any] = {"viewport": {"width": 1440, "height": 900}}
PHONE: dict[str, Any] = {
    "viewport": {"width": 360, "height": 740},
    "is_mobile": True,
    "has_touch": True,
}
# By their routes, so that one that is not there is left out.
PAGES = (
    "/films",
    "/films/{film_id}",
    "/films/{film_id}/shots/{shot_id}",
    "/films/{film_id}/play",
    "/films/{film_id}/attention",
    "/films/{film_id}/costs",
    "/films/{film_id}/budget",
    "/films/{film_id}/edit",
    "/films/{film_id}/edit/{shot_id}",
    "/films/{film_id}/shares",
    "/films/{film_id}/trail",
    "/films/{film_id}/channels",
    "/new",
    "/channels",
    "/team",
)


@pytest.fixture
def attic(request: pytest.FixtureRequest) -> House:
    """A film that waits for people."""
    made: House = request.getfixturevalue("house")
    made.shot_list(4)
    made.ledger.shots.set(
        "attic", "shot_003", execution=Execution.NEEDS_ATTENTION, reason="content_refused"
    )
    made.share(Given.DECIDE)
    made.member("Ada", Role.REVIEWER)
    return made


async def filled(house: House) -> Gate:
    """Something to see on each page of the film; a frame that waits."""
    await house.take(await house.picture("The trunk, closer"), "shot_002")
    return await house.waiting("A woman opens a trunk")


def there(house: House) -> Iterator[str]:
    """The addresses of the pages that there are."""
    known = {door.path for door in doors(house.app()) if door.method == "GET"}
    for path in PAGES:
        if path in known:
            yield path.format(film_id="attic", shot_id="shot_001")


async def sign_in(page: Page, house: House) -> None:
    await page.goto(f"{house.settings.public_url}/sign-in?next=/team")
    await page.get_by_label("Key").fill(KEY)
    await page.get_by_role("button", name="Sign in").click()
    await page.get_by_role("heading", name="Team").wait_for()


async def looked_at(page: Page, address: str) -> list[str]:
    """What is wrong with a page: findings, and whether it must be moved sideways."""
    answer = await page.goto(address, wait_until="load")
    assert answer is not None
    found = [] if answer.ok else [f"answers {answer.status}"]
    found += await serious_findings(page)
    width = await page.evaluate("document.documentElement.scrollWidth - innerWidth")
    return found + ([f"{width} pixels too wide"] if width > 0 else [])


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
async def test_no_page_keeps_anybody_out(attic: House, tmp_path: Path, size: dict[str, Any]):
    gate = await filled(attic)
    wrong: dict[str, list[str]] = {}
    async with attic.served() as url, browsing(tmp_path, **size) as (page, complaints):
        share = attic.share(Given.COMMENT, name="Beta")
        for address in (f"{url}/sign-in", share, sign_review(attic.settings, gate)[0]):
            wrong[address.removeprefix(url)[:12]] = await looked_at(page, address)
        await sign_in(page, attic)
        for path in there(attic):
            wrong[path] = await looked_at(page, url + path)
    assert not any(wrong.values()), "\n".join(
        f"{path}: {one}" for path in wrong for one in wrong[path]
    )
    assert complaints == []


async def test_a_producer_makes_a_link_copies_it_and_revokes_it(attic: House, tmp_path: Path):
    async with attic.served() as url, browsing(tmp_path, **PHONE) as (page, complaints):
        await page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        await sign_in(page, attic)
        await page.goto(f"{url}/films/attic/shares")
        await page.get_by_label("For whom").fill("Gamma")
        await page.get_by_label("They may").select_option("decide")
        await page.get_by_role("button", name="Make the link").click()
        address = await page.get_by_label("Address").input_value()
        assert address.startswith(f"{url}/s/")
        await page.get_by_role("button", name="Copy", exact=True).click()
        await page.get_by_text("Copied.").wait_for()
        assert await page.evaluate("navigator.clipboard.readText()") == address
        assert address in await page.get_by_label("To mail").input_value()
        assert await serious_findings(page) == []
        await page.get_by_role("button", name="Revoke the link for Gamma").click()
        await page.get_by_text("revoked", exact=True).first.wait_for()
        assert complaints == []
    (gamma, *_) = attic.ledger.shares.of_film("attic")
    assert gamma.revoked_at


async def test_the_trail_is_read_and_filtered_with_the_keyboard(attic: House, tmp_path: Path):
    gate = await filled(attic)
    attic.ledger.gates.decide("attic", "shot_001", gate.digest, "approved", "Ada", "", "link-1")
    async with attic.served() as url, browsing(tmp_path, **DESK) as (page, complaints):
        await sign_in(page, attic)
        await page.goto(f"{url}/films/attic/trail")
        await page.get_by_role("img", name="shot_001, take 1").wait_for()
        person = page.get_by_label("Person")
        await person.focus()
        await person.select_option("Ada")
        await page.get_by_role("button", name="Filter").press("Enter")
        await page.get_by_text("approved · shot_001").wait_for()
        assert await page.locator(".trail li").count() == 1
        assert complaints == []
