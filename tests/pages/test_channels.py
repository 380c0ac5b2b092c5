"""The pages of channels and their API: who is told, tried, removed, and what is never shown."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr
from sqlalchemy import select

from filmforge.ledger.channels import TOPICS, ChannelKind
from filmforge.ledger.events import record_event
from filmforge.ledger.people_tables import channels
from filmforge.rights import Given, Role
from tests.gateway.receivers import SLACK_PATH, Chat, MailServer
from tests.pages.house import KEY, House, come_in, field, sign_in

PAGE = "/films/attic/channels"
SECRETS = ("opensesame", "/services/", "T00000000")


@pytest.fixture
def slack() -> Iterator[Chat]:
    made = Chat(SLACK_PATH)
    yield made
    made.close()


@pytest.fixture
def attic(house: House) -> House:
    house.shot_list(2)
    return house


def wish(address: str, *events: str, kind: str = "slack", **more: str) -> dict[str, str]:
    """The form as a browser sends it."""
    boxes = {f"wants:{event}": "on" for event in events or ("film.done",)}
    empty = {"batch_s": "", "signed_link": ""}
    return {"kind": kind, "address": address, "name": "Ada", **empty, **boxes, **more}


async def send(
    client: httpx.AsyncClient, path: str, form: dict[str, str], page: str = PAGE
) -> httpx.Response:
    """Send a form of a page."""
    key = field((await client.get(page)).text, "form_key")
    return await client.post(path, data={**form, "form_key": key})


def kept(house: House) -> list[Any]:
    with house.ledger.db.read() as tx:
        return list(tx.execute(select(channels).order_by(channels.c.created_at)))


async def test_a_channel_is_added_tried_and_removed(attic: House, slack: Chat):
    async with attic.client() as client:
        await sign_in(client, attic.member("Ada", Role.PRODUCER))
        answer = await send(client, PAGE, wish(slack.url, "film.done", "frame.waiting"))
        assert (answer.status_code, answer.headers["location"]) == (303, PAGE)
        (row,) = kept(attic)
        assert (row.film_id, row.kind, row.batch_s, row.signed_link, row.created_by) == (
            "attic", "slack", 30, False, "Ada",
        )  # fmt: skip
        assert set(row.events) == {"film.done", "frame.waiting"}
        page = await send(client, f"{PAGE}/{row.channel_id}/test", {})
        assert "The test message was taken." in page.text
        assert "test message for Ada" in slack.got[0]["blocks"][1]["text"]["text"]
        answer = await send(client, f"{PAGE}/{row.channel_id}/revoke", {})
        assert answer.status_code == 303
        assert attic.ledger.channels.all() == []
        assert "Nobody is told of anything yet." in (await client.get(PAGE)).text


async def test_the_address_is_never_shown_again(attic: House, slack: Chat):
    async with attic.client() as client:
        await sign_in(client, KEY)
        await send(client, PAGE, wish(slack.url))
        (row,) = kept(attic)
        slack.answers = [(404, {})]
        tried = await send(client, f"{PAGE}/{row.channel_id}/test", {})
        key = {"authorization": f"Bearer {KEY}"}
        shown = [
            tried.text,
            (await client.get(PAGE)).text,
            (await client.get("/v1/channels", headers=key)).text,
            (await client.get("/films/attic/trail")).text,
        ]
    for text in shown:
        assert not [secret for secret in SECRETS if secret in text]
    assert "the address is gone there" in shown[1]
    assert re.search(r"print [0-9a-f]{8}", shown[1])


@pytest.mark.parametrize("role", [Role.VIEWER, Role.REVIEWER])
async def test_only_producers_see_and_change_who_is_told(attic: House, slack: Chat, role: Role):
    key = attic.member("Kim", role)
    async with attic.client() as client:
        await sign_in(client, key)
        for path in (PAGE, "/channels"):
            assert (await client.get(path)).status_code == 403
            assert (await client.post(path, data=wish(slack.url))).status_code == 403
        header = {"authorization": f"Bearer {key}"}
        assert (await client.get("/v1/channels", headers=header)).status_code == 403
    async with attic.client() as guest:
        await come_in(guest, attic.share(Given.DECIDE))
        assert (await guest.get(PAGE)).status_code == 403
        assert (await guest.get("/channels")).status_code == 401
    assert kept(attic) == []


async def test_a_form_of_another_site_adds_nothing(attic: House, slack: Chat):
    async with attic.client() as client:
        await sign_in(client, KEY)
        assert (await client.post(PAGE, data=wish(slack.url))).status_code == 403
        foreign = {"sec-fetch-site": "cross-site"}
        key = field((await client.get(PAGE)).text, "form_key")
        form = {**wish(slack.url), "form_key": key}
        assert (await client.post(PAGE, data=form, headers=foreign)).status_code == 403
    assert kept(attic) == []


@pytest.mark.parametrize(
    ("form", "words"),
    [
        (wish("not an address"), "address"),
        (wish("ftp://hooks.example/x"), "address"),
        (wish("https://hooks.example/x", name="Ada\r\nBcc: eve@x.test"), "more than one line"),
        (wish("https://hooks.example/x", kind="pigeon"), "kind"),
        (wish("https://hooks.example/x", batch_s="a while"), "batch_s"),
        (wish("https://hooks.example/x", "film.nonesuch"), "film.nonesuch"),
        ({"kind": "slack", "name": "Ada", "address": "https://x.example"}, "events"),
        (wish("ada@x.test", kind="email"), "FILMFORGE_SMTP_URL"),
    ],
)
async def test_what_cannot_be_used_is_said_by_name(attic: House, form: dict[str, str], words: str):
    async with attic.client() as client:
        await sign_in(client, KEY)
        answer = await send(client, PAGE, form)
    assert answer.status_code == 422
    assert words in answer.text
    assert kept(attic) == []


async def test_a_private_address_is_refused_where_it_is_not_allowed(
    attic: House, slack: Chat, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(attic.settings, "allow_private_urls", False)
    async with attic.client() as client:
        await sign_in(client, KEY)
        answer = await send(client, PAGE, wish(slack.url.replace("http:", "https:")))
    assert answer.status_code == 422
    assert "private" in answer.text
    assert kept(attic) == []


async def test_the_secret_of_a_webhook_is_shown_once(attic: House, slack: Chat):
    async with attic.client() as client:
        await sign_in(client, KEY)
        page = await send(client, PAGE, wish(slack.url, kind="webhook"))
        (secret,) = set(re.findall(r"whsec_[A-Za-z0-9+/=]+", page.text))
        assert kept(attic)[0].secret == secret
        assert "whsec_" not in (await client.get(PAGE)).text


async def test_channels_of_every_film_have_a_page_of_their_own(attic: House, slack: Chat):
    async with attic.client() as client:
        await sign_in(client, attic.member("Ada", Role.PRODUCER))
        await send(client, "/channels", wish(slack.url, name="Everybody"), "/channels")
        await send(client, PAGE, wish(slack.url, name="Attic alone"))
        every, alone = kept(attic)
        assert (every.film_id, alone.film_id) == (None, "attic")
        of_all = (await client.get("/channels")).text
        of_film = (await client.get(PAGE)).text
        assert "Everybody" in of_all
        assert "Attic alone" not in of_all
        assert "Everybody" in of_film
        # That of every film is not removed by the page of one.
        for path in (f"{PAGE}/{every.channel_id}/revoke", f"/channels/{alone.channel_id}/revoke"):
            page = PAGE if path.startswith(PAGE) else "/channels"
            assert (await send(client, path, {}, page)).status_code == 404
    assert len(attic.ledger.channels.all()) == 2


async def test_who_removed_a_channel_of_every_film_stays_to_be_seen(attic: House, slack: Chat):
    async with attic.client() as client:
        await sign_in(client, attic.member("Kim", Role.PRODUCER))
        await send(client, "/channels", wish(slack.url, name="Everybody"), "/channels")
        (row,) = kept(attic)
        assert "Told no longer" not in (await client.get("/channels")).text
        await send(client, f"/channels/{row.channel_id}/revoke", {}, "/channels")
        text = (await client.get("/channels")).text
        assert "<bdi>Kim</bdi> removed <bdi>Everybody</bdi>" in text
        assert "opensesame" not in text
        assert "Told no longer" not in (await client.get(PAGE)).text


async def test_the_page_says_what_went_out_and_what_failed(attic: House, slack: Chat):
    ledger = attic.ledger
    ledger.channels.add(
        ChannelKind.SLACK, "<b>Ada</b>", slack.url, "test", wants=TOPICS, batch_s=0, film_id="attic"
    )
    for type_ in ("film.done", "film.cancelled"):
        with ledger.db.write() as tx:
            record_event(tx, "attic", type_)
        ledger.channels.look()
        (batch,) = ledger.notices.claim(60, 1)
        if type_ == "film.done":
            ledger.notices.sent(batch)
        else:
            ledger.notices.unsent(batch, "answered HTTP 500", 60)
    async with attic.client() as client:
        await sign_in(client, KEY)
        text = (await client.get(PAGE)).text
    assert "<b>Ada" not in text
    sent = text.partition('id="lately"')[2]
    assert "answered HTTP 500</span>, tried 1 time, again" in sent
    assert re.search(r"the film is finished → <bdi>&lt;b&gt;Ada&lt;/b&gt;</bdi>:\s*told ", sent)


async def test_links_that_work_on_this_machine_only_are_warned_of(
    attic: House, monkeypatch: pytest.MonkeyPatch
):
    async with attic.client() as client:
        await sign_in(client, KEY)
        assert "FILMFORGE_PUBLIC_URL" in (await client.get(PAGE)).text
        key = {"authorization": f"Bearer {KEY}"}
        assert (await client.get("/v1/channels", headers=key)).json()["warning"]
        monkeypatch.setattr(attic.settings, "public_url", "https://films.example")
        assert "FILMFORGE_PUBLIC_URL" not in (await client.get(PAGE)).text
        assert (await client.get("/v1/channels", headers=key)).json()["warning"] is None


async def test_programs_add_try_and_remove_channels(attic: House, slack: Chat, tmp_path: Path):
    mail = MailServer(tmp_path)
    attic.settings.smtp_url = SecretStr(f"smtp://127.0.0.1:{mail.port}")
    attic.settings.mail_from = "films@studio.test"
    key = {"authorization": f"Bearer {attic.member('Ada', Role.PRODUCER)}"}
    body = {"kind": "email", "name": "Kim", "address": "kim@studio.test", "film_id": "attic"}
    async with attic.client() as client:
        answer = await client.post("/v1/channels", headers=key, json=body)
        assert answer.status_code == 201, answer.text
        made = answer.json()
        assert (made["batch_s"], made["signed_link"], made["address"]) == (
            300, True, "kim@studio.test",
        )  # fmt: skip
        assert made["signing_secret"] is None
        path = f"/v1/channels/{made['channel_id']}"
        tried = (await client.post(f"{path}/test", headers=key)).json()
        assert tried == {"sent": True, "message": "The test message was taken."}
        assert mail.recipients == ["kim@studio.test"]
        listed = (await client.get("/v1/channels", headers=key)).json()["channels"]
        assert [each["channel_id"] for each in listed] == [made["channel_id"]]
        assert (await client.delete(path, headers=key)).status_code == 200
        assert (await client.delete(path, headers=key)).status_code == 404
        hook = {**body, "kind": "webhook", "address": slack.url}
        made = (await client.post("/v1/channels", headers=key, json=hook)).json()
        assert made["signing_secret"].startswith("whsec_")
        unknown = {**hook, "film_id": "nonesuch"}
        answer = await client.post("/v1/channels", headers=key, json=unknown)
        assert answer.status_code == 404
    mail.close()
