"""Decisions over HTTP: one or many, each bound to what was seen, with what each would cost."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from pydantic import SecretStr

from filmforge.commands import Answer, DecideMany
from filmforge.direction import chosen, rejected, request_for
from filmforge.domain import Asset, Direction, GenerationRequest, Kind, Review, Tags
from filmforge.errors import Conflict, ServiceUnavailable
from filmforge.gateway.estimate import estimate_of_rest
from filmforge.gateway.keys import fresh_key, key_print
from filmforge.gateway.pages.priced import choosing
from filmforge.ledger.posting import Claim
from filmforge.money import ZERO, parse_money
from filmforge.rights import Role
from tests.gateway.studio import Studio, open_studio
from tests.pages.house import field, sign_in

KEY = "key-of-the-studio"
FAKE = {"image": "fake:image-1", "video": "fake:video-1", "audio": "fake:voice-1"}
SEEDLESS = "openai:gpt-image-2.5-flare-low"
FIRST, SECOND, OTHER = "1" * 64, "2" * 64, "3" * 64
HTML = {"accept": "text/html"}
PAGE, API = "/films/attic/decisions", "/v1/films/attic/decisions"
PRICES = "/films/attic/prices"


@pytest.fixture
def studio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Studio]:
    """A film of two shots whose frames wait."""
    made = open_studio(
        tmp_path,
        monkeypatch,
        api_keys=SecretStr(KEY),
        fake_url="http://127.0.0.1:9",
        openai_api_key=SecretStr("key"),
    )
    made.film(providers=FAKE)
    made.gate(digest=FIRST)
    made.gate(digest=SECOND, shot_id="shot_002")
    yield made
    made.ledger.close()


@pytest_asyncio.fixture
async def ada(studio: Studio) -> AsyncIterator[httpx.AsyncClient]:
    """Ada, a reviewer, signed in, with the key of her forms as a header."""
    async with studio.client() as client:
        await sign_in(client, member(studio, "Ada"))
        page = await client.get("/sign-in")
        client.headers["x-form-key"] = field(page.text, "form_key")
        yield client


def member(studio: Studio, name: str, role: Role = Role.REVIEWER) -> str:
    """A member's key."""
    key = fresh_key()
    studio.ledger.members.add(name, role, key_print(key), "test")
    return key


def approve(shot_id: str = "shot_001", digest: str = FIRST, **more: Any) -> dict[str, Any]:
    return {"shot_id": shot_id, "digest": digest, "verdict": "approve", **more}


def reject(**more: Any) -> dict[str, Any]:
    return approve(**more) | {"verdict": "reject"}


async def send(client: httpx.AsyncClient, *decisions: dict[str, Any]) -> httpx.Response:
    return await client.post(PAGE, json={"decisions": decisions})


