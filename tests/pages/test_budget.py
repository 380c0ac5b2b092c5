"""The budget of a film: what another limit and cancelling lead to is seen before it is done."""

from decimal import Decimal

import httpx
import pytest

from filmforge.domain import Execution
from filmforge.gateway.consequences import consequences, standing
from filmforge.rights import Role
from tests.pages.house import KEY, House, field, sign_in
from tests.pages.till import CLIP, FRAME, paid, parked, priced, sent

HTML = {"accept": "text/html"}
PAGE = "/films/attic/budget"
CANCEL = "/films/attic/cancel"


@pytest.fixture
def attic(house: House) -> House:
    priced(house, 4, budget_usd="0.05")
    return house


def confirming(html: str) -> dict[str, str]:
    """The fields of the form that confirms a limit."""
    form = html.partition('class="confirm"')[2]
    names = ("form_key", "limit_usd", "seen_limit_usd", "seen")
    return {name: field(form, name) for name in names}


async def preview(client: httpx.AsyncClient, usd: str) -> httpx.Response:
    return await client.get(PAGE, params={"limit_usd": usd}, headers=HTML)


async def test_a_limit_is_previewed_with_who_goes_on_and_when_it_is_reached(attic: House):
    parked(attic, "shot_001", "shot_002", "shot_003")
    attic.ledger.set_budget("attic", Decimal(0), "Ada")
    async with attic.client() as client:
        await sign_in(client, KEY)
        html = (await preview(client, "0.007")).text
        assert "2 shots go on at once" in html
        assert "1 shot stays parked" in html
        assert "reached at shot_001" in html
        html = (await preview(client, "1")).text
        assert "3 shots go on at once" in html
        assert "not be reached" in html
    assert attic.ledger.budget("attic").limit == 0
    assert [entry.action for entry in attic.ledger.gates.trail("attic")] == ["budget"]


async def test_the_limit_under_which_all_fits_lets_everything_go_on(attic: House):
    parked(attic, "shot_001", "shot_002", "shot_003", "shot_004")
    stands = standing(attic.gateway, attic.ledger.films.read("attic"))
    assert stands.to_finish is not None
    enough = consequences(stands, stands.to_finish)
    assert (enough.stays, enough.reached_at) == ([], None)
    less = consequences(stands, stands.to_finish - Decimal("0.01"))
    assert less.reached_at == "shot_004"


async def test_confirming_sets_the_limit_that_was_seen(attic: House):
    async with attic.client() as client:
        await sign_in(client, attic.member("Ada", Role.PRODUCER))
        form = confirming((await preview(client, "2.50")).text)
        answer = await client.post(PAGE, data=form, headers=HTML)
        assert (answer.status_code, answer.headers["location"]) == (303, f"{PAGE}?done=limit")
        assert "The limit is set" in (await client.get(answer.headers["location"])).text
    assert attic.ledger.budget("attic").limit == Decimal("2.50")
    (entry,) = attic.ledger.gates.trail("attic")
    assert (entry.who, entry.detail) == ("Ada", {"limit_usd": "2.50"})


async def test_what_changed_meanwhile_is_shown_afresh_and_not_confirmed(attic: House):
    parked(attic, "shot_001")
    async with attic.client() as client:
        await sign_in(client, KEY)
        form = confirming((await preview(client, "2.50")).text)
        parked(attic, "shot_002")
        answer = await client.post(PAGE, data=form, headers=HTML)
        assert answer.status_code == 409
        assert "2 shots go on at once" in answer.text
        assert attic.ledger.budget("attic").limit == Decimal("0.05")
        fresh = confirming(answer.text)
        assert (await client.post(PAGE, data=fresh, headers=HTML)).status_code == 303
    assert attic.ledger.budget("attic").limit == Decimal("2.50")


