"""What no page may do, asked of every route there is, so that a new one cannot be forgotten."""

import dataclasses
import html
import logging
import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import structlog.testing

from filmforge.errors import ServiceUnavailable
from filmforge.gateway.limits import MOST_GUESSES
from filmforge.gateway.pages.forms import KEY_HEADER
from filmforge.gateway.passphrases import hash_passphrase
from filmforge.gateway.rendering import STATIC
from filmforge.rights import Given
from tests.pages.house import KEY, House, come_in, field, sign_in
from tests.pages.walk import BY_TOKEN, Stage, doors, hostile, markup_of

BROWSER = {"accept": "text/html,application/xhtml+xml"}
WAYS: tuple[dict[str, Any], ...] = (
    {"data": {"name": "x"}},
    {"json": {"name": "x"}},
    {"files": {"file": ("<x-evil>.csv", b"shot_id", "text/csv")}},
)
_NONCE = re.compile(r"'nonce-([^']+)'")


@pytest.fixture
async def stage(house: House) -> Stage:
    return await hostile(house)


@pytest.fixture
def logs() -> Iterator[list[Any]]:
    """Everything that is logged, of every level."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger("debug"))
    with structlog.testing.capture_logs() as lines:
        yield lines
    structlog.configure(**before)


async def every_page(client: httpx.AsyncClient, house: House, stage: Stage) -> Any:
    """Every page as a browser gets it, those of the odd shots too; none breaks."""
    shots = [record.shot.shot_id for record in house.ledger.shots.of_film("attic")]
    for door in doors(house.app()):
        if door.method != "GET":
            continue
        for shot_id in shots if "{shot_id}" in door.path else shots[:1]:
            there = stage._replace(values={**stage.values, "shot_id": shot_id})
            answer = await client.get(there.address(door.path), headers=BROWSER)
            assert answer.status_code < 500, (door, answer.text)
            yield door, answer


def is_page(answer: httpx.Response) -> bool:
    return answer.headers.get("content-type", "").startswith("text/html")


async def test_what_people_say_never_becomes_markup_on_any_page(house: House, stage: Stage):
    seen = set()
    async with house.client() as client:
        await sign_in(client, KEY)
        async for door, answer in every_page(client, house, stage):
            if is_page(answer):
                assert markup_of(answer.text) == [], (door, answer.url)
                seen.add(door.path)
    at_least = {"/films/{film_id}", "/films/{film_id}/shots/{shot_id}", "/films/{film_id}/trail"}
    assert seen >= {*at_least, "/films/{film_id}/shares", "/team", "/s/{token}", "/review/{token}"}


async def test_every_page_has_a_strict_policy_with_a_nonce_of_its_own(house: House, stage: Stage):
    nonces: list[str] = []
    async with house.client() as client:
        await sign_in(client, KEY)
        for _ in range(2):
            async for door, answer in every_page(client, house, stage):
                assert answer.headers["referrer-policy"] == "no-referrer", door
                assert answer.headers["x-content-type-options"] == "nosniff", door
                if is_page(answer):
                    policy = answer.headers["content-security-policy"]
                    assert policy.startswith("default-src 'none'"), door
                    assert "unsafe" not in policy, door
                    assert "*" not in policy, door
                    if "sandbox" in policy:  # a part of a page, which runs nothing by itself
                        continue
                    for name in ("base-uri 'none'", "frame-ancestors 'none'", "form-action 'self'"):
                        assert name in policy, door
                    assert answer.headers["cache-control"] == "no-store", door
                    nonces += {*_NONCE.findall(policy)}
    assert len(nonces) == len({*nonces})
    assert min(map(len, nonces)) >= 20


async def test_no_page_tells_a_secret_or_where_anything_is_inside(house: House, stage: Stage):
    async with house.client() as client:
        await sign_in(client, KEY)
        async for door, answer in every_page(client, house, stage):
            told = answer.text + answer.headers.get("content-security-policy", "")
            assert [each for each in stage.secrets if each in told] == [], door


async def test_a_server_that_is_away_is_not_located(house: House, monkeypatch: pytest.MonkeyPatch):
    house.shot_list(1)

    def away(_: str) -> None:
        raise ServiceUnavailable("the database did not answer: no route to 10.1.2.3:5432")

    async with house.client() as client:
        await come_in(client, house.share(Given.SEE))
        monkeypatch.setattr(house.ledger.films, "read", away)
        for headers in (BROWSER, {"accept": "application/json"}):
            answer = await client.get("/films/attic", headers=headers)
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
            assert "in a minute" in answer.text
            assert "10.1.2.3" not in answer.text


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/films/attic?review=nonsense", 422),
        ("GET", "/films?start=soon", 422),
        ("GET", "/nowhere", 404),
        ("POST", "/films", 405),
        ("GET", "/films/attic", 500),
    ],
)
async def test_what_is_wrong_is_a_page_for_people_and_a_document_for_programs(
    house: House, monkeypatch: pytest.MonkeyPatch, method: str, path: str, status: int
):
    house.shot_list(1)
    if status == 500:
        monkeypatch.setattr(house.ledger.films, "read", lambda: None)
    app = httpx.ASGITransport(house.app(), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=app, base_url=house.settings.public_url) as client:
        await sign_in(client, KEY)
        seen = await client.request(method, path, headers=BROWSER)
        told = await client.request(method, path)
    assert (seen.status_code, told.status_code) == (status, status)
    assert is_page(seen)
    assert "default-src 'none'" in seen.headers["content-security-policy"]
    assert told.json()["detail"] in html.unescape(seen.text)


async def test_every_form_refuses_what_is_not_from_a_page_of_ours(house: House, stage: Stage):
    posts = [d for d in doors(house.app()) if d.method not in ("GET", "HEAD")]
    assert len(posts) > 8
    async with house.client() as client:
        await sign_in(client, KEY)
        form_key = field((await client.get("/team")).text, "form_key")
        for door in (each for each in posts if each.path not in BY_TOKEN):
            address = stage.address(door.path)
            said = [await client.request(door.method, address, **way) for way in WAYS]
            codes = {(answer.status_code, answer.json()["code"]) for answer in said}
            assert (403, "form_key") in codes, door
            # A page that sends files reads no JSON, and the other way round.
            others = {(400, "unreadable_body"), (415, "unsupported_media_type")}
            assert codes <= {(403, "form_key"), *others}, door
            for site in ("cross-site", "same-site"):
                headers = {"sec-fetch-site": site, KEY_HEADER: form_key}
                data = {"form_key": form_key}
                foreign = await client.request(door.method, address, data=data, headers=headers)
                code = foreign.json()["code"]
                assert (foreign.status_code, code) == (403, "foreign_page"), door


async def test_a_form_key_of_somebody_else_is_worth_nothing(house: House, stage: Stage):
    async with house.client() as client, house.client() as other:
        await sign_in(client, KEY)
        await sign_in(other, KEY)
        form_key = field((await other.get("/team")).text, "form_key")
        form = {"name": "Eve", "role": "admin", "form_key": form_key}
        assert (await client.post("/team", data=form)).status_code == 403
    assert "Eve" not in [member.name for member in house.ledger.members.all()]


async def test_nothing_happens_by_looking(house: House, stage: Stage):
    before = house.ledger.gates.trail("attic")
    commands = [*house.desk.commands]
    async with house.client() as client:
        await sign_in(client, KEY)
        async for _ in every_page(client, house, stage):
            pass
    assert house.ledger.gates.trail("attic") == before
    assert house.desk.commands == commands
    assert len(house.ledger.shares.of_film("attic")) == len(
        [entry for entry in before if entry.action == "share.created"]
    )


async def test_who_is_not_signed_in_cannot_tell_what_there_is(house: House, stage: Stage):
    other = {"film_id": "nowhere", "shot_id": "none", "digest": "e" * 64}
    nothing = stage._replace(values={**stage.values, **other, "share_id": "0", "member_id": "0"})
    async with house.client() as client:
        for door in doors(house.app()):
            if not door.path.startswith(("/films", "/team")):
                continue
            there = await client.request(door.method, stage.address(door.path))
            missing = await client.request(door.method, nothing.address(door.path))
            assert there.status_code == missing.status_code == 401, door
            assert there.text == missing.text, door


async def test_cookies_are_kept_from_scripts_and_other_sites_and_plain_http(house: House):
    house.shot_list(1)
    safe = house.settings.model_copy(update={"public_url": "https://studio.test"})
    house.gateway = dataclasses.replace(house.gateway, settings=safe)
    async with house.client() as client:
        answers = [await sign_in(client, KEY), await come_in(client, house.share(Given.SEE))]
    async with house.client() as client:
        answers += [await client.get("/sign-in")]
    for answer in answers:
        for cookie in answer.headers.get_list("set-cookie"):
            parts = {part.strip().lower() for part in cookie.split(";")}
            assert {"httponly", "secure", "samesite=lax"} <= parts


async def test_no_key_token_or_passphrase_is_ever_logged(
    house: House, stage: Stage, logs: list[Any], caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.INFO)
    link = house.share(Given.SEE, name="x", passphrase=hash_passphrase("rafters-and-trunks"))
    secrets = [KEY, "wrong-key-of-a-guess", "rafters-and-trunks", "wrong-passphrase"]
    secrets += [link.rpartition("/")[2], *stage.tokens.values(), "forged-token"]
    async with house.client() as client:
        await sign_in(client, "wrong-key-of-a-guess")
        await sign_in(client, KEY)
        page = await client.get("/sign-in")
        form_key = field(page.text, "form_key")
        await come_in(client, link, passphrase="wrong-passphrase")
        await come_in(client, link, passphrase="rafters-and-trunks")
        for path in ("/s/", "/review/", "/review/films/", "/outputs/"):
            for token in ("forged-token", *stage.tokens.values()):
                await client.get(f"{path}{token}", headers=BROWSER)
                await client.post(f"{path}{token}/approve", json={"note": "x"})
        for key in (KEY, "wrong-key-of-a-guess"):
            caller = {"authorization": f"Bearer {key}"}
            await client.get("/v1/members", headers=caller)
        async for _ in every_page(client, house, stage):
            pass
        secrets += [form_key, *client.cookies.values()]
    assert len(logs) > 30, logs
    # httpx is the test's own client here, and names what it asked for.
    said = repr(logs) + "".join(r.getMessage() for r in caplog.records if r.name != "httpx")
    assert [secret for secret in secrets if secret in said] == []


@pytest.mark.parametrize(
    "path", ["/s/forged", "/review/forged", "/review/films/forged", "/outputs/forged/film"]
)
async def test_guesses_of_tokens_are_slowed_down(house: House, path: str):
    async with house.client() as client:
        for _ in range(MOST_GUESSES):
            assert (await client.get(path)).status_code in (403, 404)
        assert (await client.get(path)).status_code == 429


async def test_guesses_of_keys_on_the_page_are_slowed_down(house: House):
    async with house.client() as client:
        for _ in range(MOST_GUESSES):
            assert (await sign_in(client, "guess")).status_code == 403
        assert (await sign_in(client, KEY)).status_code == 429


@pytest.mark.parametrize("name", sorted(path.name for path in STATIC.glob("*.js")))
def test_a_module_makes_no_markup_of_data_and_runs_none(name: str):
    code = (STATIC / name).read_text()
    for way in ("outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function"):
        assert way not in code
    # Only what this server rendered is parsed, and that into a template that runs nothing.
    lines = [line for line in code.splitlines() if "innerHTML" in line]
    assert [line for line in lines if "template" not in line] == []
