"""Editing a shot: a draft, what it makes stale, what that costs, and asking for what was seen."""

import asyncio
import re
import uuid
from collections.abc import AsyncIterator
from decimal import Decimal
from html import unescape
from typing import Any

import httpx
import pytest

from activities.books import Books
from filmforge.commands import Answer, Command, Retry
from filmforge.domain import Execution, Kind
from filmforge.errors import Conflict
from filmforge.gateway.quotes import quote
from filmforge.ledger.shots import ShotRecord
from filmforge.money import format_money
from filmforge.rights import Given, Role
from tests.pages.house import House, come_in, field, sign_in
from tests.pages.paying import pay

FAKE = {"image": "fake:image-1", "video": "fake:video-1", "audio": "fake:voice-1"}
EDIT = "/films/attic/shots/shot_001/edit"


class Works:
    """What a film's workflow does about a retry; `error` is raised instead."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.told: list[Retry] = []
        self.started: list[str] = []
        self.error: Conflict | None = None
        desk: Any = house.desk
        desk.command, desk.start_film, desk.running = self.command, self.start_film, self.running

    async def start_film(self, film_id: str, *_: object) -> None:
        self.started.append(film_id)

    async def running(self, film_id: str) -> bool:
        return False

    async def command(self, film_id: str, wish: Retry) -> Answer:
        if self.error:
            raise self.error
        command = Command(film_id=film_id, command_id=uuid.uuid4().hex, retry=wish)
        await Books(self.house.ledger, window=1, reminder_s=1).record(command)
        self.told.append(wish)
        return Answer(outcome="accepted", message="Recorded.")


@pytest.fixture
def attic(house: House, monkeypatch: pytest.MonkeyPatch) -> House:
    """A film of three shots, all of them made and paid for."""
    house.shot_list(3, providers=FAKE)
    for shot_id in ("shot_001", "shot_002", "shot_003"):
        made(house, shot_id)
    return house


@pytest.fixture(autouse=True)
def fake_provider(monkeypatch: pytest.MonkeyPatch) -> None:
    """A provider with prices; nothing listens at its address."""
    monkeypatch.setenv("FILMFORGE_FAKE_URL", "http://127.0.0.1:9")


@pytest.fixture
def works(attic: House) -> Works:
    return Works(attic)


@pytest.fixture
async def ada(attic: House) -> AsyncIterator[httpx.AsyncClient]:
    async with attic.client() as client:
        await sign_in(client, attic.member("Ada", Role.PRODUCER))
        yield client


def shot(house: House, shot_id: str = "shot_001") -> ShotRecord:
    return house.ledger.shots.read("attic", shot_id)


def made(house: House, shot_id: str) -> None:
    """Every take of a shot as it is asked for now."""
    film, record = house.ledger.films.read("attic"), shot(house, shot_id)
    kinds = [Kind.IMAGE, Kind.VIDEO, *([Kind.AUDIO] if record.shot.dialogue else [])]
    frame = None
    for kind in kinds:
        told = quote(house.gateway.registry, film.brief, record.shot, record.direction, kind, frame)
        digest = pay(house, told.request, told.price, shot_id)
        frame = digest if kind is Kind.IMAGE else None
    house.ledger.shots.set("attic", shot_id, execution=Execution.SUCCEEDED)


def price(house: House, kind: Kind) -> Decimal:
    film, record = house.ledger.films.read("attic"), shot(house)
    frame = "0" * 64 if kind is Kind.VIDEO else None
    registry = house.gateway.registry
    return quote(registry, film.brief, record.shot, record.direction, kind, frame).price


async def edit(client: httpx.AsyncClient, path: str = EDIT, **changes: str) -> httpx.Response:
    page = (await client.get(path)).text
    main = page.partition('<div class="two">')[2].partition("</form>")[0]
    fields = {
        name: unescape(value)
        for name, value in re.findall(r'<input[^>]*name="(\w+)" value="([^"]*)"', main)
    }
    for name, value in re.findall(
        r'<textarea[^>]*name="(\w+)"[^>]*>\n?(.*?)</textarea>', main, re.S
    ):
        fields[name] = unescape(value)
    return await client.post(path, data={**fields, **changes})


def fates(page: str) -> dict[str, str]:
    found = re.findall(r'<li class="(\w+)"><b>(\w+)</b>.*?class="usd">([^<]+)<', page, re.S)
    return {name: f"{fate} {usd}" for fate, name, usd in found}


def usd(amount: Decimal) -> str:
    return f"{format_money(amount)} USD"


async def ask(client: httpx.AsyncClient, page: str, **more: str) -> httpx.Response:
    form = {"form_key": field(page, "form_key"), "seen": field(page, "seen"), "do": "remake"}
    return await client.post("/films/attic/edit", data={**form, **more})


async def test_another_prompt_makes_the_frame_and_what_follows_from_it_stale(
    attic: House, ada: httpx.AsyncClient, works: Works
):
    before = shot(attic)
    answer = await edit(ada, enhanced_prompt="A woman closes the trunk.")
    assert (answer.status_code, answer.headers["location"]) == (303, EDIT)
    page = (await ada.get(EDIT)).text
    frame, clip, voice = (price(attic, kind) for kind in Kind)
    assert fates(page) == {
        "Frame": f"again {usd(frame)}",
        "Clip": f"again {usd(clip)}",
        "Voice": f"again {usd(voice)}",  # its seed comes of the prompt
        "Piece": "again free",
        "Film": "again free",
    }
    assert f"Make this again ({usd(frame + clip + voice)})" in page
    assert shot(attic) == before  # nothing is asked for yet
    assert works.told == []


@pytest.mark.parametrize(
    ("change", "stale"),
    [
        ({"dialogue": "He kept it here."}, "Voice Film"),
        ({"dialogue": ""}, "Voice Film"),
        ({"duration": "4"}, "Clip Piece Film"),
        ({"seed": "7"}, "Frame Clip Voice Piece Film"),
        ({"camera": "pan_left"}, ""),  # this model takes no camera
        ({"audio": "preview:voice"}, "Voice Film"),
    ],
)
async def test_only_what_a_change_reaches_becomes_stale(
    attic: House, ada: httpx.AsyncClient, change: dict[str, str], stale: str
):
    assert (await edit(ada, **change)).status_code == 303
    told = fates((await ada.get(EDIT)).text)
    assert [name for name, fate in told.items() if not fate.startswith("stays")] == stale.split()


async def test_what_was_made_before_for_another_shot_is_found_again_free_of_charge(
    attic: House, ada: httpx.AsyncClient
):
    other = shot(attic, "shot_002").shot
    same = {"enhanced_prompt": other.enhanced_prompt, "shot_type": other.shot_type}
    await edit(ada, **same, dialogue="")
    page = (await ada.get(EDIT)).text
    assert fates(page)["Frame"] == "found 0.00 USD"
    assert fates(page)["Clip"] == "found 0.00 USD"
    assert "(0.00 USD)" in page


async def test_the_very_drafts_that_were_shown_are_asked_for_once(
    attic: House, ada: httpx.AsyncClient, works: Works
):
    await edit(ada, enhanced_prompt="A woman closes the trunk.", image="fake:image-1")
    page = (await ada.get("/films/attic/edit")).text
    answer = await ask(ada, page)
    assert (answer.status_code, answer.headers["location"]) == (303, "/films/attic")
    (told,) = works.told
    assert told.changes == {"enhanced_prompt": "A woman closes the trunk."}
    assert told.who == "Ada"
    assert shot(attic).direction.changes == told.changes
    again = await ask(ada, page)  # the second of two clicks
    assert again.status_code == 409
    assert len(works.told) == 1
    assert attic.ledger.drafts.of_film("attic") == []


async def test_two_clicks_at_once_ask_once(attic: House, ada: httpx.AsyncClient, works: Works):
    await edit(ada, enhanced_prompt="A woman closes the trunk.")
    page = (await ada.get("/films/attic/edit")).text
    answers = await asyncio.gather(*(ask(ada, page) for _ in range(4)))
    assert sorted(answer.status_code for answer in answers) == [303, 409, 409, 409]
    assert len(works.told) == 1


async def test_a_film_that_has_ended_goes_on_with_what_is_asked_for(
    attic: House, ada: httpx.AsyncClient, works: Works
):
    attic.ledger.films.set("attic", Execution.SUCCEEDED)
    await edit(ada, enhanced_prompt="A woman closes the trunk.")
    answer = await ask(ada, (await ada.get("/films/attic/edit")).text)
    assert answer.status_code == 303, answer.text
    assert works.started == ["attic"]
    assert len(works.told) == 1


async def test_a_page_that_shows_another_edit_or_another_price_sends_nothing(
    attic: House, ada: httpx.AsyncClient, works: Works
):
    await edit(ada, enhanced_prompt="A woman closes the trunk.")
    page = (await ada.get("/films/attic/edit")).text
    await edit(ada, enhanced_prompt="A man closes the trunk.")
    late = await ask(ada, page)
    assert late.status_code == 409
    assert "nothing was sent" in late.text
    assert field(late.text, "seen") != field(page, "seen")
    # The same edit, but the shot was made again in the meantime.
    attic.ledger.shots.direct("attic", "shot_001", shot(attic).direction)
    assert (await ask(ada, late.text)).status_code == 409
    assert works.told == []
    fresh = (await ada.get("/films/attic/edit")).text
    assert (await ask(ada, fresh)).status_code == 303


async def test_a_draft_that_the_film_does_not_take_is_kept(
    attic: House, ada: httpx.AsyncClient, works: Works
):
    await edit(ada, enhanced_prompt="A woman closes the trunk.")
    works.error = Conflict("the shot is being made right now")
    answer = await ask(ada, (await ada.get("/films/attic/edit")).text)
    assert answer.status_code == 409
    assert "shot_001: the shot is being made right now" in answer.text
    (draft,) = attic.ledger.drafts.of_film("attic")
    assert draft.changes == {"enhanced_prompt": "A woman closes the trunk."}


async def test_one_shot_can_be_asked_for_while_the_others_stay_drafts(
    attic: House, ada: httpx.AsyncClient, works: Works
):
    await edit(ada, enhanced_prompt="One.")
    await edit(ada, EDIT.replace("001", "002"), enhanced_prompt="Two.")
    both = (await ada.get("/films/attic/edit")).text
    pictures = price(attic, Kind.IMAGE) + price(attic, Kind.VIDEO)
    total = 2 * pictures + price(attic, Kind.AUDIO)
    assert f"Make these again ({usd(total)})" in both
    answer = await ask(ada, (await ada.get(EDIT)).text, shot_id="shot_001")
    assert answer.status_code == 303
    assert [told.shot_id for told in works.told] == ["shot_001"]
    assert [draft.shot_id for draft in attic.ledger.drafts.of_film("attic")] == ["shot_002"]


async def test_what_two_edits_share_is_paid_for_once_and_each_can_be_asked_for_alone(
    attic: House, ada: httpx.AsyncClient, works: Works
):
    for number in ("001", "002"):
        same = {"enhanced_prompt": "Snow.", "shot_type": "wide", "dialogue": "", "duration": "3"}
        await edit(ada, EDIT.replace("001", number), **same)
    page = (await ada.get("/films/attic/edit")).text
    price_of_one = usd(price(attic, Kind.IMAGE) + price(attic, Kind.VIDEO))
    assert page.count(f"Make this again ({price_of_one})") == 2
    assert f"Make these again ({price_of_one})" in page
    second = page.split('<form method="post" action="/films/attic/edit" class="remake">')[2]
    answer = await ask(ada, second, shot_id="shot_002")
    assert answer.status_code == 303, answer.text
    assert [told.shot_id for told in works.told] == ["shot_002"]


async def test_an_edit_that_changes_nothing_is_no_draft_and_one_can_be_discarded(
    attic: House, ada: httpx.AsyncClient
):
    await edit(ada, enhanced_prompt=shot(attic).shot.enhanced_prompt + "\r\n")
    assert attic.ledger.drafts.of_film("attic") == []
    await edit(ada, mood="calm")
    page = (await ada.get(EDIT)).text
    form = {"form_key": field(page, "form_key"), "do": "discard", "shot_id": "shot_001"}
    assert (await ada.post("/films/attic/edit", data=form)).status_code == 303
    assert attic.ledger.drafts.of_film("attic") == []
    assert attic.ledger.gates.trail("attic")[-1].action == "edit.discarded"


async def test_what_cannot_be_used_is_named_and_nothing_is_kept(
    attic: House, ada: httpx.AsyncClient
):
    answer = await edit(ada, duration="500", enhanced_prompt="A <b>bold</b> woman")
    assert answer.status_code == 422
    assert "Seconds must be more than 0" in answer.text
    assert "A &lt;b&gt;bold" in answer.text
    assert (await edit(ada, image="nobody:x")).status_code == 422
    empty = await edit(ada, image="")
    assert "Frame by can&#39;t be left empty. Name a model, such as fake:image-1." in empty.text
    assert attic.ledger.drafts.of_film("attic") == []


async def test_looking_at_an_edit_reserves_and_asks_for_nothing(
    attic: House, ada: httpx.AsyncClient, works: Works
):
    await edit(ada, enhanced_prompt="A woman closes the trunk.")
    before = attic.ledger.budget("attic")
    for path in ("/films/attic/edit", EDIT):
        assert (await ada.get(path)).status_code == 200
    assert attic.ledger.budget("attic") == before
    assert works.told == []


async def test_a_cancelled_film_makes_nothing_again(
    attic: House, ada: httpx.AsyncClient, works: Works
):
    await edit(ada, enhanced_prompt="A woman closes the trunk.")
    page = (await ada.get("/films/attic/edit")).text
    attic.ledger.films.set("attic", Execution.CANCELLED)
    answer = await ask(ada, page)
    assert answer.status_code == 409
    assert "resume it first" in answer.text
    assert works.told == []
    assert len(attic.ledger.drafts.of_film("attic")) == 1


async def test_only_who_produces_may_edit_and_only_from_our_page(
    attic: House, ada: httpx.AsyncClient, works: Works
):
    page = (await ada.get(EDIT)).text
    form = {"enhanced_prompt": "x", "form_key": field(page, "form_key")}
    foreign = {"sec-fetch-site": "cross-site"}
    assert (await ada.post(EDIT, data=form, headers=foreign)).status_code == 403
    assert (await ada.post(EDIT, data={**form, "form_key": "x"})).status_code == 403
    async with attic.client() as guest:
        await come_in(guest, attic.share(Given.DECIDE))
        assert (await guest.get(EDIT)).status_code == 403
        assert (await guest.post("/films/attic/edit", data=form)).status_code == 403
