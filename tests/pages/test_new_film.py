"""A new film on a page: read, judged line by line, estimated, edited and submitted once."""

import re
from html import unescape
from typing import Any

import httpx
import pytest

from filmforge.domain import Kind
from filmforge.gateway.quotes import quote
from filmforge.money import format_money
from filmforge.rights import Given, Role
from tests.pages.house import KEY, House, come_in, field, sign_in
from tests.pages.paying import pay

FOUNTAIN = """Title: The Attic

INT. ATTIC - NIGHT

Mara opens the trunk.

MARA
So this is where he kept it.
"""


class Starter:
    """Films that would have been started."""

    def __init__(self, house: House) -> None:
        self.started: list[str] = []
        house.desk.start_film = self.start_film  # type: ignore[attr-defined] # the engine's way

    async def start_film(self, film_id: str, *_: Any) -> None:
        self.started.append(film_id)


@pytest.fixture(autouse=True)
def fake_provider(monkeypatch: pytest.MonkeyPatch) -> None:
    """A provider with prices; nothing listens at its address."""
    monkeypatch.setenv("FILMFORGE_FAKE_URL", "http://127.0.0.1:9")


@pytest.fixture
def starter(house: House) -> Starter:
    return Starter(house)


async def check(client: httpx.AsyncClient, script: str, **more: str) -> httpx.Response:
    page = await client.get("/new")
    form = {"form_key": field(page.text, "form_key"), "script": script, **more}
    return await client.post("/new/check", data=form, files={"nothing": b""})


def form_of(page: str) -> dict[str, str]:
    """Every field of the table's form, as a browser would send it."""
    form = page.partition('<form id="sheet"')[2].partition("<template")[0]
    fields = {
        name: unescape(value)
        for name, value in re.findall(
            r'<input[^>]*?name="([^"]+)"[^>]*?value="([^"]*)"', form, re.S
        )
    }
    for tag in re.findall(r"<input[^>]*>", form):
        name, value = re.search(r'name="([^"]+)"', tag), re.search(r'value="([^"]*)"', tag)
        fields[name[1] if name else ""] = unescape(value[1]) if value else ""
    for name, value in re.findall(
        r'<textarea[^>]*?name="([^"]+)"[^>]*>(.*?)</textarea>', form, re.S
    ):
        fields[name] = unescape(value)
    return {**fields, "frames": "required"}


async def test_a_pasted_screenplay_is_a_table_with_what_it_would_cost(house: House):
    async with house.client() as client:
        await sign_in(client, house.member("Ada", Role.PRODUCER))
        answer = await check(client, FOUNTAIN, image="fake:image-1")
    assert answer.status_code == 200, answer.text
    fields = form_of(answer.text)
    assert fields["title"] == "The Attic"
    assert fields["r0.enhanced_prompt"] == "Attic, interior, night. Mara opens the trunk."
    assert fields["r1.dialogue"] == "So this is where he kept it."
    assert "Submit 2 shots" in answer.text, answer.text.partition("verdict-of-sheet")[2][:900]
    assert "frames " in answer.text


async def test_every_fault_is_told_at_once_with_its_line_and_its_column(house: House):
    table = "shot,prompt,seconds\n1,A door,x\n2,,3\n3,A <b>cat</b>,200\n"
    async with house.client() as client:
        await sign_in(client, KEY)
        answer = await check(client, table)
    told = " ".join(unescape(re.sub("<[^>]+>", " ", answer.text)).split())
    assert "Line 2 , column 3 (seconds) duration must be a number of seconds" in told
    assert "Line 3 , column 2 (prompt) enhanced_prompt is missing" in told
    assert "Line 4 , column 3 (seconds) duration must be more than 0" in told
    assert "A <b>cat</b>" not in answer.text
    assert "Submit 3 shots" not in answer.text


