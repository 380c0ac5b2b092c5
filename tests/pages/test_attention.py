"""Attention: why a shot stands still, what each choice costs, and what comes of choosing."""

from decimal import Decimal
from typing import Any

import httpx
import pytest

from filmforge.domain import Execution, Kind
from filmforge.gateway.attention import attention_for
from filmforge.rights import Given, Role
from tests.pages.house import KEY, House, come_in, field, sign_in
from tests.pages.till import CLIP, FRAME, failed, found_black, lost, paid, parked, priced, sent

HTML = {"accept": "text/html"}
SHOT = "/films/attic/shots/shot_002"
PAGE = "/films/attic/attention"


@pytest.fixture
def attic(house: House) -> House:
    priced(house)
    return house


def form_of(html: str, action: str, which: int = 0) -> dict[str, str]:
    """The hidden fields of the form with this address."""
    form = html.split(f'action="{action}"')[which + 1].partition("</form>")[0]
    names = ("form_key", "attempt", "reason", "submits", "back", "usd", "choice", "kind", "digest")
    return {name: field(form, name) for name in names if f'name="{name}" value="' in form}


async def choose(
    client: httpx.AsyncClient, form: dict[str, str], what: str, path: str = SHOT
) -> httpx.Response:
    return await client.post(f"{path}/{what}", data=form, headers=HTML)


def without_file(fields: dict[str, str]) -> dict[str, Any]:
    """What a browser sends of a form whose file was not chosen."""
    parts = {f'name="{name}"': value for name, value in fields.items()}
    parts['name="file"; filename=""'] = ""
    lines = [f"--x\r\nContent-Disposition: form-data; {n}\r\n\r\n{v}\r\n" for n, v in parts.items()]
    kind = {"content-type": "multipart/form-data; boundary=x"}
    return {"content": "".join([*lines, "--x--\r\n"]), "headers": {**HTML, **kind}}


def requests_kept(house: House) -> int:
    with house.ledger.db.read() as tx:
        return int(tx.exec_driver_sql("SELECT count(*) FROM journal").scalar_one())


async def test_a_shot_says_why_it_stands_still_and_what_a_retry_costs_now(attic: House):
    failed(attic, "shot_002", "content_refused", "<b>no</b> trunks")
    async with attic.client() as client:
        await sign_in(client, KEY)
        html = (await client.get(PAGE, headers=HTML)).text
    assert "the provider refused the content" in html
    assert "&lt;b&gt;no&lt;/b&gt; trunks" in html
    assert f"at most {FRAME + CLIP} USD" in html
    assert "preview:storyboard, at most 0.03 USD" in html
    assert requests_kept(attic) == 0


async def test_what_was_paid_for_already_costs_a_retry_nothing(attic: House):
    paid(attic, "shot_002", "a" * 64, "0.003")
    failed(attic, "shot_002", "provider_failed")
    film, record = attic.ledger.films.read("attic"), attic.ledger.shots.read("attic", "shot_002")
    told = attention_for(attic.gateway, film, record)
    assert told is not None
    assert told.retry_usd == CLIP
    assert {maker.kind for maker in told.makers} == {Kind.VIDEO}


async def test_a_frame_of_ones_own_is_said_to_need_a_clip_made_from_it(attic: House):
    paid(attic, "shot_002", "a" * 64, "0.003")
    failed(attic, "shot_002", "provider_failed")
    film, record = attic.ledger.films.read("attic"), attic.ledger.shots.read("attic", "shot_002")
    told = attention_for(attic.gateway, film, record)
    assert told is not None
    assert told.replacing == {Kind.IMAGE: CLIP, Kind.VIDEO: 0}
    async with attic.client() as client:
        await sign_in(client, KEY)
        html = (await client.get(PAGE)).text
    assert f"frame: the rest is made for at most {CLIP} USD" in html
    assert "clip: free" in html


async def test_a_shot_that_stands_well_needs_nobody(attic: House):
    film, record = attic.ledger.films.read("attic"), attic.ledger.shots.read("attic", "shot_001")
    assert attention_for(attic.gateway, film, record) is None
    async with attic.client() as client:
        await sign_in(client, KEY)
        assert "Nothing needs you here" in (await client.get(PAGE)).text


