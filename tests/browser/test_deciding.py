"""Deciding in a real browser: by key, by mouse and by finger, with a while to think again."""

import asyncio
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Dialog, Page, Position, Route

from filmforge.commands import Choose, Decide
from filmforge.domain import Kind
from filmforge.gateway.pages import film_page
from filmforge.rights import Role
from tests.browser.axe import serious_findings
from tests.browser.chromium import IN_CHROMIUM, browsing
from tests.media.finished import make_film
from tests.pages.conftest import house as house  # the fixture of the pages' tests
from tests.pages.house import House

pytestmark = IN_CHROMIUM
PHONE = {"viewport": {"width": 360, "height": 740}, "is_mobile": True, "has_touch": True}
DESK = {"viewport": {"width": 1440, "height": 900}}
PAID = {"image": "fake:image-1", "video": "fake:video-1", "audio": "fake:voice-1"}
# Long enough that nothing is sent by itself while a test runs, or as good as at once.
NEVER_S, SOON_S = 600.0, 0.3
TIMES = "clips => clips.map(clip => clip.currentTime)"


@pytest.fixture
def attic(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> House:
    """A film of four shots that costs money; its decisions wait for long."""
    monkeypatch.setenv("FILMFORGE_FAKE_URL", "http://127.0.0.1:9")
    monkeypatch.setattr(film_page, "UNDO_S", NEVER_S)
    made: House = request.getfixturevalue("house")
    made.shot_list(4, providers=PAID)
    return made


async def come(page: Page, house: House, path: str = "/films/attic") -> None:
    """Sign in as a reviewer and go to a page."""
    await page.goto(f"{house.settings.public_url}/sign-in?next={path}")
    key = house.member(f"Ada {len(house.ledger.members.all())}", Role.REVIEWER)
    await page.get_by_label("Key").fill(key)
    await page.get_by_role("button", name="Sign in").click()
    await page.locator(".top .help").wait_for(state="attached")


async def until(met: Callable[[], object]) -> None:
    async with asyncio.timeout(60):
        while not met():  # noqa: ASYNC110 - what the server keeps tells no event
            await asyncio.sleep(0.02)


def decided(house: House) -> list[Decide | Choose]:
    """Every decision that reached the film."""
    return [each for many in house.desk.bulks for each in many.decisions]


async def retaken(house: House) -> tuple[str, str]:
    """A second shot whose first frame was rejected; both frames."""
    note = "Closer to the trunk, and let the light be warmer."
    first = await house.waiting("An attic", "shot_002")
    house.ledger.gates.decide("attic", "shot_002", first.digest, "rejected", "Bo", note, "x")
    house.directed("shot_002", note)
    second = await house.picture("An attic at dusk", "uneasy")
    await house.take(second, "shot_002", note=note)
    house.ledger.gates.open("attic", "shot_002", second)
    return first.digest, second


async def test_a_key_approves_shows_the_cost_and_can_be_undone(attic: House, tmp_path: Path):
    gate = await attic.waiting("An attic")
    await attic.waiting("A cellar", "shot_003")
    async with attic.served(), browsing(tmp_path, **DESK) as (page, _):
        await come(page, attic)
        card = page.locator("#shot-shot_001")
        await card.get_by_text("USD", exact=False).first.wait_for()
        await page.keyboard.press("j")
        await page.keyboard.press("a")
        waiting = page.locator(".pending")
        await waiting.get_by_text("costs up to 0.03042 USD").wait_for()
        assert await waiting.locator(".countdown").is_visible()
        assert await card.locator(".decided").inner_text() == "Approved, not sent yet"
        await page.screenshot(path=tmp_path / "undo.png")
        assert await serious_findings(page) == []
        await page.keyboard.press("u")
        await waiting.wait_for(state="detached")
        await page.goto("about:blank")
        assert decided(attic) == []

        await page.goto(f"{attic.settings.public_url}/films/attic")
        await page.locator(".top .help").wait_for(state="attached")
        await page.keyboard.press("j")
        await page.keyboard.press("a")
        await waiting.wait_for()
        await page.goto("about:blank")  # leaving the page sends what was decided
        await until(lambda: decided(attic))
        (sent,) = decided(attic)
        assert (sent.shot_id, sent.digest, sent.verdict) == ("shot_001", gate.digest, "approve")


async def test_a_note_is_written_and_sent_without_the_mouse(
    attic: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(film_page, "UNDO_S", SOON_S)
    gate = await attic.waiting("A cellar", "shot_003")
    async with attic.served(), browsing(tmp_path, **DESK) as (page, _):
        await come(page, attic)
        for _step in range(3):
            await page.keyboard.press("j")
        await page.keyboard.press("r")
        note = page.get_by_label("Note")
        await note.wait_for()
        await page.get_by_text("costs up to").wait_for()
        await page.screenshot(path=tmp_path / "reject.png")
        await note.press("Escape")
        await page.locator("dialog").wait_for(state="detached")
        await page.keyboard.press("r")
        await note.press_sequentially("Jackals at the door, and a key.")  # j and a move nothing
        await page.get_by_label("Takes to make").select_option("3")
        await note.press("Control+Enter")
        await until(lambda: decided(attic))
        (sent,) = decided(attic)
        assert isinstance(sent, Decide)
        assert (sent.digest, sent.verdict, sent.takes) == (gate.digest, "reject", 3)
        assert sent.note == "Jackals at the door, and a key."
        await page.locator("#shot-shot_003[data-review=retake]").wait_for()


async def test_what_is_selected_is_approved_together_after_its_sum_was_shown(
    attic: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(film_page, "UNDO_S", SOON_S)
    for shot_id in ("shot_001", "shot_002", "shot_003"):
        await attic.waiting(f"The frame of {shot_id}", shot_id)
    async with attic.served(), browsing(tmp_path, **DESK) as (page, complaints):
        await come(page, attic)
        await page.keyboard.press("j")
        await page.keyboard.press("x")
        await page.keyboard.press("j")
        await page.keyboard.press("Shift+Space")
        await page.screenshot(path=tmp_path / "selected.png")
        await page.get_by_role("button", name="Approve 2 selected").click()
        await page.locator("dialog").get_by_text("costs up to").wait_for()
        await page.screenshot(path=tmp_path / "bulk.png")
        assert decided(attic) == []
        await page.get_by_role("button", name="Approve 2", exact=True).click()
        await until(lambda: len(decided(attic)) == 2)
        assert {each.shot_id for each in decided(attic)} == {"shot_001", "shot_002"}
        assert len(attic.desk.bulks) == 1
        assert [line for line in complaints if "policy" in line.lower()] == []


async def test_who_is_late_is_told_so_and_sees_the_shot_as_it_is(
    attic: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    gate = await attic.waiting("An attic")
    async with attic.served(), browsing(tmp_path, **DESK) as (page, _):
        await come(page, attic)
        await page.keyboard.press("j")
        await page.keyboard.press("a")
        await page.locator(".pending").wait_for()
        done = attic.ledger.gates.decide
        done("attic", "shot_001", gate.digest, "rejected", "Bo", "Too dark", "x")
        # The page is hidden: what waits is sent, and it is there still to show the answer.
        await page.evaluate(
            "Object.defineProperty(document, 'hidden', {value: true, configurable: true});"
            "document.dispatchEvent(new Event('visibilitychange'))"
        )
        refused = page.locator("#shot-shot_001 .decided")
        await refused.get_by_text("It was rejected by Bo.").wait_for()
        await page.get_by_role("status").get_by_text("shot_001: It was rejected by Bo.").wait_for()
        await page.locator("#shot-shot_001[data-digest='']").wait_for()
        assert await page.get_by_role("button", name="Approve").count() == 0
        await page.screenshot(path=tmp_path / "late.png")


async def test_a_finger_approves_and_rejects_on_a_phone(
    attic: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(film_page, "UNDO_S", SOON_S)
    await attic.waiting("An attic")
    await attic.waiting("A cellar", "shot_003")
    async with attic.served(), browsing(tmp_path, **PHONE) as (page, _):
        await come(page, attic)
        await page.screenshot(path=tmp_path / "board-phone.png", full_page=True)
        first = page.locator("#shot-shot_001")
        await first.get_by_role("button", name="Approve").tap()
        await until(lambda: len(decided(attic)) == 1)
        third = page.locator("#shot-shot_003")
        await third.get_by_role("button", name="Reject").tap()
        await page.get_by_label("Note").fill("Warmer")
        await page.screenshot(path=tmp_path / "reject-phone.png")
        assert await serious_findings(page) == []
        assert await page.evaluate("document.documentElement.scrollWidth") <= 360
        await page.locator("dialog").get_by_role("button", name="Reject").tap()
        await until(lambda: len(decided(attic)) == 2)
        assert [each.verdict for each in decided(attic)] == ["approve", "reject"]


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
async def test_two_takes_are_compared_by_a_wipe_and_the_older_one_is_chosen(
    attic: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: dict[str, Any]
):
    monkeypatch.setattr(film_page, "UNDO_S", SOON_S)
    first, second = await retaken(attic)
    async with attic.served(), browsing(tmp_path, **size) as (page, _):
        await come(page, attic, "/films/attic/shots/shot_002")
        assert await page.title() == "Waiting for approval · shot_002 · Attic"
        await page.locator(".stage img").evaluate("i => i.decode()")
        await page.screenshot(path=tmp_path / "shot.png", full_page=True)
        sideways = "document.documentElement.scrollWidth - innerWidth"
        assert await page.evaluate(sideways) <= 0
        await page.keyboard.press("c")
        handle = page.get_by_role("slider", name="Wipe from Frame 1 to Frame 2 · in use")
        await handle.wait_for()
        assert await handle.get_attribute("aria-valuenow") == "50"
        await handle.press("ArrowRight")
        assert await handle.get_attribute("aria-valuenow") == "52"
        await page.locator("#compare img").last.evaluate("i => i.decode()")
        await page.screenshot(path=tmp_path / "wipe.png")
        assert await serious_findings(page) == []
        box = await page.locator("#compare").bounding_box()
        assert box
        quarter = Position(x=box["width"] / 4, y=box["height"] / 2)
        point = page.locator("#compare").tap if size is PHONE else page.locator("#compare").click
        await point(position=quarter)
        assert await handle.get_attribute("aria-valuenow") == "25"
        await page.get_by_role("button", name="Side by side").click()
        assert not await handle.is_visible()
        choice = page.get_by_role("button", name="Choose Frame 1: costs up to 0.03 USD")
        assert await choice.locator("small").inner_text() == "costs up to 0.03 USD"
        await choice.click()
        await until(lambda: decided(attic))
        (sent,) = decided(attic)
        assert isinstance(sent, Choose)
        assert (sent.digest, sent.instead_of) == (first, second)


async def test_a_stale_page_decides_nothing_and_says_that_there_is_a_newer_frame(
    attic: House, tmp_path: Path
):
    await attic.waiting("An attic", "shot_002")
    newer = await attic.picture("An attic at dusk", "uneasy")
    async with attic.served(), browsing(tmp_path, **DESK) as (page, _):
        await come(page, attic, "/films/attic/shots/shot_002")
        await attic.take(newer, "shot_002")
        attic.ledger.gates.open("attic", "shot_002", newer)
        await page.get_by_text("A newer frame waits for approval.").wait_for()
        await page.screenshot(path=tmp_path / "stale.png")
        await page.keyboard.press("a")
        await page.get_by_text("shot_002 does not wait for a decision.").wait_for(state="attached")
        await page.get_by_role("link", name="Look at it").click()
        await page.locator(f".stage[data-digest='{newer}']").wait_for()
        await page.keyboard.press("j")  # to the next shot, having decided nothing
        await page.locator("#shot[data-shot=shot_003]").wait_for()
        assert decided(attic) == []


async def test_the_clips_of_two_takes_play_in_step(attic: House, tmp_path: Path):
    await attic.waiting("An attic", "shot_002")
    for name, frames in (("one", 48), ("two", 47)):
        (tmp_path / name).mkdir()
        film = await make_film(tmp_path / name / "clip.mp4", fps=Fraction(24), frames=frames)
        await attic.take(await attic.stored(film), "shot_002", kind=Kind.VIDEO)
    attic.ledger.gates.withdraw("attic", "shot_002")
    async with attic.served(), browsing(tmp_path, **DESK) as (page, _):
        await come(page, attic, "/films/attic/shots/shot_002?compare=before")
        await page.get_by_role("button", name="Play").click()
        await page.get_by_role("button", name="Pause").wait_for()
        first = page.locator("#compare video").first
        await first.evaluate("v => new Promise(told => { v.onended = told; v.ended && told(); })")
        times = await page.locator("#compare video").evaluate_all(TIMES)
        assert abs(times[0] - times[1]) < 0.1
        assert times[0] > 1.9
        await page.get_by_label("Time").fill("0.5")
        times = await page.locator("#compare video").evaluate_all(TIMES)
        assert times[0] == pytest.approx(1, abs=0.05)
        assert times[1] == pytest.approx(1, abs=0.1)


async def test_a_note_on_the_page_of_a_shot_is_sent_when_one_goes_on_to_the_next(
    attic: House, tmp_path: Path
):
    _, second = await retaken(attic)
    async with attic.served(), browsing(tmp_path, **DESK) as (page, _):
        await come(page, attic, "/films/attic/shots/shot_002")
        await page.keyboard.press("?")
        await page.get_by_role("heading", name="Keys").wait_for()
        await page.screenshot(path=tmp_path / "keys.png")
        assert await serious_findings(page) == []
        await page.keyboard.press("a")  # nothing acts below a dialog
        await page.keyboard.press("Escape")
        await page.keyboard.press("r")
        await page.keyboard.type("A jar, k?")
        assert await page.get_by_label("Note steers").input_value() == "A jar, k?"
        await page.keyboard.press("Control+Enter")
        await page.locator(".pending").get_by_text("shot_002 rejected").wait_for()
        await page.screenshot(path=tmp_path / "held.png")
        assert await serious_findings(page) == []
        assert decided(attic) == []
        await page.keyboard.press("Escape")
        await page.keyboard.press("j")
        await page.locator("#shot[data-shot=shot_003]").wait_for()
        await until(lambda: decided(attic))
        (sent,) = decided(attic)
        assert (sent.digest, sent.verdict, sent.note) == (second, "reject", "A jar, k?")


async def test_what_was_selected_is_not_approved_once_it_shows_another_frame(
    attic: House, tmp_path: Path
):
    await attic.waiting("An attic", "shot_001")
    newer = await attic.picture("An attic at dusk", "uneasy")
    async with attic.served(), browsing(tmp_path, **DESK) as (page, _):
        await come(page, attic)
        await page.locator("#live.on").wait_for()
        await page.keyboard.press("j")
        await page.keyboard.press("x")
        await page.get_by_role("button", name="Approve 1 selected").wait_for()
        await attic.take(newer, "shot_001")
        attic.ledger.gates.open("attic", "shot_001", newer)
        await page.locator(f"#shot-shot_001[data-digest='{newer}']").wait_for()
        await page.locator(".bulk").wait_for(state="hidden")
        assert not await page.get_by_label("Select shot_001").is_checked()


async def test_more_than_a_page_can_send_as_it_is_left_is_asked_for_and_offered_again(
    attic: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    gate = await attic.waiting("An attic", "shot_001")
    async with attic.served(), browsing(tmp_path, **DESK) as (page, _):

        async def cramped(route: Route) -> None:
            answer = await route.fetch()
            few = (await answer.text()).replace(
                "MOST_LEAVING_BYTES = 60_000", "MOST_LEAVING_BYTES = 10"
            )
            await route.fulfill(response=answer, body=few)

        await page.route("**/undo.js", cramped)
        # Answers that never come: the server is too slow for who leaves.
        await page.route("**/decisions", lambda _route: None)
        await come(page, attic)
        await page.keyboard.press("j")
        await page.keyboard.press("a")
        await page.locator(".pending").wait_for()
        asked: list[str] = []

        async def leave(dialog: Dialog) -> None:
            asked.append(dialog.type)
            await dialog.accept()

        page.on("dialog", leave)
        await page.goto(f"{attic.settings.public_url}/films")
        assert asked == ["beforeunload"]
        await page.unroute("**/decisions")
        assert decided(attic) == []
        await page.goto(f"{attic.settings.public_url}/films/attic")
        offered = page.locator(".pending.failed")
        await offered.get_by_text("shot_001 approved: not sent.").wait_for()
        await offered.get_by_role("button", name="Send again").click()
        await until(lambda: decided(attic))
        (sent,) = decided(attic)
        assert (sent.digest, sent.verdict) == (gate.digest, "approve")
        await page.reload()
        await page.locator(".top .help").wait_for()
        assert await offered.count() == 0