def outcomes(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [each["outcome"] for each in answer.json()["results"]]


def retake(studio: Studio, shot_id: str = "shot_001", digest: str = OTHER) -> None:
    """A newer frame before the gate, after a rejection."""
    gates = studio.ledger.gates
    (old,) = [gate.digest for gate in gates.waiting("attic") if gate.shot_id == shot_id]
    assert gates.decide("attic", shot_id, old, "rejected", "Bob", "", "")
    studio.ledger.shots.direct("attic", shot_id, rejected(Direction()), Review.RETAKE)
    studio.gate(digest=digest, shot_id=shot_id)


async def test_frames_are_decided_together_and_the_trail_says_by_whom_and_how(
    studio: Studio, ada: httpx.AsyncClient
) -> None:
    answer = await send(ada, approve(), reject(shot_id="shot_002", digest=SECOND, note="warmer"))
    assert answer.json() == {
        "results": [
            {"shot_id": shot_id, "outcome": "accepted", "message": "Recorded."}
            for shot_id in ("shot_001", "shot_002")
        ]
    }
    assert len(studio.desk.bulks) == 1
    first, second = studio.ledger.gates.trail("attic")
    assert (first.who, first.action) == ("Ada", "frame.approved")
    assert (second.who, second.action, second.detail["note"]) == ("Ada", "frame.rejected", "warmer")
    (member_id,) = [each.member_id for each in studio.ledger.members.all()]
    assert first.detail["principal"] == f"member {member_id[:24]}"
    assert first.detail["take"] == 1


async def test_what_came_too_late_is_told_with_who_was_faster_and_the_rest_is_taken(
    studio: Studio, ada: httpx.AsyncClient
) -> None:
    retake(studio)
    studio.ledger.gates.decide("attic", "shot_002", SECOND, "approved", "Bob", "", "")
    answer = await send(
        ada,
        approve(),
        reject(shot_id="shot_002", digest=SECOND),
        approve("no_such_shot"),
        approve(digest=OTHER),
        approve(digest=OTHER),
    )
    told = answer.json()["results"]
    assert outcomes(answer) == [
        "replaced",
        "already_decided",
        "unknown_shot",
        "accepted",
        "already_decided",
    ]
    assert told[1]["message"] == "It was approved by Bob."
    assert studio.ledger.shots.read("attic", "shot_002").review == Review.WFA


async def test_an_older_take_is_chosen_instead_of_the_one_that_waits(
    studio: Studio, ada: httpx.AsyncClient
) -> None:
    retake(studio)
    choice = {**approve(), "verdict": "choose", "instead_of": OTHER}
    assert outcomes(await send(ada, choice)) == ["accepted"]
    shot = studio.ledger.shots.read("attic", "shot_001")
    assert shot.image_digest == FIRST
    assert shot.direction == chosen(rejected(Direction()), FIRST)
    assert len(studio.ledger.takes.of_shot("attic", "shot_001")) == 2
    assert outcomes(await send(ada, choice)) == ["replaced"]


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"verdict": "choose"}, "decisions[1].instead_of"),
        ({"verdict": "choose", "instead_of": FIRST, "digest": "f" * 64}, "decisions[1].digest"),
        ({"verdict": "reject", "takes": 5}, "decisions[1].takes"),
        ({"verdict": "maybe"}, "decisions[1].verdict"),
        ({"digest": "xyz"}, "decisions[1].digest"),
        ({"colour": "blue"}, "decisions[1].colour"),
    ],
)
async def test_a_decision_that_cannot_be_meant_is_named_and_none_of_all_is_taken(
    studio: Studio, ada: httpx.AsyncClient, wrong: dict[str, Any], named: str
) -> None:
    answer = await send(ada, approve("shot_002", SECOND), {**approve(), **wrong})
    assert answer.status_code in (400, 422)
    assert named in answer.text
    assert studio.desk.bulks == []


async def test_a_hundred_decisions_are_taken_at_once_and_no_more(
    studio: Studio, ada: httpx.AsyncClient
) -> None:
    unknown = [approve(f"shot_{n}") for n in range(99)]
    assert outcomes(await send(ada, approve(), *unknown)) == ["accepted"] + ["unknown_shot"] * 99
    assert (await send(ada, approve(), *unknown, approve())).status_code == 422
    assert (await send(ada)).status_code == 422


async def test_several_takes_are_asked_for_where_the_model_takes_a_seed(
    studio: Studio, ada: httpx.AsyncClient
) -> None:
    assert outcomes(await send(ada, reject(takes=3))) == ["accepted"]
    direction = studio.ledger.shots.read("attic", "shot_001").direction
    assert (direction.retakes, direction.takes) == (3, 3)


async def test_several_takes_of_a_model_without_seeds_are_refused_before_anything_is_taken(
    studio: Studio, ada: httpx.AsyncClient
) -> None:
    studio.film("cellar", providers={**FAKE, "image": SEEDLESS})
    studio.gate("cellar", OTHER)
    path = "/films/cellar/decisions"
    wanted = {"decisions": [approve("shot_002", SECOND), reject(digest=OTHER, takes=2)]}
    answer = await ada.post(path, json=wanted)
    assert answer.status_code == 422
    (error,) = answer.json()["errors"]
    assert error["field"] == "decisions[1].takes"
    assert "takes no seed" in error["problem"]
    assert studio.desk.bulks == []
    one = {"decisions": [reject(digest=OTHER, takes=1)]}
    assert outcomes(await ada.post(path, json=one)) == ["accepted"]