async def test_of_two_who_set_the_limit_at_once_the_second_sees_the_first(attic: House):
    async with attic.client() as client:
        await sign_in(client, KEY)
        form = confirming((await preview(client, "2.50")).text)
        attic.ledger.set_budget("attic", Decimal(1), "Kim")
        answer = await client.post(PAGE, data=form, headers=HTML)
    assert answer.status_code == 409
    assert "1.00 → 2.50 USD" in answer.text


async def test_the_ledger_itself_takes_a_limit_only_over_the_one_that_was_seen(attic: House):
    attic.ledger.set_budget("attic", Decimal(1), "Ada", seen=Decimal("0.05"))
    with pytest.raises(Exception, match=r"the limit is 1\.00 USD by now"):
        attic.ledger.set_budget("attic", Decimal(2), "Kim", seen=Decimal("0.05"))
    assert attic.ledger.budget("attic").limit == 1


async def test_lowering_says_what_is_committed_beyond_the_limit(attic: House):
    paid(attic, "shot_001", "a" * 64, "0.003")
    sent(attic, "shot_002")
    async with attic.client() as client:
        await sign_in(client, KEY)
        html = (await preview(client, "0.004")).text
    assert "0.002 USD are committed beyond it" in html


async def test_a_cap_that_keeps_shots_back_is_named(house: House):
    priced(house, 2, project="noir")
    parked(house, "shot_001", "shot_002")
    house.ledger.set_cap("project:noir", Decimal("0.004"), False, "Ada")
    async with house.client() as client:
        await sign_in(client, KEY)
        html = (await preview(client, "5")).text
    assert "1 shot goes on at once" in html
    assert "The cap project:noir keeps some of them back" in html


@pytest.mark.parametrize("usd", ["a lot", "-1", "NaN", "0.0000001", "1e9"])
async def test_what_is_no_amount_is_said_with_the_remedy(attic: House, usd: str):
    async with attic.client() as client:
        await sign_in(client, KEY)
        answer = await preview(client, usd)
    assert answer.status_code == 422
    assert "Write an amount of US dollars" in answer.text


async def test_reviewers_see_no_money(attic: House):
    async with attic.client() as client:
        await sign_in(client, attic.member("Ada", Role.REVIEWER))
        for path in (PAGE, CANCEL, "/films/attic/costs"):
            assert (await client.get(path)).status_code == 403
            assert (await client.post(path, data={})).status_code in (403, 405)


async def test_cancelling_shows_first_what_is_under_way_and_what_is_kept(attic: House):
    paid(attic, "shot_001", "a" * 64, "0.003")
    sent(attic, "shot_002")
    async with attic.client() as client:
        await sign_in(client, KEY)
        html = (await client.get(CANCEL, headers=HTML)).text
        assert "The provider is asked to stop it" in html
        assert f"up to {FRAME} USD" in html
        assert "1<small>takes, for 0.003 USD" in html
        assert attic.ledger.films.read("attic").execution is Execution.RUNNING
        form = {"form_key": field(html.partition('class="confirm"')[2], "form_key")}
        answer = await client.post(CANCEL, data=form, headers=HTML)
        assert answer.headers["location"] == f"{PAGE}?done=cancel"
    assert attic.ledger.films.read("attic").execution is Execution.CANCELLING
    assert [entry.action for entry in attic.ledger.gates.trail("attic")] == ["cancel"]


async def test_a_preview_prices_and_pays_for_nothing(attic: House):
    before = attic.ledger.budget("attic")
    async with attic.client() as client:
        await sign_in(client, KEY)
        assert (await preview(client, "3")).status_code == 200
    assert attic.ledger.budget("attic") == before
    assert attic.ledger.journal.in_flight("attic") == []
    assert attic.desk.wishes == []


async def test_what_is_still_to_be_made_counts_at_its_highest_price(attic: House):
    paid(attic, "shot_002", "a" * 64, "0.003")
    stands = standing(attic.gateway, attic.ledger.films.read("attic"))
    assert stands.rest is not None
    lines = {shot.shot_id: shot.estimate_usd for shot in stands.rest.shots}
    assert lines["shot_002"] == CLIP
    assert lines["shot_004"] == FRAME + CLIP