async def test_a_file_of_a_spreadsheet_is_read_whatever_its_encoding(house: House):
    data = "id\tprompt\tseconds\nä1\tEine Tür\t3\n".replace("ä", "a").encode("utf-16")
    async with house.client() as client:
        await sign_in(client, KEY)
        form = {"form_key": field((await client.get("/new")).text, "form_key")}
        answer = await client.post("/new/check", data=form, files={"file": ("shots.tsv", data)})
    assert form_of(answer.text)["r0.enhanced_prompt"] == "Eine Tür"


async def test_submitting_the_same_page_twice_makes_one_film(house: House, starter: Starter):
    async with house.client() as client:
        await sign_in(client, KEY)
        fields = form_of((await check(client, FOUNTAIN)).text)
        first = await client.post("/new/submit", data=fields)
        again = await client.post("/new/submit", data=fields)
        assert first.status_code == again.status_code == 303, first.text
        assert first.headers["location"] == again.headers["location"]
        other = await client.post("/new/submit", data={**fields, "r0.duration": "9"})
        assert other.status_code == 409
        assert "Nothing was submitted" in other.text
        assert field(other.text, "once") != fields["once"]
    (film,) = house.ledger.films.recent()
    assert first.headers["location"] == f"/films/{film.film_id}"
    assert film.brief.title == "The Attic"
    assert film.brief.approval.frames == "required"
    assert set(starter.started) == {film.film_id}


async def test_a_film_that_costs_more_than_the_page_said_is_not_submitted(
    house: House, starter: Starter
):
    async with house.client() as client:
        await sign_in(client, KEY)
        models = {"image": "fake:image-1", "video": "fake:video-1"}
        fields = form_of((await check(client, FOUNTAIN, **models)).text)
        longer = await client.post("/new/submit", data={**fields, "r0.duration": "9"})
        assert longer.status_code == 409
        assert "more than the page said" in longer.text
        assert house.ledger.films.recent() == []
        for odd in ("?", "NaN"):
            lost = await client.post("/new/submit", data={**fields, "seen_usd": odd})
            assert lost.status_code == 400
        assert (await client.post("/new/submit", data=form_of(longer.text))).status_code == 303
    assert len(starter.started) == 1


async def test_a_film_that_cannot_be_used_is_shown_again_with_its_words(house: House):
    async with house.client() as client:
        await sign_in(client, KEY)
        fields = form_of((await check(client, FOUNTAIN)).text)
        answer = await client.post("/new/submit", data={**fields, "r1.duration": "long"})
    assert answer.status_code == 422
    assert form_of(answer.text)["r1.duration"] == "long"
    assert 'aria-invalid="true"' in answer.text
    assert house.ledger.films.recent() == []


async def test_rows_are_added_removed_and_moved_without_a_script(house: House):
    async with house.client() as client:
        await sign_in(client, KEY)
        fields = form_of((await check(client, FOUNTAIN)).text)

        async def done(wish: str) -> list[str]:
            page = await client.post("/new/check", data={**fields, "do": wish})
            fields.clear()
            fields.update(form_of(page.text))
            return [fields[name] for name in fields if name.endswith(".shot_id")]

        assert await done("down 0") == ["shot_002", "shot_001"]
        assert await done("add") == ["shot_002", "shot_001", "shot_003"]
        assert await done("remove 0") == ["shot_001", "shot_003"]
        assert await done("remove ²") == ["shot_001", "shot_003"]


async def test_what_a_film_says_besides_its_shots_is_kept_through_the_table(
    house: House, starter: Starter
):
    body = (
        '{"title": "Attic", "output": {"width": 640, "height": 360}, "budget_usd": "2.50",'
        ' "providers": {"image": "preview:storyboard"},'
        ' "approval": {"frames": "auto", "timeout": 60},'
        ' "shots": [{"shot_id": "a", "enhanced_prompt": "A door", "duration": 2.5,'
        ' "transition": {"type": "crossfade", "duration": 0.75},'
        ' "styles": ["ink, wash"], "seed": 7},'
        ' {"shot_id": "b", "enhanced_prompt": "A cat", "duration": 3}]}'
    )
    async with house.client() as client:
        await sign_in(client, KEY)
        fields = form_of((await check(client, body)).text)
        answer = await client.post("/new/submit", data={**fields, "frames": "auto"})
        assert answer.status_code == 303, answer.text
    (film,) = house.ledger.films.recent()
    assert (film.brief.output.width, film.brief.approval.timeout) == (640, 60)
    assert film.brief.providers.image == "preview:storyboard"
    first = house.ledger.shots.of_film(film.film_id)[0].shot
    assert first.transition is not None
    assert (first.transition.type, str(first.transition.duration)) == ("crossfade", "0.75")
    assert (first.styles, first.seed) == (("ink, wash",), 7)