async def test_a_plain_form_decides_and_leads_back_to_the_shot(
    studio: Studio, ada: httpx.AsyncClient
) -> None:
    form = {**reject(note="warmer\r\nlight"), "takes": "2", "instead_of": ""}
    form["form_key"] = ada.headers.pop("x-form-key")
    answer = await ada.post(PAGE, data=form, headers=HTML)
    assert (answer.status_code, answer.headers["location"]) == (303, "/films/attic/shots/shot_001")
    direction = studio.ledger.shots.read("attic", "shot_001").direction
    assert (direction.notes, direction.takes) == (("warmer\nlight",), 2)
    again = await ada.post(PAGE, data=form, headers=HTML)
    assert again.status_code == 409
    assert "It was rejected by Ada." in again.text
    assert 'href="/films/attic/shots/shot_001"' in again.text


async def test_how_many_takes_a_form_names_counts_for_a_rejection_alone(
    studio: Studio, ada: httpx.AsyncClient
) -> None:
    form = {**approve(), "takes": "3", "form_key": ada.headers.pop("x-form-key")}
    assert (await ada.post(PAGE, data=form, headers=HTML)).status_code == 303
    (wish,) = studio.desk.bulks[0].decisions
    assert wish.model_dump()["takes"] == 1


async def test_who_may_not_decide_or_sends_from_elsewhere_decides_nothing(
    studio: Studio, ada: httpx.AsyncClient
) -> None:
    async with studio.client() as client:
        assert (await send(client, approve())).status_code == 401
        await sign_in(client, member(studio, "Vera", Role.VIEWER))
        assert (await send(client, approve())).status_code == 403
        assert (await client.get(PRICES, params={"shot_id": "shot_001"})).status_code == 403
    foreign = {"sec-fetch-site": "cross-site"}
    body = {"decisions": [approve()]}
    assert (await ada.post(PAGE, json=body, headers=foreign)).status_code == 403
    assert (await ada.post(PAGE, json=body, headers={"x-form-key": "x"})).status_code == 403
    assert studio.desk.bulks == []


async def test_a_reviewer_decides_with_an_api_key_and_a_viewer_does_not(studio: Studio) -> None:
    async with studio.client() as client:
        for role, status in ((Role.VIEWER, 403), (Role.REVIEWER, 200)):
            headers = {"authorization": f"Bearer {member(studio, role.value, role)}"}
            answer = await client.post(API, json={"decisions": [approve()]}, headers=headers)
            assert answer.status_code == status
    (entry,) = studio.ledger.gates.trail("attic")
    assert (entry.who, entry.detail["principal"]) == ("reviewer", "api reviewer")


async def test_a_film_that_does_not_run_or_answer_is_told_and_decides_nothing(
    studio: Studio, ada: httpx.AsyncClient
) -> None:
    studio.desk.error = Conflict("the film attic is not running")
    assert (await send(ada, approve())).status_code == 409
    studio.desk.error = ServiceUnavailable("no worker took the command in time")
    assert (await send(ada, approve())).status_code == 503
    assert studio.ledger.gates.trail("attic") == []


