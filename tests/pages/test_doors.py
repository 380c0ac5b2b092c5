"""Who is let in to the pages, by which door, and how long."""

import asyncio
from datetime import timedelta

import pytest

from filmforge.gateway.limits import MOST_GUESSES
from filmforge.gateway.pages.sessions import FILM_COOKIE, MEMBER_COOKIE
from filmforge.gateway.passphrases import hash_passphrase
from filmforge.ledger.shares import MOST_FAILURES
from filmforge.rights import Given, Role
from tests.pages.house import KEY, House, come_in, field, sign_in

THUMB = f"/films/attic/thumb/{'a' * 64}"


@pytest.fixture
def attic(house: House) -> House:
    house.shot_list(2)
    return house


def actions(house: House) -> list[tuple[str, str]]:
    return [(entry.action, entry.who) for entry in house.ledger.gates.trail("attic")]


async def test_who_is_not_known_is_sent_to_sign_in_and_learns_nothing_of_the_film(attic: House):
    async with attic.client() as client:
        for film in ("attic", "no-such-film"):
            path = f"/films/{film}/thumb/{'a' * 64}"
            answer = await client.get(path, headers={"accept": "text/html"})
            assert (answer.status_code, answer.headers["location"]) == (
                303,
                f"/sign-in?next=%2Ffilms%2F{film}%2Fthumb%2F{'a' * 64}",
            )
            assert (await client.get(path)).status_code == 401


async def test_a_key_of_the_house_signs_in_and_leads_to_where_one_wanted_to_go(attic: House):
    async with attic.client() as client:
        page = await client.get("/sign-in", params={"next": "/films/attic?start=3"})
        form = {name: field(page.text, name) for name in ("form_key", "next")}
        answer = await client.post("/sign-in", data={**form, "key": KEY})
        assert (answer.status_code, answer.headers["location"]) == (303, "/films/attic?start=3")
        cookie = answer.headers["set-cookie"].lower()
        assert "httponly" in cookie
        assert "samesite=lax" in cookie
        assert KEY not in cookie
        assert (await client.get(THUMB)).status_code == 404


@pytest.mark.parametrize(
    "address", ["//evil.test/", "https://evil.test/", "/\\evil.test", "/\t/evil.test", "//[", "x"]
)
async def test_signing_in_leads_nowhere_else(attic: House, address: str):
    async with attic.client() as client:
        page = await client.get("/sign-in", params={"next": address})
        assert field(page.text, "next") == ""
        form = {"key": KEY, "form_key": field(page.text, "form_key"), "next": address}
        assert (await client.post("/sign-in", data=form)).headers["location"] == "/films"


async def test_a_form_of_another_page_signs_nobody_in(attic: House):
    async with attic.client() as client:
        page = await client.get("/sign-in")
        form = {"key": KEY, "form_key": field(page.text, "form_key")}
        assert (await client.post("/sign-in", data={"key": KEY})).status_code == 403
        foreign = {"sec-fetch-site": "cross-site"}
        assert (await client.post("/sign-in", data=form, headers=foreign)).status_code == 403
    async with attic.client() as stranger:
        assert (await stranger.post("/sign-in", data=form)).status_code == 403


async def test_a_member_who_is_revoked_is_out_at_once(attic: House):
    async with attic.client() as client:
        await sign_in(client, attic.member("Ada", Role.VIEWER))
        assert (await client.get(THUMB)).status_code == 404
        (ada,) = attic.ledger.members.all()
        attic.ledger.members.revoke(ada.member_id, "test")
        assert (await client.get(THUMB)).status_code == 401


async def test_signing_out_ends_the_session_here(attic: House):
    async with attic.client() as client:
        await sign_in(client, KEY)
        page = await client.get("/sign-in")
        await client.post("/sign-out", data={"form_key": field(page.text, "form_key")})
        assert MEMBER_COOKIE not in client.cookies
        assert (await client.get(THUMB)).status_code == 401


async def test_a_guest_comes_in_by_a_link_to_that_film_alone(attic: House):
    attic.shot_list(1, "other")
    async with attic.client() as client:
        answer = await come_in(client, attic.share(Given.COMMENT), "Kim")
        assert answer.headers["location"] == "/films/attic"
        assert (await client.get(THUMB)).status_code == 404
        other = THUMB.replace("attic", "other")
        assert (await client.get(other)).status_code == 401
        stolen = {"cookie": f"{FILM_COOKIE}={client.cookies[FILM_COOKIE]}"}
    async with attic.client() as thief:
        assert (await thief.get(other, headers=stolen)).status_code == 401
    assert actions(attic)[-1] == ("share.opened", "Kim (link Acme)")


