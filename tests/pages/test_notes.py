"""Notes on a take: who may say and resolve what, and how it is shown."""

import html
import json
from typing import Any

import httpx
import pytest
import pytest_asyncio

from filmforge.gateway.pages.notes import notes_for
from filmforge.gateway.tokens import sign_review
from filmforge.ledger.gates import Gate
from filmforge.rights import Given, Role
from tests.pages.house import House, come_in, sign_in

PAGE = "/films/attic/shots/shot_001"
PATH = f"{PAGE}/notes"
BOX = {"kind": "rectangle", "x": 0.05, "y": 0.05, "width": 0.2, "height": 0.2}
MARKS = [
    BOX,
    {"kind": "arrow", "tail": [0.5, 0.9], "head": [0.5, 0.5]},
    {"kind": "freehand", "points": [[0.1, 0.9], [0.2, 0.8], [0.3, 0.9]]},
]


@pytest_asyncio.fixture
async def gate(house: House) -> Gate:
    house.shot_list(2)
    return await house.waiting("An attic")


async def form_key(client: httpx.AsyncClient) -> str:
    """The key that the forms of a film's pages hold for this session."""
    page = await client.get(PAGE)
    assert page.status_code == 200, page.text
    return page.text.partition('data-form-key="')[2].partition('"')[0]


async def say(
    client: httpx.AsyncClient, digest: str, text: str = "Darker.", path: str = "", **more: Any
) -> httpx.Response:
    """Say something, or press a button, as the module does."""
    headers = {"x-form-key": await form_key(client), "accept": "application/json"}
    body = {} if path else {"digest": digest, "text": text, **more}
    return await client.post(PATH + path, json=body, headers=headers)


async def listed(client: httpx.AsyncClient, digest: str) -> str:
    answer = await client.get(PATH, params={"digest": digest})
    assert answer.status_code == 200, answer.text
    return answer.text


async def test_a_guest_says_what_is_wrong_where_and_everybody_sees_it(house: House, gate: Gate):
    async with house.client() as client:
        await come_in(client, house.share(Given.COMMENT))
        answer = await say(client, gate.digest, marks=MARKS)
        assert answer.status_code == 201, answer.text
        page = await listed(client, gate.digest)
    assert "Kim (link Acme)" in page
    assert "Drawn on the picture: upper left, centre and lower left" in page
    assert page.count("<path d=") == len(MARKS)
    assert f'href="/films/attic/thumb/{gate.digest}"' in page
    drawn = html.unescape(page.partition('data-marks="')[2].partition('"')[0])
    assert json.loads(drawn) == MARKS
    (comment,) = house.ledger.comments.of_shot("attic", "shot_001")
    assert comment.principal.startswith("share ")


async def test_whoever_may_only_see_reads_notes_and_writes_none(house: House, gate: Gate):
    async with house.client() as client:
        await come_in(client, house.share(Given.SEE))
        assert "Nobody has said anything" in await listed(client, gate.digest)
        assert (await say(client, gate.digest)).status_code == 403
        assert "<form" not in await listed(client, gate.digest)
    assert house.ledger.comments.of_film("attic") == []
    async with house.client() as stranger:
        assert (await stranger.get(PATH, params={"digest": gate.digest})).status_code == 401


async def test_a_foreign_or_outdated_page_says_nothing(house: House, gate: Gate):
    body = {"digest": gate.digest, "text": "Darker."}
    async with house.client() as client:
        await sign_in(client, house.member("Ada", Role.REVIEWER))
        key = await form_key(client)
        assert (await client.post(PATH, data=body)).status_code == 403
        assert (await client.post(PATH, data={**body, "form_key": "x"})).status_code == 403
        foreign = {"sec-fetch-site": "cross-site"}
        sent = {**body, "form_key": key}
        assert (await client.post(PATH, data=sent, headers=foreign)).status_code == 403
        assert house.ledger.comments.of_film("attic") == []


async def test_a_plain_form_says_something_and_leads_back_to_the_shot(house: House, gate: Gate):
    html_wanted = {"accept": "text/html"}
    async with house.client() as client:
        await sign_in(client, house.member("Ada", Role.REVIEWER))
        key = {"form_key": await form_key(client)}
        body = {**key, "digest": gate.digest, "text": "Darker."}
        answer = await client.post(PATH, data=body, headers=html_wanted)
        assert (answer.status_code, answer.headers["location"]) == (303, f"{PAGE}#notes")
        (first,) = house.ledger.comments.of_shot("attic", "shot_001")
        reply = {**body, "text": "Yes.", "parent_id": first.comment_id}
        assert (await client.post(PATH, data=reply, headers=html_wanted)).status_code == 303
        done = await client.post(
            f"{PATH}/{first.comment_id}/resolve", data=key, headers=html_wanted
        )
        assert done.status_code == 303
        page = await listed(client, gate.digest)
    assert "Yes." in page
    assert "Resolved by Ada" in page
    assert f"{first.comment_id}/reopen" in page