async def test_more_shots_than_a_page_holds_are_edited_as_text(house: House, starter: Starter):
    table = "shot,prompt,seconds\n" + "".join(f"s{n},Door {n},2\n" for n in range(400))
    async with house.client() as client:
        await sign_in(client, KEY)
        page = (await check(client, table)).text
        fields = form_of(page)
        assert 'id="rows"' not in page
        assert fields["script"].strip() == table.strip()
        assert (await client.post("/new/submit", data=fields)).status_code == 303
    (film,) = house.ledger.films.recent()
    assert film.shot_count == 400


async def test_a_duplicate_says_that_what_was_made_is_found_again(house: House, starter: Starter):
    house.shot_list(2, providers={"image": "fake:image-1", "video": "fake:video-1"})
    house.directed("shot_001", "Warmer light.")
    before = house.ledger.shots.read("attic", "shot_001")
    film = house.ledger.films.read("attic")
    made = quote(house.gateway.registry, film.brief, before.shot, before.direction, Kind.IMAGE)
    pay(house, made.request, made.price, "shot_001")
    async with house.client() as client:
        await sign_in(client, KEY)
        page = (await client.get("/films/attic/duplicate")).text
        assert f"{format_money(made.price)} USD saved" in page
        fields = form_of(page)
        assert fields["film_id"] == ""
        answer = await client.post("/new/submit", data=fields)
        assert answer.status_code == 303, answer.text
    copy = answer.headers["location"].removeprefix("/films/")
    again = house.ledger.shots.read(copy, "shot_001")
    brief = house.ledger.films.read(copy).brief
    same = quote(house.gateway.registry, brief, again.shot, again.direction, Kind.IMAGE)
    assert same.key == made.key


async def test_a_duplicate_of_many_shots_keeps_what_the_film_says_besides_them(
    house: House, starter: Starter
):
    house.shot_list(301, output={"width": 640, "height": 360})
    async with house.client() as client:
        await sign_in(client, KEY)
        fields = form_of((await client.get("/films/attic/duplicate")).text)
        assert "script" in fields
        checked = form_of((await client.post("/new/check", data=fields)).text)
        answer = await client.post("/new/submit", data=checked)
        assert answer.status_code == 303, answer.text
    copy = house.ledger.films.read(answer.headers["location"].removeprefix("/films/"))
    assert (copy.shot_count, copy.brief.output.width) == (301, 640)


async def test_a_guest_and_a_reviewer_make_no_films(house: House):
    house.shot_list(1)
    async with house.client() as client:
        await come_in(client, house.share(Given.DECIDE))
        assert (await client.get("/new")).status_code == 401
        assert (await client.get("/films/attic/duplicate")).status_code == 401
    async with house.client() as client:
        await sign_in(client, house.member("Rex", Role.REVIEWER))
        assert (await client.get("/new")).status_code == 403


async def test_a_form_of_another_page_submits_nothing(house: House, starter: Starter):
    async with house.client() as client:
        await sign_in(client, KEY)
        fields = form_of((await check(client, FOUNTAIN)).text)
        bad = await client.post("/new/submit", data={**fields, "form_key": "x"})
        foreign = {"sec-fetch-site": "cross-site"}
        cross = await client.post("/new/submit", data=fields, headers=foreign)
    assert bad.status_code == cross.status_code == 403
    assert starter.started == []