async def test_guests_see_why_and_only_producers_may_choose(attic: House):
    failed(attic, "shot_002", "provider_failed")
    async with attic.client() as guest:
        await come_in(guest, attic.share(Given.DECIDE))
        html = (await guest.get(PAGE, headers=HTML)).text
        assert "failed to make it" in html
        assert "<form" not in html.partition('id="shot-shot_002"')[2]
        assert (await guest.post(f"{SHOT}/skip", data={})).status_code == 403
    async with attic.client() as reviewer:
        await sign_in(reviewer, attic.member("Ada", Role.REVIEWER))
        assert (await reviewer.post(f"{SHOT}/retry", data={})).status_code == 403


async def test_a_retry_makes_the_shot_again_and_comes_back_to_the_page(attic: House):
    failed(attic, "shot_002", "provider_failed")
    async with attic.client() as client:
        await sign_in(client, KEY)
        form = form_of((await client.get(PAGE)).text, f"{SHOT}/retry")
        answer = await choose(client, form, "retry")
        assert answer.status_code == 303
        assert answer.headers["location"] == f"{PAGE}?done=retry&shot=shot_002"
        assert (
            "shot_002 is being made again." in (await client.get(answer.headers["location"])).text
        )
    record = attic.ledger.shots.read("attic", "shot_002")
    assert (record.execution, record.attempt) == (Execution.QUEUED, 1)
    (entry,) = attic.ledger.gates.trail("attic")
    assert (entry.action, entry.who[:3]) == ("retry", "key")


async def test_a_second_press_of_the_same_button_makes_nothing_again(attic: House):
    failed(attic, "shot_002", "provider_failed")
    async with attic.client() as client:
        await sign_in(client, KEY)
        form = form_of((await client.get(PAGE)).text, f"{SHOT}/retry")
        assert (await choose(client, form, "retry")).status_code == 303
        failed(attic, "shot_002", "provider_failed")
        again = await choose(client, form, "retry")
    assert again.status_code == 409
    assert "something else became of shot_002" in again.text
    assert attic.ledger.shots.read("attic", "shot_002").attempt == 1


async def test_a_retry_that_became_dearer_than_the_page_said_is_refused(attic: House):
    failed(attic, "shot_002", "provider_failed")
    async with attic.client() as client:
        await sign_in(client, KEY)
        form = form_of((await client.get(PAGE)).text, f"{SHOT}/retry")
        answer = await choose(client, {**form, "usd": "0.01"}, "retry")
    assert answer.status_code == 409
    assert "more than the page said" in answer.text
    assert attic.desk.wishes == []


async def test_a_price_between_two_micro_dollars_is_told_rounded_up_as_it_is_reserved(
    attic: House, monkeypatch: pytest.MonkeyPatch
):
    provider, _ = attic.gateway.registry.model("fake:image-1", Kind.IMAGE)
    monkeypatch.setattr(type(provider), "quote", lambda *_: Decimal("0.0053122"))
    failed(attic, "shot_002", "provider_failed")
    async with attic.client() as client:
        await sign_in(client, KEY)
        html = (await client.get(PAGE)).text
        form = form_of(html, f"{SHOT}/retry")
        assert form["usd"] == "0.010626"
        assert (await choose(client, form, "retry")).status_code == 303


async def test_another_model_makes_the_shot_at_the_price_that_was_listed(attic: House):
    failed(attic, "shot_002", "content_refused")
    async with attic.client() as client:
        await sign_in(client, KEY)
        html = (await client.get(PAGE)).text
        form = form_of(html, f"{SHOT}/retry", 0)
        answer = await choose(client, {**form, "maker": "image preview:storyboard 0.03"}, "retry")
    assert answer.status_code == 303
    chosen = attic.ledger.shots.read("attic", "shot_002").direction.providers
    assert chosen.image == "preview:storyboard"


async def test_a_model_that_does_not_exist_is_named_with_the_remedy(attic: House):
    failed(attic, "shot_002", "content_refused")
    async with attic.client() as client:
        await sign_in(client, KEY)
        form = form_of((await client.get(PAGE)).text, f"{SHOT}/retry", 0)
        answer = await choose(client, {**form, "maker": "image fake:none 0.03"}, "retry")
    assert answer.status_code == 422
    assert "providers.image" in answer.text
    assert attic.desk.wishes == []


