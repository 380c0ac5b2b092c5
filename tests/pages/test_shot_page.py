"""The page of a shot: what it shows to whom, and that looking at it decides nothing."""

import asyncio

import httpx
import pytest

from filmforge.domain import Execution, Kind
from filmforge.gateway.tokens import sign_review
from filmforge.quality import Check, Checked, Finding, Outcome
from filmforge.rights import Given, Role
from tests.pages.house import House, come_in, field, sign_in

HTML = {"accept": "text/html"}
SHOT = "/films/attic/shots/shot_002"
PAID = {"image": "fake:image-1", "video": "fake:video-1", "audio": "fake:voice-1"}
NOTE = "Warmer <i>light</i>"


@pytest.fixture
def attic(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> House:
    """A film of three shots that costs money."""
    monkeypatch.setenv("FILMFORGE_FAKE_URL", "http://127.0.0.1:9")
    made: House = request.getfixturevalue("house")
    made.shot_list(3, providers=PAID)
    return made


async def retaken(house: House) -> tuple[str, str]:
    """The second shot, whose first frame was rejected with a note; both frames."""
    first = await house.waiting("An attic", "shot_002")
    house.ledger.gates.decide("attic", "shot_002", first.digest, "rejected", "Bo", NOTE, "x")
    house.directed("shot_002", NOTE)
    second = await house.picture("An attic at dusk", "uneasy")
    await house.take(second, "shot_002", note=NOTE)
    house.ledger.gates.open("attic", "shot_002", second)
    return first.digest, second


async def read(client: httpx.AsyncClient, **query: str) -> str:
    answer = await client.get(SHOT, params=query, headers=HTML)
    assert answer.status_code == 200
    return answer.text


def stage(page: str) -> str:
    """What is shown large."""
    return page.partition('<div class="stage"')[2].partition("</div>")[0]


def verdict(page: str, **more: str) -> dict[str, str]:
    """The fields that the form of a page sends."""
    form = page.partition('<form id="verdict"')[2].partition("</form>")[0]
    return {name: field(form, name) for name in ("form_key", "shot_id", "digest")} | more


def states(house: House) -> list[str]:
    """The state of every decided gate."""
    return [entry.action for entry in house.ledger.gates.trail("attic")]


async def test_it_shows_the_frame_that_waits_with_its_takes_and_both_states(attic: House):
    _, second = await retaken(attic)
    async with attic.client() as client:
        await come_in(client, attic.share(Given.SEE))
        page = await read(client)
    assert "<title>Waiting for approval · shot_002 · Attic</title>" in page
    assert f'<div class="stage" data-digest="{second}">' in page
    assert page.index("<strong>Frame 1") < page.index("<strong>Frame 2")
    assert "<blockquote>Warmer &lt;i&gt;light&lt;/i&gt;</blockquote>" in page
    assert '<span class="wfa">Waiting for approval</span><span>running</span>' in page
    assert "opens the &lt;b&gt;trunk&lt;/b&gt;" in page
    assert 'rel="prev" href="/films/attic/shots/shot_001"' in page
    assert 'rel="next" href="/films/attic/shots/shot_003"' in page


async def test_who_may_only_look_is_offered_no_decision(attic: House):
    await retaken(attic)
    async with attic.client() as client:
        await come_in(client, attic.share(Given.COMMENT))
        page = await read(client)
    assert 'action="/films/attic/decisions"' not in page


async def test_what_deciding_costs_stands_beside_the_buttons(attic: House):
    await retaken(attic)
    async with attic.client() as client:
        await sign_in(client, attic.member("Ada", Role.REVIEWER))
        page = await read(client)
    assert "Approve<small>costs up to 0.03 USD</small>" in page
    assert "Choose<small>costs up to 0.03 USD</small>" in page
    assert '<option value="3">3 takes · costs up to 0.009 USD</option>' in page


async def test_the_page_of_a_link_tells_what_approving_costs_without_a_cookie(attic: House):
    gate = await attic.waiting("An attic")
    async with attic.client() as client:
        page = await client.get(sign_review(attic.settings, gate)[0])
    assert "Approving costs up to 0.03042 USD; a retake costs up to 0.003 USD." in page.text
    assert "<script" not in page.text
    assert "set-cookie" not in page.headers


async def test_a_clip_is_shown_unless_a_frame_came_after_it(attic: House):
    gate = await attic.waiting("An attic", "shot_002")
    clip, newer = await attic.picture("The clip"), await attic.picture("Another attic")
    attic.ledger.gates.decide("attic", "shot_002", gate.digest, "approved", "Bo", "", "x")
    await attic.take(clip, "shot_002", kind=Kind.VIDEO)
    async with attic.client() as client:
        await come_in(client, attic.share(Given.SEE))
        assert f'<video src="/films/attic/media/{clip}"' in stage(await read(client))
        await attic.take(newer, "shot_002")
        assert f'<img src="/films/attic/media/{newer}"' in stage(await read(client))


async def test_what_was_found_in_a_take_stands_beside_it_with_what_was_measured(attic: House):
    _, second = await retaken(attic)
    black = Finding(
        check=Check.BLACK,
        passed=False,
        measured=0.99812,
        threshold=0.995,
        unit="share",
        words="99.8% of the frame is black",
    )
    found = Checked(outcome=Outcome.WARN, words=(black.words,), findings=(black,))
    attic.ledger.takes.checked("attic", "shot_002", Kind.IMAGE, second, found)
    async with attic.client() as client:
        await come_in(client, attic.share(Given.SEE))
        page = await read(client)
    assert "99.8% of the frame is black" in page
    assert "black: measured 0.998, limit 0.995 share" in page


async def test_a_shot_that_needs_attention_says_why_and_what_can_be_done(attic: House):
    attic.ledger.shots.set(
        "attic", "shot_002", execution=Execution.FAILED, reason="refused", message="Not that."
    )
    async with attic.client() as client:
        await sign_in(client, attic.member("Ada", Role.PRODUCER))
        page = await read(client)
    assert "Needs attention" in page
    assert "Not that." in page
    assert f'action="{SHOT}/skip"' in page


async def test_two_takes_stand_side_by_side(attic: House):
    first, second = await retaken(attic)
    async with attic.client() as client:
        await come_in(client, attic.share(Given.SEE))
        page = await read(client, compare=f"{first},{second}")
        for shown in (page, await read(client, compare="before")):
            pair = shown.partition('id="compare"')[2].partition("</div>")[0]
            assert pair.index(f"/media/{first}") < pair.index(f"/media/{second}")
        foreign = await client.get(SHOT, params={"compare": f"{first},{'a' * 64}"})
        assert foreign.status_code == 404
        assert (await client.get(SHOT, params={"compare": "x"})).status_code == 422
        alone = await client.get("/films/attic/shots/shot_001", params={"compare": "before"})
        assert "There is no take before this one" in alone.text


async def test_a_plain_form_decides_once_and_a_stale_one_says_why_it_did_not(attic: House):
    _, second = await retaken(attic)
    async with attic.client() as ada, attic.client() as bo:
        await sign_in(ada, attic.member("Ada", Role.REVIEWER))
        await sign_in(bo, attic.member("Bo", Role.REVIEWER))
        mine, yours = verdict(await read(ada)), verdict(await read(bo))
        assert mine["digest"] == second
        wish = {**mine, "verdict": "reject", "note": "Closer", "takes": "2"}
        done = await ada.post("/films/attic/decisions", data=wish, headers=HTML)
        assert (done.status_code, done.headers["location"]) == (303, SHOT)
        late = await bo.post(
            "/films/attic/decisions", data={**yours, "verdict": "approve"}, headers=HTML
        )
    assert late.status_code == 409
    assert "It was rejected by Ada." in late.text
    (sent,) = attic.desk.bulks[0].decisions
    assert (sent.note, sent.who) == ("Closer", "Ada")


async def test_of_two_people_who_decide_at_once_one_is_told_that_the_other_was_faster(attic: House):
    await retaken(attic)
    async with attic.client() as ada, attic.client() as bo:
        people = {ada: "approve", bo: "reject"}
        for client, name in ((ada, "Ada"), (bo, "Bo")):
            await sign_in(client, attic.member(name, Role.REVIEWER))
        forms = {client: verdict(await read(client)) for client in people}
        answers = await asyncio.gather(
            *(
                client.post(
                    "/films/attic/decisions",
                    data={**forms[client], "verdict": wish},
                    headers=HTML,
                )
                for client, wish in people.items()
            )
        )
    assert sorted(answer.status_code for answer in answers) == [303, 409]
    assert len([action for action in states(attic) if action.startswith("frame.")]) == 2


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_a_link_that_a_mail_scanner_opens_decides_nothing(attic: House, method: str):
    first, second = await retaken(attic)
    before = states(attic)
    gate = attic.ledger.gates.of_frame("attic", "shot_002", second)
    assert gate
    async with attic.client() as client:
        await sign_in(client, attic.member("Ada", Role.REVIEWER))
        for path in (
            sign_review(attic.settings, gate)[0],
            f"{sign_review(attic.settings, gate)[0]}/approve",
            f"{SHOT}?compare={first},{second}",
            f"/films/attic/decisions?shot_id=shot_002&digest={second}&verdict=approve",
        ):
            await client.request(method, path, headers=HTML)
    assert states(attic) == before
    assert attic.desk.bulks == []
    assert attic.ledger.gates.of_frame("attic", "shot_002", second) == gate
