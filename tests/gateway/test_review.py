"""Review by link: a GET shows, a POST decides, once; every other link says why it does not."""

import asyncio
import html
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from filmforge.commands import Answer
from filmforge.domain import Execution, Review
from filmforge.errors import Conflict, ServiceUnavailable
from filmforge.gateway.pages import review
from filmforge.gateway.replies import describe
from filmforge.gateway.tokens import sign_board, sign_review
from filmforge.ledger.gates import Gate
from tests.gateway.studio import Studio, open_studio

FIRST, SECOND = "a" * 64, "b" * 64
BROWSER = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
PROGRAM = {"accept": "application/json"}


@pytest.fixture
def studio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Studio]:
    made = open_studio(tmp_path, monkeypatch)
    made.film()
    yield made
    made.ledger.close()


def path_to(studio: Studio, gate: Gate, **settings: Any) -> str:
    chosen = studio.settings.model_copy(update=settings)
    return sign_review(chosen, gate)[0].removeprefix("http://studio.test")


async def get(studio: Studio, path: str, **headers: str) -> httpx.Response:
    async with studio.client() as client:
        return await client.get(path, headers={**BROWSER, **headers})


async def post(studio: Studio, path: str, **options: Any) -> httpx.Response:
    async with studio.client() as client:
        return await client.post(path, **{"headers": BROWSER, **options})


def words(answer: httpx.Response) -> str:
    text = re.sub(r"<style.*?</style>|<[^>]+>", " ", answer.text, flags=re.DOTALL)
    return " ".join(html.unescape(text).split())


async def test_a_get_shows_the_frame_the_shot_and_the_history_and_decides_nothing(studio: Studio):
    studio.gate(digest=FIRST)
    studio.ledger.gates.decide("attic", "shot_001", FIRST, "rejected", "Ada", "Warmer light.", "x")
    studio.retake("attic", SECOND, "Warmer light.")
    gate = studio.ledger.gates.open("attic", "shot_001", SECOND)
    path = path_to(studio, gate)
    answer = await get(studio, path)
    assert answer.status_code == 200
    shown = words(answer)
    for expected in (
        "The attic",
        "Shot 1 of 2 · take 2",
        "opens the <b>trunk</b>",
        "So this is where he kept it.",
        "Mara",
        "Warmer light.",
        "Take 1",
        "Take 2 · this one",
    ):
        assert expected in shown
    assert answer.text.count(f"/media/{SECOND}") == 2
    assert studio.desk.commands == []
    assert studio.ledger.gates.read(gate.gate_id).state == "open"


async def test_a_head_answers_like_a_get_and_decides_nothing(studio: Studio):
    path = path_to(studio, studio.gate())
    async with studio.client() as client:
        assert (await client.head(path, headers=BROWSER)).status_code == 200
        assert (await client.get(f"{path}/approve", headers=BROWSER)).status_code == 405
    assert studio.desk.commands == []


async def test_the_page_may_load_its_own_frames_and_nothing_else(studio: Studio):
    answer = await get(studio, path_to(studio, studio.gate()))
    policy = dict(
        part.strip().split(" ", 1) for part in answer.headers["content-security-policy"].split(";")
    )
    assert policy["default-src"] == "'none'"
    assert policy["img-src"] == "'self'"
    assert policy["media-src"] == "'none'"
    assert policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert "script-src" not in policy
    assert "<script" not in answer.text
    assert " style=" not in answer.text
    assert policy["style-src"].strip("'").removeprefix("nonce-") in answer.text


@pytest.mark.parametrize("kind", ["shown", "forged", "board"])
async def test_every_page_keeps_its_secret_address_secret(studio: Studio, kind: str):
    path = {
        "shown": path_to(studio, studio.gate()),
        "forged": "/review/nonsense",
        "board": sign_board(studio.settings, "attic").removeprefix("http://studio.test"),
    }[kind]
    for headers in (BROWSER, PROGRAM):
        answer = await get(studio, path, **headers)
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["x-robots-tag"] == "noindex, nofollow"
        # The board lets people in to the film's pages; a frame's link is for that frame alone.
        cookie = answer.headers.get("set-cookie", "")
        assert bool(cookie) == (kind == "board")
        assert path.rpartition("/")[2] not in cookie