async def test_a_finding_is_shown_as_measured_and_the_take_can_be_accepted(attic: House):
    paid(attic, "shot_002", "a" * 64, "0.003")
    found_black(attic, "shot_002", "a" * 64)
    async with attic.client() as client:
        await sign_in(client, KEY)
        html = (await client.get(PAGE)).text
        assert "the frame is black" in html
        assert "1 s" in html
        assert "0.5 s" in html
        assert f"at most {FRAME + CLIP} USD" in html  # the frame is made anew, not found again
        answer = await choose(client, form_of(html, f"{SHOT}/accept"), "accept")
    assert answer.status_code == 303
    assert attic.ledger.shots.read("attic", "shot_002").direction.accepted == ("a" * 64,)


async def test_a_lost_answer_offers_three_ways_and_says_what_each_may_cost(attic: House):
    posting = lost(attic, "shot_002")
    async with attic.client() as client:
        await sign_in(client, KEY)
        html = (await client.get(PAGE)).text
        assert "it may be charged a second time: 0.003 USD more at most" in html
        assert "the 0.003 USD that are reserved for it count as spent" in html
        assert f'action="{SHOT}/retry"' in html  # by another model only
        assert "Make it again as it is asked for" not in html
        form = form_of(html, f"{SHOT}/resolve", 1)
        assert form["choice"] == "send_again"
        assert (await choose(client, form, "resolve")).status_code == 303
        key = posting.request_key
        assert attic.ledger.journal.read(key).state == "reserved"
        # It was lost once more: whoever still has the first page has not seen that.
        attic.ledger.journal.begin_submitting(key)
        attic.ledger.journal.doubt(key, "the line broke again")
        failed(attic, "shot_002", "create_ambiguous")
        stale = await choose(client, form, "resolve")
    assert stale.status_code == 409
    assert attic.ledger.journal.read(key).state == "unknown"


async def test_a_lost_request_that_a_shot_went_on_without_can_be_written_off(attic: House):
    lost(attic, "shot_002")
    attic.ledger.shots.set("attic", "shot_002", execution=Execution.RUNNING)
    async with attic.client() as client:
        await sign_in(client, KEY)
        html = (await client.get(PAGE)).text
        assert "a lost request was left behind" in html
        assert "send_again" not in html
        form = form_of(html, f"{SHOT}/resolve", 1)
        assert form["choice"] == "write_off"
        assert (await choose(client, form, "resolve")).status_code == 303
        assert "Nothing needs you here" in (await client.get(PAGE)).text
    assert attic.ledger.budget("attic").spent == FRAME


async def test_skipping_costs_nothing_and_leaves_the_shot_out(attic: House):
    failed(attic, "shot_002", "provider_failed")
    async with attic.client() as client:
        await sign_in(client, KEY)
        form = form_of((await client.get(PAGE)).text, f"{SHOT}/skip")
        assert (await choose(client, form, "skip")).status_code == 303
    assert attic.ledger.shots.read("attic", "shot_002").review == "omitted"


async def test_a_file_replaces_what_could_not_be_made(attic: House):
    failed(attic, "shot_002", "content_refused")
    picture = await attic.picture("A trunk under the rafters")
    data = (await attic.store.load(picture, 10_000_000)).data
    async with attic.client() as client:
        await sign_in(client, KEY)
        form = form_of((await client.get(PAGE)).text, f"{SHOT}/replace")
        fields = {**form, "kind": "image", "url": ""}
        bad = {"file": ("x.png", b"no picture", "image/png")}
        answer = await client.post(f"{SHOT}/replace", data=fields, files=bad, headers=HTML)
        assert answer.status_code == 422
        answer = await client.post(f"{SHOT}/replace", **without_file(fields))
        assert "Choose a file" in answer.text
        good = {"file": ("trunk.png", data, "image/png")}
        keyless = {**fields, "form_key": "x"}
        answer = await client.post(f"{SHOT}/replace", data=keyless, files=good, headers=HTML)
        assert answer.status_code == 403
        assert attic.desk.wishes == []
        answer = await client.post(f"{SHOT}/replace", data=fields, files=good, headers=HTML)
        assert answer.status_code == 303
    assert attic.ledger.shots.read("attic", "shot_002").direction.replaced == {Kind.IMAGE: picture}


