"""Share links as producers make, show, count and revoke them, on the page and by the API."""

from datetime import timedelta
from urllib.parse import unquote

import httpx
import pytest

from filmforge.gateway.shares import LONGEST_S
from filmforge.rights import Given, Role
from tests.pages.house import KEY, House, come_in, field, sign_in

PAGE, API = "/films/attic/shares", "/v1/films/attic/shares"
ADMIN = {"authorization": f"Bearer {KEY}"}


@pytest.fixture
def attic(house: House) -> House:
    house.shot_list(1)
    return house


async def made(client: httpx.AsyncClient, **fields: str) -> httpx.Response:
    """Make a link as the page does; the page that shows it."""
    page = await client.get(PAGE)
    form = {"name": "Acme", "gives": "decide", "lasts_s": "604800", "passphrase": "", **fields}
    answer = await client.post(PAGE, data={**form, "form_key": field(page.text, "form_key")})
    if answer.status_code == 303:
        return await client.get(answer.headers["location"])
    return answer


def address(page: httpx.Response) -> str:
    return page.text.partition('readonly value="')[2].partition('"')[0]


async def test_a_link_made_on_the_page_lets_a_guest_decide(attic: House):
    async with attic.client() as producer, attic.client() as guest:
        await sign_in(producer, attic.member("Ada", Role.PRODUCER))
        page = await made(producer)
        assert (await come_in(guest, address(page))).status_code == 303
        page = await producer.get(PAGE)
        assert "1 time," in page.text
        assert address(page) == ""
    (share,) = attic.ledger.shares.of_film("attic")
    assert (share.gives, share.created_by, share.opened) == (Given.DECIDE, "Ada", 1)


async def test_the_address_is_signed_once_more_on_demand_with_a_letter_to_mail(attic: House):
    async with attic.client() as client:
        await sign_in(client, KEY)
        first = address(await made(client, passphrase="rafters"))
        (share,) = attic.ledger.shares.of_film("attic")
        page = await client.get(PAGE, params={"show": share.share_id})
        assert address(page) == first
        mail = unquote(page.text.partition('href="mailto:?')[2].partition('"')[0])
        assert first in mail
        assert "\r\n" in mail
        assert "rafters" not in page.text


async def test_a_passphrase_chosen_on_the_page_is_asked_for_and_kept_as_a_hash(attic: House):
    async with attic.client() as client, attic.client() as guest:
        await sign_in(client, KEY)
        link = address(await made(client, passphrase="rafters"))
        assert (await come_in(guest, link, passphrase="trunks")).status_code == 403
        assert (await come_in(guest, link, passphrase="rafters")).status_code == 303
    (share,) = attic.ledger.shares.of_film("attic")
    assert "rafters" not in str(share.passphrase)


async def test_a_revoked_link_is_over_and_its_address_is_shown_no_more(attic: House):
    async with attic.client() as client, attic.client() as guest:
        await sign_in(client, KEY)
        page = await made(client)
        await come_in(guest, address(page))
        (share,) = attic.ledger.shares.of_film("attic")
        form = {"form_key": field(page.text, "form_key")}
        answer = await client.post(f"{PAGE}/{share.share_id}/revoke", data=form)
        assert (answer.status_code, answer.headers["location"]) == (303, PAGE)
        again = await client.get(PAGE, params={"show": share.share_id})
        assert "It is revoked" in again.text
        assert address(again) == ""
        assert (await guest.get(address(page))).status_code == 410


async def test_what_is_wrong_with_a_link_is_said_on_the_page(attic: House):
    async with attic.client() as client:
        await sign_in(client, KEY)
        for fields, words in (
            ({"name": ""}, "name has 0 characters"),
            ({"passphrase": "abc"}, "at least 6 "),
            ({"gives": "produce"}, "gives is not one of the words"),
            ({"lasts_s": str(LONGEST_S + 1)}, "lasts_s"),
        ):
            answer = await made(client, **fields)
            assert answer.status_code == 422
            assert words in answer.text
    assert attic.ledger.shares.of_film("attic") == []


@pytest.mark.parametrize("role", [Role.VIEWER, Role.REVIEWER])
async def test_whoever_may_not_produce_sees_no_links(attic: House, role: Role):
    attic.share(Given.DECIDE)
    key = attic.member("Kim", role)
    async with attic.client() as client:
        await sign_in(client, key)
        assert (await client.get(PAGE)).status_code == 403
        caller = {"authorization": f"Bearer {key}"}
        assert (await client.get(API, headers=caller)).status_code == 403
        assert (await client.post(API, headers=caller, json={"name": "x"})).status_code == 403


async def test_a_link_of_another_film_is_not_shown_nor_revoked(attic: House):
    attic.shot_list(1, "other")
    attic.share(Given.SEE, "other")
    (share,) = attic.ledger.shares.of_film("other")
    async with attic.client() as client:
        path = f"{API}/{share.share_id}"
        assert (await client.get(path, headers=ADMIN)).status_code == 404
        assert (await client.delete(path, headers=ADMIN)).status_code == 404
        await sign_in(client, KEY)
        assert (await client.get(PAGE, params={"show": share.share_id})).status_code == 404
    assert attic.ledger.shares.read(share.share_id).revoked_at is None


async def test_the_api_makes_lists_and_revokes_links(attic: House):
    async with attic.client() as client, attic.client() as guest:
        wish = {"name": "Acme", "gives": "comment", "lasts_s": 3600, "passphrase": "rafters"}
        answer = await client.post(API, headers=ADMIN, json=wish)
        link = answer.json()
        assert (answer.status_code, link["state"], link["has_passphrase"]) == (201, "open", True)
        assert (await come_in(guest, link["url"], passphrase="rafters")).status_code == 303
        (listed,) = (await client.get(API, headers=ADMIN)).json()["shares"]
        assert (listed["opened"], listed["url"]) == (1, None)
        path = f"{API}/{link['share_id']}"
        assert (await client.get(path, headers=ADMIN)).json()["url"] == link["url"]
        gone = (await client.delete(path, headers=ADMIN)).json()
        assert (gone["state"], gone["url"]) == ("revoked", None)
        assert (await client.get(path, headers=ADMIN)).json()["url"] is None


async def test_a_link_tells_when_it_is_expired(attic: House):
    attic.share(Given.SEE, lasts=timedelta(seconds=-1))
    async with attic.client() as client:
        (listed,) = (await client.get(API, headers=ADMIN)).json()["shares"]
    assert listed["state"] == "expired"
