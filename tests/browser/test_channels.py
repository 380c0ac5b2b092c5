"""Notices in a real browser: a producer adds a channel, tries it and removes it, also by phone."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from filmforge.rights import Role
from tests.browser.chromium import IN_CHROMIUM, browsing
from tests.gateway.receivers import SLACK_PATH, Chat
from tests.pages.conftest import house  # noqa: F401 - the fixture
from tests.pages.house import House

pytestmark = IN_CHROMIUM
PHONE: dict[str, Any] = {"viewport": {"width": 360, "height": 740}, "has_touch": True}
DESK: dict[str, Any] = {"viewport": {"width": 1280, "height": 800}}


@pytest.fixture
def slack() -> Iterator[Chat]:
    made = Chat(SLACK_PATH)
    yield made
    made.close()


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
async def test_a_channel_is_added_tried_and_removed(
    house: House,  # noqa: F811 - the fixture
    slack: Chat,
    tmp_path: Path,
    size: dict[str, Any],
):
    house.shot_list(1)
    key = house.member("Ada", Role.PRODUCER)
    async with house.served() as url, browsing(tmp_path, **size) as (page, complaints):
        await page.goto(f"{url}/films/attic/channels")
        await page.get_by_label("Key").fill(key)
        await page.get_by_role("button", name="Sign in").click()
        await page.get_by_text("Nobody is told of anything yet.").wait_for()
        complaints.clear()  # those of the page before, where one signs in
        await page.get_by_text("work on this machine only").wait_for()
        await page.get_by_label("By", exact=True).select_option("slack")
        await page.get_by_label("Address").fill(slack.url)
        await page.get_by_role("textbox", name="Who is told").fill("Art department")
        await page.get_by_label("somebody commented on a shot").check()
        await page.get_by_role("button", name="Tell them").click()
        await page.get_by_role("button", name="Send a test message now to Art department").click()
        await page.get_by_text("The test message was taken.").wait_for()
        assert "opensesame" not in await page.content()
        assert (
            await page.evaluate("document.documentElement.scrollWidth") <= size["viewport"]["width"]
        )
        for button in await page.get_by_role("button").all():
            box = await button.bounding_box()
            if box and await button.inner_text() != "Sign out":
                assert box["height"] >= 44
        await page.screenshot(path=tmp_path / "channels.png", full_page=True)
        await page.get_by_role("button", name="Remove Art department").click()
        await page.get_by_text("Nobody is told of anything yet.").wait_for()
        assert complaints == []
    assert slack.got[0]["text"] == "FilmForge: a test message"