async def test_markup_in_words_of_people_stays_words(studio: Studio):
    evil = "<script>alert(1)</script>\"'><img src=x>"
    studio.film("evil", title=evil)
    gate = studio.gate("evil", SECOND)
    answer = await get(studio, path_to(studio, gate))
    assert "<script>" not in answer.text
    assert "<img src=x>" not in answer.text
    decided = await post(
        studio, f"{path_to(studio, gate)}/reject", data={"note": evil, "who": evil}
    )
    assert decided.status_code == 200
    assert "<script>" not in decided.text


async def test_an_approval_by_form_is_recorded_with_the_name_given(studio: Studio):
    gate = studio.gate()
    answer = await post(
        studio, f"{path_to(studio, gate)}/approve", data={"who": " Ada ", "note": "Good.\r\nYes."}
    )
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/html")
    assert "Approved: shot_001" in words(answer)
    now = studio.ledger.gates.read(gate.gate_id)
    assert (now.state, now.who, now.note) == ("approved", "Ada", "Good.\nYes.")
    entry = studio.ledger.gates.trail("attic")[-1]
    assert (entry.who, entry.action) == ("Ada", "frame.approved")


async def test_a_rejection_by_json_answers_json(studio: Studio):
    gate = studio.gate()
    answer = await post(
        studio, f"{path_to(studio, gate)}/reject", json={"note": "Too dark."}, headers=PROGRAM
    )
    assert answer.status_code == 200
    told = answer.json()
    assert told["verdict"] == "rejected"
    assert told["note"] == "Too dark."
    assert told["who"] == "review link"
    assert told["shot_id"] == "shot_001"


async def test_a_post_without_a_body_decides_too(studio: Studio):
    gate = studio.gate()
    answer = await post(studio, f"{path_to(studio, gate)}/approve", headers={"accept": "*/*"})
    assert answer.status_code == 200
    assert studio.ledger.gates.read(gate.gate_id).who == "review link"


async def refused(studio: Studio, path: str, status: int, code: str, *parts: str) -> None:
    """A GET, a form and a program are all refused in their own way."""
    shown = await get(studio, path)
    clicked = await post(studio, f"{path}/approve", data={})
    called = await post(studio, f"{path}/reject", json={}, headers=PROGRAM)
    assert [a.status_code for a in (shown, clicked, called)] == [status] * 3
    assert called.headers["content-type"] == "application/problem+json"
    assert called.json()["code"] == code
    assert called.json()["status"] == status
    for part in parts:
        assert part in words(shown)
        assert part in words(clicked)
        assert part in called.json()["detail"]
    assert "<button" not in shown.text
    assert "/sha256/" not in shown.text


async def test_a_forged_link_is_refused_as_forged(studio: Studio):
    path = path_to(studio, studio.gate())
    await refused(studio, path[:-4] + "AAAA", 403, "link_forged", "not genuine")


async def test_an_expired_link_is_refused_as_expired(studio: Studio):
    path = path_to(studio, studio.gate(), review_link_s=-1)
    await refused(studio, path, 410, "link_expired", "expired")


async def test_a_link_that_decided_says_when_and_by_whom(studio: Studio):
    gate = studio.gate()
    path = path_to(studio, gate)
    await post(studio, f"{path}/approve", data={"who": "Ada"})
    decided_at = studio.ledger.gates.read(gate.gate_id).decided_at
    assert decided_at
    when = f"{decided_at:%Y-%m-%d %H:%M} UTC"
    await refused(studio, path, 409, "link_used", "used already", "approved by Ada", when)
    assert len(studio.desk.commands) == 1


async def test_another_link_to_a_decided_frame_says_so_in_other_words(studio: Studio):
    gate = studio.gate()
    await post(studio, f"{path_to(studio, gate)}/reject", data={"who": "Ada"})
    other = path_to(studio, gate)
    await refused(studio, other, 409, "already_decided", "decided already", "rejected by Ada")