async def test_a_shot_that_waits_for_budget_leads_to_the_budget(attic: House):
    parked(attic, "shot_002")
    async with attic.client() as client:
        await sign_in(client, KEY)
        html = (await client.get(PAGE)).text
    assert "it does not fit into the budget" in html
    assert 'href="/films/attic/budget"' in html
    assert "Make it again as it is asked for" not in html


async def test_a_film_that_cannot_be_delivered_can_be_tried_again(attic: House):
    attic.ledger.films.set("attic", Execution.NEEDS_ATTENTION, "undelivered", "the disk is full")
    async with attic.client() as client:
        await sign_in(client, KEY)
        html = (await client.get(PAGE)).text
        assert "the film is ready but could not be delivered" in html
        assert "the disk is full" in html
        form = form_of(html, "/films/attic/resume")
        answer = await choose(client, form, "resume", "/films/attic")
    assert answer.headers["location"] == f"{PAGE}?done=film"
    assert [type(wish).__name__ for wish in attic.desk.wishes] == ["TryAgain"]


async def test_trying_a_film_again_for_free_resumes_none_that_was_cancelled_meanwhile(
    attic: House,
):
    attic.ledger.films.set("attic", Execution.NEEDS_ATTENTION, "undelivered", "the disk is full")
    async with attic.client() as client:
        await sign_in(client, KEY)
        form = form_of((await client.get(PAGE)).text, "/films/attic/resume")
        attic.ledger.films.set("attic", Execution.CANCELLED)
        answer = await choose(client, form, "resume", "/films/attic")
    assert answer.status_code == 409
    assert "the film is cancelled by now" in answer.text
    assert attic.ledger.films.read("attic").execution is Execution.CANCELLED


async def test_a_film_is_let_out_only_as_it_was_seen(attic: House):
    attic.ledger.films.set("attic", Execution.NEEDS_ATTENTION, "quality", "it is black")
    async with attic.client() as client:
        await sign_in(client, KEY)
        form = {"form_key": field((await client.get("/new")).text, "form_key")}
        answer = await choose(client, form, "accept", "/films/attic")
    assert answer.status_code == 422
    assert attic.desk.wishes == []


async def test_modules_are_answered_in_json_and_told_problems(attic: House):
    failed(attic, "shot_002", "provider_failed")
    async with attic.client() as client:
        await sign_in(client, KEY)
        key = form_of((await client.get(PAGE)).text, f"{SHOT}/retry")["form_key"]
        headers = {"x-form-key": key, "accept": "application/json"}
        body = {"attempt": 7, "reason": "provider_failed"}
        answer = await client.post(f"{SHOT}/skip", json=body, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
        answer = await client.post(f"{SHOT}/skip", json={**body, "attempt": 0}, headers=headers)
        assert (answer.status_code, answer.json()["outcome"]) == (202, "accepted")


async def test_many_shots_are_shown_a_page_at_a_time(house: House):
    priced(house, 30)
    for number in range(1, 31):
        failed(house, f"shot_{number:03d}", "provider_unavailable")
    async with house.client() as client:
        await sign_in(client, KEY)
        first = (await client.get(PAGE)).text
        assert "30 shots need a person" in first
        assert "shot-shot_015" in first
        assert "shot-shot_016" not in first
        assert "shot-shot_030" in (await client.get(PAGE, params={"start": 15})).text


async def test_showing_prices_creates_no_paid_step(attic: House):
    for number, reason in enumerate(("content_refused", "quality", "budget_exceeded"), 1):
        failed(attic, f"shot_00{number}", reason)
    lost(attic, "shot_004")
    before = requests_kept(attic), attic.ledger.budget("attic")
    async with attic.client() as client:
        await sign_in(client, KEY)
        assert (await client.get(PAGE)).status_code == 200
    assert (requests_kept(attic), attic.ledger.budget("attic")) == before
    assert before[1].reserved == Decimal("0.003")


def test_a_sent_request_alone_needs_nobody(attic: House):
    sent(attic, "shot_001")
    film, record = attic.ledger.films.read("attic"), attic.ledger.shots.read("attic", "shot_001")
    assert attention_for(attic.gateway, film, record) is None
