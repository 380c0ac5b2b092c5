"""Assets: found by what they show, by their words and by how often they were used."""

from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import update

from filmforge.domain import Kind, Tags
from filmforge.errors import NotFound
from filmforge.ledger import Ledger
from filmforge.ledger.assets import AssetQuery
from filmforge.ledger.tables import assets
from tests.ledger.conftest import add_film, asset, claim, digest, request

BARE = Tags()
MIRA = Tags(
    characters=("Mira", " Jon "),
    landscapes=("Attic",),
    styles=("ink", "noir"),
    mood="Tense",
    time_of_day="night",
    shot_type="wide",
)


@pytest.fixture(autouse=True)
def attic(ledger: Ledger) -> None:
    add_film(ledger)


def _keep(ledger: Ledger, prompt: str, tags: Tags = BARE, **changes: Any) -> str:
    made = request(prompt, **changes)
    ledger.journal.reserve(made, Decimal("0.1"), claim())
    ledger.journal.succeed(made.key, asset(prompt), tags, None)
    return asset(prompt).digest


def _find(ledger: Ledger, **query: Any) -> list[str]:
    return [found.prompt for found in ledger.assets.find(AssetQuery(**query))]


def test_an_asset_tells_where_it_comes_from(ledger: Ledger) -> None:
    kept = ledger.assets.read(_keep(ledger, "an attic", MIRA))
    assert (kept.asset, kept.cost, kept.prompt) == (asset("an attic"), Decimal("0.1"), "an attic")
    assert (kept.provider, kept.model, kept.kind) == ("fake", "image-1", "image")
    assert kept.request_key == request("an attic").key
    assert kept.tags["character"] == ("jon", "mira")


def test_an_asset_that_is_not_known_is_not_found(ledger: Ledger) -> None:
    with pytest.raises(NotFound, match=digest("nothing")):
        ledger.assets.read(digest("nothing"))


@pytest.mark.parametrize(
    "query",
    [
        {"character": ("mira",)},
        {"character": ("MIRA", "jon")},
        {"landscape": (" attic ",)},
        {"style": ("noir", "ink")},
        {"mood": "tense"},
        {"time_of_day": "Night"},
        {"shot_type": "wide"},
        {"kind": Kind.IMAGE, "mood": "tense"},
        {"mood": "tense", "text": "LAMP attic"},
    ],
    ids=str,
)
def test_an_asset_is_found_by_each_facet_and_by_all_of_them_together(
    ledger: Ledger, query: dict[str, Any]
) -> None:
    _keep(ledger, "a lamp in the attic", MIRA)
    _keep(ledger, "a lamp in the harbour", Tags(characters=("Ada",)))
    assert _find(ledger, **query) == ["a lamp in the attic"]


@pytest.mark.parametrize(
    "query",
    [
        {"character": ("mira", "ada")},
        {"character": ("mir",)},
        {"mood": "attic"},
        {"kind": Kind.AUDIO},
        {"text": "lamp harbour attic"},
    ],
    ids=str,
)
def test_one_value_that_does_not_match_is_enough_to_be_left_out(
    ledger: Ledger, query: dict[str, Any]
) -> None:
    _keep(ledger, "a lamp in the attic", MIRA)
    assert _find(ledger, **query) == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("100%", ["at 100% light"]),
        ("1%0", []),
        ("a_b", ["the word a_b"]),
        ("a/b", ["the word a/b"]),
        ("'", ["it's here"]),
    ],
)
def test_wildcards_in_the_text_are_plain_characters(
    ledger: Ledger, text: str, found: list[str]
) -> None:
    for prompt in ("at 100% light", "at 1000 light", "the word a_b", "the word a/b", "it's here"):
        _keep(ledger, prompt)
    _keep(ledger, "the word axb")
    assert _find(ledger, text=text) == found


@pytest.mark.parametrize("text", ["Élan", "ÉLAN", "élan", "ÜBER élan"])
def test_words_are_found_in_any_case_in_any_alphabet(ledger: Ledger, text: str) -> None:
    _keep(ledger, "Über allem ÉLAN")
    assert _find(ledger, text=text) == ["Über allem ÉLAN"]
    assert _find(ledger, text="дом") == []
    _keep(ledger, "Старый ДОМ")
    assert _find(ledger, text="дом") == ["Старый ДОМ"]


def test_the_most_reused_come_first_then_the_newest(ledger: Ledger) -> None:
    for prompt in ("old", "popular", "new"):
        _keep(ledger, prompt)
    with ledger.db.write() as tx:
        tx.execute(update(assets).where(assets.c.prompt == "popular").values(reuses=2))
    assert _find(ledger) == ["popular", "new", "old"]
    assert _find(ledger, limit=1, offset=1) == ["new"]


def test_the_same_bytes_made_twice_are_one_asset_that_remembers_its_first_origin(
    ledger: Ledger,
) -> None:
    _keep(ledger, "first", Tags(mood="calm"))
    again = request("second")
    ledger.journal.reserve(again, Decimal("0.2"), claim())
    ledger.journal.succeed(again.key, asset("first"), Tags(mood="tense"), None)
    kept = ledger.assets.read(asset("first").digest)
    assert (kept.prompt, kept.cost, kept.tags["mood"]) == ("first", Decimal("0.1"), ("calm",))


def test_the_values_of_a_facet_are_counted(ledger: Ledger) -> None:
    _keep(ledger, "one", MIRA)
    _keep(ledger, "two", Tags(styles=("INK",)))
    assert ledger.assets.values("style") == {"ink": 2, "noir": 1}


def test_words_spoken_are_found_like_prompts(ledger: Ledger) -> None:
    spoken = request(kind=Kind.AUDIO, parameters={"text": "It was here."})
    ledger.journal.reserve(spoken, Decimal(0), claim())
    ledger.journal.succeed(spoken.key, asset("voice", "audio/wav"), Tags(), None)
    assert _find(ledger, text="here", kind=Kind.AUDIO) == ["It was here."]