async def test_a_link_to_a_frame_with_a_newer_take_says_where_that_waits(studio: Studio):
    path = path_to(studio, studio.gate(digest=FIRST))
    studio.gate(digest=SECOND)
    await refused(studio, path, 412, "frame_replaced", "newer", "review board")


async def test_a_link_to_a_frame_that_is_judged_afresh_is_of_no_use(studio: Studio):
    gate = studio.gate()
    path = path_to(studio, gate)
    studio.ledger.gates.decide("attic", "shot_001", FIRST, "rejected", "Ada", "", "elsewhere")
    studio.ledger.gates.open("attic", "shot_001", FIRST)
    await refused(studio, path, 412, "frame_replaced", "newer")


@pytest.mark.parametrize("state", [Execution.CANCELLED, Execution.CANCELLING, Execution.SUCCEEDED])
async def test_a_film_that_has_ended_takes_no_decision(studio: Studio, state: Execution):
    path = path_to(studio, studio.gate())
    studio.ledger.films.set("attic", state)
    await refused(studio, path, 409, "film_not_running", "not running", "resumed")


async def test_a_shot_that_was_left_out_takes_no_decision(studio: Studio):
    path = path_to(studio, studio.gate())
    studio.ledger.shots.set("attic", "shot_001", review=Review.OMITTED)
    await refused(studio, path, 409, "left_out", "left out")


async def test_without_temporal_nothing_is_decided_and_the_link_stays_good(studio: Studio):
    gate = studio.gate()
    path = path_to(studio, gate)
    studio.desk.error = ServiceUnavailable("Temporal did not answer: refused")
    answer = await post(studio, f"{path}/approve", data={})
    assert answer.status_code == 503
    assert "Nothing was decided" in words(answer)
    assert "refused" not in words(answer)
    assert int(answer.headers["retry-after"]) > 0
    assert studio.ledger.gates.read(gate.gate_id).state == "open"
    studio.desk.error = None
    assert (await post(studio, f"{path}/approve", data={})).status_code == 200


async def test_a_film_that_just_stopped_running_is_told_apart_from_a_server_that_is_away(
    studio: Studio,
):
    path = path_to(studio, studio.gate())
    studio.desk.error = Conflict("the film attic is not running")
    answer = await post(studio, f"{path}/approve", json={}, headers=PROGRAM)
    assert (answer.status_code, answer.json()["code"]) == (409, "film_not_running")