async def test_a_thread_is_resolved_and_reopened_by_the_module(house: House, gate: Gate):
    async with house.client() as client:
        await sign_in(client, house.member("Ada", Role.REVIEWER))
        made = (await say(client, gate.digest)).json()["comment_id"]
        done = await say(client, gate.digest, path=f"/{made}/resolve")
        assert done.json() == {"comment_id": made, "resolved": True}
        again = await say(client, gate.digest, path=f"/{made}/reopen")
        assert again.json() == {"comment_id": made, "resolved": False}
        unknown = await say(client, gate.digest, path=f"/{'0' * 32}/resolve")
        assert unknown.status_code == 404


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"text": "  "}, "text"),
        ({"digest": "f" * 64}, "digest"),
        ({"at_ms": 10}, "at_ms"),
        ({"marks": [{**BOX, "x": 3}]}, "marks[0]"),
        ({"marks": [{"kind": "circle"}]}, "marks[0]"),
        ({"marks": [BOX] * 17}, "marks"),
        ({"loud": True}, "loud"),
    ],
)
async def test_what_cannot_be_kept_is_refused_by_its_field(
    house: House, gate: Gate, wrong: dict[str, Any], field: str
):
    async with house.client() as client:
        await sign_in(client, house.member("Ada", Role.REVIEWER))
        answer = await say(client, **{"digest": gate.digest, **wrong})
    assert answer.status_code == 422
    (error,) = answer.json()["errors"]
    assert error["field"].startswith(field)
    assert error["remedy"]
    assert house.ledger.comments.of_film("attic") == []


async def test_hostile_words_and_names_stay_words(house: House, gate: Gate):
    hostile = "<script>alert(1)</script><img src=x onerror=alert(1)>\"'"
    async with house.client() as client:
        await come_in(client, house.share(Given.COMMENT), name="<b>Kim</b>")
        assert (await say(client, gate.digest, hostile)).status_code == 201
        page = await listed(client, gate.digest)
    assert html.escape(hostile, quote=False).partition('"')[0] in page
    assert "<script" not in page
    assert "<img" not in page
    assert "<b>Kim" not in page


async def test_what_was_said_of_an_earlier_take_stays_with_it(house: House, gate: Gate):
    async with house.client() as client:
        await sign_in(client, house.member("Ada", Role.REVIEWER))
        await say(client, gate.digest, "Of the first.")
        later = await house.waiting("A cellar")
        await say(client, later.digest, "Of the second.")
        page = await listed(client, later.digest)
    here, elsewhere = page.split("on other takes")
    assert "Of the second." in here
    assert "Of the first." not in here
    assert "Of the first." in elsewhere
    notes = notes_for(house.gateway, "attic", "shot_001", later.digest)
    assert notes.open == 1
    assert notes.at == house.ledger.events.since("attic")[-1].id


@pytest.mark.parametrize("door", ["page", "link"])
async def test_what_is_open_of_a_rejected_frame_steers_its_retake(
    house: House, gate: Gate, door: str
):
    async with house.client() as client:
        await sign_in(client, house.member("Ada", Role.REVIEWER))
        await say(client, gate.digest, "Less\nlight.", marks=[BOX])
        done = (await say(client, gate.digest, "Done long ago.")).json()["comment_id"]
        await say(client, gate.digest, path=f"/{done}/resolve")
        if door == "page":
            decision = {"shot_id": "shot_001", "digest": gate.digest, "verdict": "reject"}
            headers = {"x-form-key": await form_key(client), "accept": "application/json"}
            body = {"decisions": [{**decision, "note": "Warmer."}]}
            answer = await client.post("/films/attic/decisions", json=body, headers=headers)
        else:
            url = sign_review(house.settings, gate)[0]
            answer = await client.post(f"{url}/reject", json={"note": "Warmer."})
        assert answer.status_code == 200, answer.text
        await say(client, gate.digest, "Too late.")
    entries = house.ledger.gates.trail("attic")
    (rejected,) = [entry for entry in entries if entry.action == "frame.rejected"]
    assert rejected.detail["note"] == "Warmer.\nupper left: Less light."


async def test_an_approval_says_only_what_its_note_says(house: House, gate: Gate):
    async with house.client() as client:
        await sign_in(client, house.member("Ada", Role.REVIEWER))
        await say(client, gate.digest)
        url = sign_review(house.settings, gate)[0]
        assert (await client.post(f"{url}/approve", json={})).status_code == 200
    (approved,) = [e for e in house.ledger.gates.trail("attic") if e.action == "frame.approved"]
    assert approved.detail["note"] == ""