async def test_a_frame_that_the_film_does_not_know_yet_is_handed_in_again_alone(
    studio: Studio, ada: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The ledger shows that a frame waits a moment before the film has laid its shot aside."""
    knows, early = studio.desk.decide_many, Answer(outcome="not_waiting", message="early")

    async def late(film_id: str, many: DecideMany) -> list[Answer]:
        if len(studio.desk.bulks) < 2:
            head, *rest = many.decisions
            taken = await knows(film_id, DecideMany(decisions=(head,)))
            return [*taken, *(early for _ in rest)]
        return [*await knows(film_id, many)]

    monkeypatch.setattr(studio.desk, "decide_many", late)
    answer = await send(ada, approve(), approve("shot_002", SECOND))
    assert outcomes(answer) == ["accepted", "accepted"]
    handed_in = [[each.shot_id for each in many.decisions] for many in studio.desk.bulks]
    assert handed_in == [["shot_001"], ["shot_002"]]


def paid(studio: Studio, request: GenerationRequest) -> None:
    """A request that was made and paid for."""
    journal, price = studio.ledger.journal, parse_money("0.003")
    journal.reserve(request, price, Claim(film_id="attic", shot_id="shot_001", intent="second"))
    journal.begin_submitting(request.key)
    journal.accept(request.key, {"id": "job", "urls": {}}, "submit")
    journal.succeed(request.key, Asset(digest=OTHER, media_type="x/y", size=1), Tags(), price)


def request_of(
    studio: Studio, kind: Kind, direction: Direction, film_id: str = "attic"
) -> GenerationRequest:
    """What the first shot of a film would ask for next."""
    film = studio.ledger.films.read(film_id)
    shot = studio.ledger.shots.read(film_id, "shot_001").shot
    _, model = studio.gateway.registry.model(str(getattr(film.brief.providers, kind)), kind)
    frame = FIRST if kind is Kind.VIDEO else None
    return request_for(film.brief, shot, direction, kind, model, frame)


async def test_the_price_of_a_decision_counts_what_is_still_to_be_made_and_starts_nothing(
    studio: Studio, ada: httpx.AsyncClient
) -> None:
    async def prices() -> dict[str, Any]:
        told = await ada.get(PRICES, params={"shot_id": ["shot_001", "shot_002"]})
        assert told.status_code == 200, told.text
        return dict(told.json())

    before = studio.ledger.budget("attic")
    told = await prices()
    voice = 0.000015 * len("So this is where he kept it.")
    clip_and_voice = f"{0.03 + voice:.6f}".rstrip("0")
    each = {"approve_usd": clip_and_voice, "retake_usd": "0.003", "takes": True}
    said_once = f"{2 * 0.03 + voice:.6f}".rstrip("0")
    assert told == {
        "shots": {"shot_001": each, "shot_002": each},
        "total_approve_usd": said_once,
    }
    paid(studio, request_of(studio, Kind.VIDEO, Direction()))
    paid(studio, request_of(studio, Kind.IMAGE, rejected(Direction())))
    told = await prices()
    voice_only = f"{voice:.6f}".rstrip("0")
    # A retake that exists as it is without a note has still to be paid for with one.
    assert told["shots"]["shot_001"] == {**each, "approve_usd": voice_only}
    assert told["shots"]["shot_002"] == each
    after = studio.ledger.budget("attic")
    assert (after.spent - before.spent, after.reserved) == (parse_money("0.006"), ZERO)


def test_what_a_choice_costs_goes_by_the_frame_that_is_chosen(studio: Studio) -> None:
    paid(studio, request_of(studio, Kind.VIDEO, Direction()))
    film, record = studio.ledger.films.read("attic"), studio.ledger.shots.read("attic", "shot_001")
    told = choosing(studio.gateway, film, record, [FIRST, OTHER])
    assert told == {FIRST: "costs up to 0.00042 USD", OTHER: "costs up to 0.03042 USD"}


async def test_a_retake_without_seeds_is_priced_as_the_note_will_have_it(
    studio: Studio, ada: httpx.AsyncClient
) -> None:
    studio.film("cellar", providers={**FAKE, "image": SEEDLESS}, stop_after="frames")
    studio.gate("cellar", OTHER)
    paid(studio, request_of(studio, Kind.IMAGE, Direction(), "cellar"))
    answer = await ada.get("/films/cellar/prices", params={"shot_id": "shot_001"})
    told = answer.json()["shots"]["shot_001"]
    assert told["takes"] is False
    assert float(told["retake_usd"]) > 0
    assert told["approve_usd"] == "0.00"


async def test_takes_that_are_still_to_be_made_count_in_what_it_takes_to_finish(
    studio: Studio, ada: httpx.AsyncClient
) -> None:
    def rest() -> list[tuple[str, str]]:
        told = estimate_of_rest(studio.gateway, studio.ledger.films.read("attic")).shots[0]
        return [(line.kind, str(line.estimate_usd)) for line in told.lines]

    await send(ada, reject())
    assert [kind for kind, _ in rest()] == ["image", "video", "audio"]
    studio.gate(digest=OTHER)
    await send(ada, reject(digest=OTHER, takes=3))
    assert [line for line in rest() if line[0] == "image"] == [("image", "0.003")] * 3


@pytest.mark.parametrize(
    ("shot_ids", "status"),
    [(["no_such"], 404), ([], 422), (["shot_001"] * 101, 422), (["a b"], 422)],
)
async def test_prices_are_told_for_known_shots_and_a_hundred_at_most(
    ada: httpx.AsyncClient, shot_ids: list[str], status: int
) -> None:
    assert (await ada.get(PRICES, params={"shot_id": shot_ids})).status_code == status