@pytest.mark.parametrize(
    ("outcome", "status", "code"),
    [("replaced", 412, "frame_replaced"), ("not_waiting", 409, "not_waiting")],
)
async def test_what_the_film_says_counts_where_the_ledger_lags(
    studio: Studio, outcome: Any, status: int, code: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(review, "PAUSES_S", (0.01, 0.0))
    path = path_to(studio, studio.gate())
    studio.desk.answer = Answer(outcome=outcome, message="")
    answer = await post(studio, f"{path}/approve", json={}, headers=PROGRAM)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


async def test_a_verdict_that_comes_before_the_film_knows_its_gate_is_handed_in_again(
    studio: Studio,
):
    path = path_to(studio, studio.gate())
    studio.desk.answer = Answer(outcome="not_waiting", message="")
    click = asyncio.create_task(post(studio, f"{path}/approve", data={}))
    async with asyncio.timeout(60):
        while not studio.desk.commands:  # noqa: ASYNC110 - the stand-in offers no event
            await asyncio.sleep(0.005)
    studio.desk.answer = None
    assert (await click).status_code == 200
    assert len({command.link_id for command in studio.desk.commands}) == 1


async def test_of_clicks_at_the_same_time_exactly_one_wins(studio: Studio):
    gate = studio.gate()
    first, second = path_to(studio, gate), path_to(studio, gate)
    clicks = [f"{first}/approve", f"{first}/reject", f"{second}/approve", f"{second}/reject"] * 3
    answers = await asyncio.gather(*(post(studio, path, data={}) for path in clicks))
    assert sorted(a.status_code for a in answers) == [200] + [409] * 11
    decisions = [e for e in studio.ledger.gates.trail("attic") if e.action.startswith("frame.")]
    assert len(decisions) == 1


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"note": "x" * 2001}, "note"),
        ({"note": "ring the \x07 bell"}, "note"),
        ({"who": "A" * 101}, "who"),
        ({"who": "A\nB"}, "who"),
        ({"nots": "typo"}, "nots"),
        ({"note": 7}, "note"),
    ],
)
async def test_words_that_cannot_be_used_are_refused_by_field(
    studio: Studio, body: dict[str, Any], field: str
):
    gate = studio.gate()
    path = path_to(studio, gate)
    answer = await post(studio, f"{path}/reject", json=body, headers=PROGRAM)
    assert answer.status_code == 422
    assert field in answer.json()["detail"]
    if body != {"note": 7}:
        page = await post(studio, f"{path}/reject", data=body)
        assert page.status_code == 422
        assert field in words(page)
        assert "Back to the frame" in words(page)
    assert studio.ledger.gates.read(gate.gate_id).state == "open"


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b"{", "application/json", 400),
        (b"note=%ff", "application/x-www-form-urlencoded", 400),
        (b"&".join([b"note=x"] * 50), "application/x-www-form-urlencoded", 400),
        (b"\xff\xfe", "application/json", 400),
        (b"x", "text/plain", 415),
        (b"note=" + b"x" * (6 << 20), "application/x-www-form-urlencoded", 413),
    ],
)
async def test_a_body_that_cannot_be_read_decides_nothing(
    studio: Studio, content: bytes, kind: str, status: int
):
    gate = studio.gate()
    headers = {"content-type": kind, **PROGRAM}
    answer = await post(studio, f"{path_to(studio, gate)}/reject", content=content, headers=headers)
    assert answer.status_code == status
    assert studio.ledger.gates.read(gate.gate_id).state == "open"


async def test_the_board_shows_every_shot_and_links_to_open_frames(studio: Studio):
    gate = studio.gate()
    studio.film("secret-other-film")
    path = sign_board(studio.settings, "attic").removeprefix("http://studio.test")
    answer = await get(studio, path)
    assert answer.status_code == 200
    shown = words(answer)
    for expected in ("The attic", "0 of 2 shots landed", "1 waiting", "wfa", "0.003 USD", "5.00"):
        assert expected in shown
    assert "no frame yet" in shown
    assert "secret" not in answer.text
    links = re.findall(r'href="(http://studio.test/review/[^"]+)"', answer.text)
    assert len(links) == 1
    done = await post(studio, links[0].removeprefix("http://studio.test") + "/approve", data={})
    assert done.status_code == 200
    assert studio.ledger.gates.read(gate.gate_id).state == "approved"


async def test_the_board_goes_through_a_long_film_in_pages(studio: Studio):
    shots = [
        {"shot_id": f"s{n:03}", "enhanced_prompt": "A road.", "duration": 1} for n in range(230)
    ]
    studio.film("road", shots=shots)
    path = sign_board(studio.settings, "road").removeprefix("http://studio.test")
    first, last = await get(studio, path), await get(studio, f"{path}?start=200")
    assert first.text.count('<li class="card') == 60
    assert "?start=60" in first.text
    assert last.text.count('<li class="card') == 30
    assert "Later shots" not in last.text
    assert (await get(studio, f"{path}?start=-1")).status_code == 422


async def test_a_board_link_decides_nothing_and_a_frame_link_shows_no_board(studio: Studio):
    board = sign_board(studio.settings, "attic").rpartition("/")[2]
    frame = path_to(studio, studio.gate()).rpartition("/")[2]
    assert (await post(studio, f"/review/{board}/approve", data={})).status_code == 403
    assert (await get(studio, f"/review/films/{frame}")).status_code == 403
    assert studio.desk.commands == []


def test_links_are_described_as_needing_no_key_but_their_token(studio: Studio):
    described = describe(studio.app())["paths"]["/review/{token}/reject"]["post"]
    assert described["security"] == []
    kinds = set(described["requestBody"]["content"])
    assert kinds == {"application/json", "application/x-www-form-urlencoded"}
