"""The team: administrators let people in, change what they may do, and let them in no more."""

import html
import re

import pytest

from filmforge.rights import Role
from tests.pages.house import KEY, House, field, sign_in

ADMIN = {"authorization": f"Bearer {KEY}"}
_SHOWN = re.compile(r'<input id="key" readonly value="([^"]+)"')


async def test_a_key_is_shown_once_and_opens_the_house(house: House):
    async with house.client() as admin, house.client() as ada:
        await sign_in(admin, KEY)
        page = await admin.get("/team")
        form = {"form_key": field(page.text, "form_key"), "name": "Ada", "role": "producer"}
        answer = await admin.post("/team", data=form)
        (key,) = _SHOWN.findall(answer.text)
        page = await admin.get("/team")
        assert key not in page.text
        assert "Ada" in page.text
        assert (await sign_in(ada, html.unescape(key))).status_code == 303
    (member,) = house.ledger.members.all()
    assert member.role is Role.PRODUCER


async def test_a_name_that_is_taken_makes_no_second_key(house: House):
    house.member("Ada", Role.VIEWER)
    async with house.client() as client:
        await sign_in(client, KEY)
        form = {"form_key": field((await client.get("/team")).text, "form_key"), "name": "Ada"}
        answer = await client.post("/team", data=form)
        assert answer.status_code == 422
        assert "Ada is a member already" in answer.text
        assert not _SHOWN.search(answer.text)


async def test_roles_are_changed_and_keys_revoked_with_who_did_it(house: House):
    key = house.member("Ada", Role.VIEWER)
    (ada,) = house.ledger.members.all()
    async with house.client() as client:
        await sign_in(client, house.member("Root", Role.ADMIN))
        form = {"form_key": field((await client.get("/team")).text, "form_key")}
        path = f"/team/{ada.member_id}"
        await client.post(f"{path}/role", data={**form, "role": "reviewer"})
        assert house.ledger.members.read(ada.member_id).role is Role.REVIEWER
        assert (await client.post(f"{path}/revoke", data=form)).status_code == 303
        assert (await client.post(f"{path}/revoke", data=form)).status_code == 404
        caller = {"authorization": f"Bearer {key}"}
        assert (await client.get("/v1/films", headers=caller)).status_code == 401
        page = (await client.get("/team")).text
        assert "revoked the key of <bdi>Ada</bdi>" in page
    last = house.ledger.members.changes()[-2:]
    assert [(c.who, c.action) for c in last] == [("Root", "role"), ("Root", "revoked")]


@pytest.mark.parametrize("role", [Role.VIEWER, Role.REVIEWER, Role.PRODUCER])
async def test_the_team_is_for_administrators(house: House, role: Role):
    key = house.member("Kim", role)
    caller = {"authorization": f"Bearer {key}"}
    async with house.client() as client:
        await sign_in(client, key)
        assert (await client.get("/team")).status_code == 403
        wish = {"name": "Eve", "role": "admin"}
        assert (await client.post("/v1/members", headers=caller, json=wish)).status_code == 403
        assert (await client.get("/v1/members", headers=caller)).status_code == 403
        cap = {"limit_usd": "1000.00"}
        answer = await client.put("/v1/caps/month", headers=caller, json=cap)
        assert answer.status_code == 403
        assert (await client.delete("/v1/caps/month", headers=caller)).status_code == 403


async def test_the_api_lets_in_changes_and_revokes(house: House):
    async with house.client() as client:
        wish = {"name": "Ada", "role": "producer"}
        answer = await client.post("/v1/members", headers=ADMIN, json=wish)
        added = answer.json()
        assert answer.status_code == 201
        caller = {"authorization": f"Bearer {added['key']}"}
        path = f"/v1/members/{added['member']['member_id']}"
        assert (await client.get("/v1/films", headers=caller)).status_code == 200
        told = await client.patch(path, headers=ADMIN, json={"role": "viewer"})
        assert told.json()["role"] == "viewer"
        assert (await client.delete(path, headers=ADMIN)).json()["revoked_at"]
        assert (await client.get("/v1/films", headers=caller)).status_code == 401
        listed = (await client.get("/v1/members", headers=ADMIN)).json()
        assert [change["action"] for change in listed["changes"]] == ["added", "role", "revoked"]
        assert added["key"] not in str(listed)
