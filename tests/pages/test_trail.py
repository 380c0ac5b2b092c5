"""The audit trail: who decided what on which take, by which link, and its files."""

import csv
import io

import pytest

from filmforge.domain import Kind
from filmforge.rights import Given, Role
from tests.pages.house import KEY, House, come_in, sign_in

PAGE = "/films/attic/trail"
ADMIN = {"authorization": f"Bearer {KEY}"}


@pytest.fixture
async def attic(house: House) -> House:
    house.shot_list(3)
    gate = await house.waiting("A woman opens a trunk")
    house.ledger.gates.decide(
        "attic", "shot_001", gate.digest, "rejected", "Ada", "=Warmer, please", "link-1"
    )
    house.ledger.gates.note("attic", "shot_002", "Kim (link Acme)", "skip", link="link-2")
    return house


async def test_the_trail_tells_who_decided_what_on_which_take(attic: House):
    (take,) = attic.ledger.takes.of_shot("attic", "shot_001")
    async with attic.client() as client:
        await sign_in(client, KEY)
        page = (await client.get(PAGE)).text
    for words in ("<bdi>Ada</bdi></strong> rejected · shot_001", "· take 1", "=Warmer, please"):
        assert words in page
    assert f'src="/films/attic/thumb/{take.digest}"' in page
    assert page.index("left the shot out") < page.index("rejected · shot_001")
    assert "link link-2" in page


async def test_uses_of_a_link_stand_in_the_trail_under_its_name(attic: House):
    async with attic.client() as guest, attic.client() as client:
        await come_in(guest, attic.share(Given.DECIDE), "Kim")
        await sign_in(client, KEY)
        page = (await client.get(PAGE)).text
    assert "came in by a link" in page
    assert "by <bdi>link Acme</bdi>" in page


@pytest.mark.parametrize(
    ("query", "there", "missing"),
    [
        ({"person": "Ada"}, "rejected · shot_001", "left the shot out"),
        ({"action": "skip"}, "left the shot out", "rejected · shot_001"),
        ({"shot": "shot_002"}, "left the shot out", "rejected · shot_001"),
        ({"person": "Nobody"}, "Nothing fits.", "left the shot out"),
    ],
)
async def test_the_trail_is_filtered(attic: House, query: dict[str, str], there: str, missing: str):
    async with attic.client() as client:
        await sign_in(client, KEY)
        page = (await client.get(PAGE, params=query)).text
    assert there in page
    assert missing not in page


async def test_a_long_trail_is_read_in_pages(attic: House):
    for number in range(60):
        attic.ledger.gates.note("attic", None, "Ada", "budget", limit_usd=f"{number}.00")
    async with attic.client() as client:
        await sign_in(client, KEY)
        page = (await client.get(PAGE, params={"action": "budget"})).text
        assert "limit usd: <bdi>59.00</bdi>" in page
        assert "<bdi>9.00</bdi>" not in page
        link = page.partition('href="/films/attic/trail?action=budget&amp;before=')[2]
        before = link.partition('"')[0]
        page = (await client.get(PAGE, params={"action": "budget", "before": before})).text
        assert "<bdi>9.00</bdi>" in page
        assert "<bdi>10.00</bdi>" not in page
        assert "before=" not in page


async def test_the_trail_is_exported_as_json_and_as_csv_that_computes_nothing(attic: House):
    async with attic.client() as client:
        await sign_in(client, KEY)
        answer = await client.get(f"{PAGE}.csv", params={"person": "Ada"})
        assert "attachment" in answer.headers["content-disposition"]
        (row,) = csv.DictReader(io.StringIO(answer.text, newline=""))
        told = (await client.get(f"{PAGE}.json")).json()
    assert (row["who"], row["action"], row["note"]) == ("Ada", "frame.rejected", "'=Warmer, please")
    assert [entry["who"] for entry in told["entries"]] == ["Ada", "Kim (link Acme)"]


async def test_the_api_tells_the_trail_as_csv_by_accept_or_by_format(attic: House):
    path = "/v1/films/attic/audit"
    async with attic.client() as client:
        plain = await client.get(path, headers=ADMIN)
        assert len(plain.json()["entries"]) == 2
        by_accept = await client.get(path, headers={**ADMIN, "accept": "text/csv"})
        by_format = await client.get(path, params={"format": "csv"}, headers=ADMIN)
        some = await client.get(path, params={"shot": "shot_002"}, headers=ADMIN)
    assert by_accept.text == by_format.text
    assert by_accept.text.startswith("at,film_id,shot_id,who,action,take,digest,note,link")
    assert len(some.json()["entries"]) == 1


async def test_the_trail_is_for_producers(attic: House):
    async with attic.client() as client:
        await sign_in(client, attic.member("Kim", Role.REVIEWER))
        for path in (PAGE, f"{PAGE}.csv", f"{PAGE}.json"):
            assert (await client.get(path)).status_code == 403


async def test_sounds_have_no_picture_in_the_trail(attic: House):
    digest = await attic.picture("not seen")
    await attic.take(digest, kind=Kind.AUDIO)
    attic.ledger.gates.note("attic", "shot_001", "Ada", "skip", digest=digest)
    async with attic.client() as client:
        await sign_in(client, KEY)
        assert digest not in (await client.get(PAGE)).text