async def test_looking_at_a_link_opens_nothing_so_a_mail_scanner_uses_nothing_up(attic: House):
    address = attic.share(Given.DECIDE)
    async with attic.client() as scanner:
        for _ in range(3):
            assert (await scanner.get(address)).status_code == 200
        assert (await scanner.head(address)).status_code == 200
        assert (await scanner.get(THUMB)).status_code == 401
    assert [action for action, _ in actions(attic)] == ["share.created"]


async def test_a_revoked_link_ends_for_those_who_are_in(attic: House):
    address = attic.share(Given.SEE)
    async with attic.client() as client:
        await come_in(client, address)
        (share,) = attic.ledger.shares.of_film("attic")
        attic.ledger.shares.revoke("attic", share.share_id, "Ada")
        assert (await client.get(THUMB)).status_code == 401
        assert (await client.get(address)).status_code == 410
    assert actions(attic)[-1] == ("share.revoked", "Ada")


async def test_an_expired_link_lets_nobody_in(attic: House):
    async with attic.client() as client:
        address = attic.share(Given.SEE, lasts=timedelta(seconds=-1))
        assert (await client.get(address)).status_code == 410


async def test_a_passphrase_is_asked_for_and_guesses_close_the_link(attic: House):
    address = attic.share(Given.SEE, passphrase=hash_passphrase("rafters"))
    async with attic.client() as client:
        assert (await come_in(client, address, passphrase="trunk")).status_code == 403
        assert (await come_in(client, address, passphrase="rafters")).status_code == 303
        for _ in range(MOST_FAILURES):
            await come_in(client, address, passphrase="trunk")
        assert (await come_in(client, address, passphrase="rafters")).status_code == 429
    assert ("share.refused", "share link") in actions(attic)


async def test_many_guesses_at_once_are_no_more_than_those_one_after_another(attic: House):
    address = attic.share(Given.SEE, passphrase=hash_passphrase("rafters"))
    async with attic.client() as client:
        page = await client.get(address)
        form = {"name": "Kim", "passphrase": "trunk", "form_key": field(page.text, "form_key")}
        guesses = [client.post(address, data=form) for _ in range(2 * MOST_FAILURES)]
        codes = [answer.status_code for answer in await asyncio.gather(*guesses)]
    assert sorted(codes) == [403] * MOST_FAILURES + [429] * MOST_FAILURES


async def test_guesses_of_links_and_keys_are_slowed_down(attic: House):
    async with attic.client() as client:
        for _ in range(MOST_GUESSES):
            assert (await client.get("/s/forged")).status_code == 403
        answer = await client.get("/s/forged")
        assert answer.status_code == 429
        assert int(answer.headers["retry-after"]) > 0
        wrong = {"authorization": "Bearer wrong"}
        assert (await client.get("/v1/films", headers=wrong)).status_code == 429


@pytest.mark.parametrize(
    ("role", "reads", "spends"),
    [(Role.VIEWER, 200, 403), (Role.REVIEWER, 200, 403), (Role.PRODUCER, 200, 422)],
)
async def test_the_api_lets_members_do_what_their_role_says(
    attic: House, role: Role, reads: int, spends: int
):
    key = {"authorization": f"Bearer {attic.member('Ada', role)}"}
    async with attic.client() as client:
        assert (await client.get("/v1/films", headers=key)).status_code == reads
        body = {"limit_usd": "a lot"}
        answer = await client.post("/v1/films/attic/budget", headers=key, json=body)
        assert answer.status_code == spends


async def test_only_those_who_may_decide_are_told_the_links_that_decide(attic: House):
    await attic.waiting("An attic")
    async with attic.client() as client:
        for role, told in ((Role.VIEWER, 0), (Role.REVIEWER, 1)):
            key = {"authorization": f"Bearer {attic.member(role, role)}"}
            film = (await client.get("/v1/films/attic", headers=key)).json()
            assert len(film["gates"]) == told


async def test_a_guest_who_decides_gets_no_link_that_outlives_their_own(attic: House):
    await attic.waiting("An attic")
    async with attic.client() as client, attic.client() as guest:
        await sign_in(client, KEY)
        await come_in(guest, attic.share(Given.DECIDE))
        assert "/review/" in (await client.get("/films/attic")).text
        for page in ("/films/attic", "/films/attic/cards", "/films/attic/shots/shot_001"):
            text = (await guest.get(page)).text
            assert "/shots/shot_001" in text
            assert "/review/" not in text
