"""Costs: spent and saved told apart, by film, shot, provider, model, kind and month."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from sqlalchemy import update

from filmforge.domain import Kind, Tags
from filmforge.ledger import Ledger
from filmforge.ledger.costs import CostLine, month_bounds
from filmforge.ledger.tables import charges, takes
from tests.ledger.conftest import add_film, asset, claim, request


def _spend(ledger: Ledger, prompt: str, usd: str, at: str, shot: str = "s0") -> None:
    made = request(prompt)
    ledger.journal.reserve(made, Decimal(usd), claim(shot_id=shot))
    ledger.journal.succeed(made.key, asset(prompt), Tags(), None)
    with ledger.db.write() as tx:
        moment = datetime.fromisoformat(at)
        tx.execute(update(charges).where(charges.c.request_key == made.key).values(at=moment))


def _reuse(ledger: Ledger, prompt: str, film: str, at: str) -> None:
    ledger.takes.link(film, "s0", ledger.journal.read(request(prompt).key), None)
    with ledger.db.write() as tx:
        moment = datetime.fromisoformat(at)
        tx.execute(update(takes).where(takes.c.film_id == film).values(at=moment))


@pytest.fixture(autouse=True)
def films(ledger: Ledger) -> None:
    add_film(ledger)
    add_film(ledger, "harbour")


@pytest.mark.parametrize(
    ("month", "start", "end"),
    [
        ("2026-11", "2026-11-01T00:00Z", "2026-12-01T00:00Z"),
        ("2026-12", "2026-12-01T00:00Z", "2027-01-01T00:00Z"),
        ("2028-02", "2028-02-01T00:00Z", "2028-03-01T00:00Z"),
    ],
)
def test_a_month_ends_where_the_next_begins(month: str, start: str, end: str) -> None:
    assert month_bounds(month) == (datetime.fromisoformat(start), datetime.fromisoformat(end))


@pytest.mark.parametrize("month", ["2026-13", "2026-00", "2026", "november", ""])
def test_what_is_no_month_is_a_value_error(month: str) -> None:
    with pytest.raises(ValueError, match=r"does not match|unconverted data"):
        month_bounds(month)


def test_a_charge_belongs_to_its_month_in_utc_to_the_microsecond(ledger: Ledger) -> None:
    _spend(ledger, "last of october", "1", "2026-10-31T23:59:59.999999+00:00")
    _spend(ledger, "first of november", "2", "2026-11-01T00:00:00+00:00")
    _spend(ledger, "still november", "4", "2026-12-01T00:59:59.999999+01:00")
    _spend(ledger, "december", "0.5", "2026-12-01T00:00:00+00:00")
    spent = [ledger.costs.report(month=f"2026-{month}").spent for month in (10, 11, 12)]
    assert spent == [Decimal(1), Decimal(6), Decimal("0.5")]
    lines = ledger.costs.report().by["month"]
    assert [(line.name, line.spent) for line in lines] == [
        ("2026-10", Decimal(1)),
        ("2026-11", Decimal(6)),
        ("2026-12", Decimal("0.5")),
    ]


def test_what_was_saved_is_never_counted_as_spent(ledger: Ledger) -> None:
    _spend(ledger, "a lamp", "0.25", "2026-11-02T00:00:00+00:00")
    _reuse(ledger, "a lamp", "harbour", "2026-11-03T00:00:00+00:00")
    whole = ledger.costs.report()
    assert (whole.spent, whole.saved) == (Decimal("0.25"), Decimal("0.25"))
    other = ledger.costs.report("harbour")
    assert (other.spent, other.saved) == (0, Decimal("0.25"))
    line = {"spent": "0", "saved": "0.25", "charges": 0, "reuses": 1}
    assert other.by["shot"] == (CostLine.model_validate({"name": "harbour/s0", **line}),)


def test_costs_are_told_by_every_grouping(ledger: Ledger) -> None:
    _spend(ledger, "one", "1", "2026-11-02T00:00:00+00:00")
    _spend(ledger, "two", "2", "2026-11-02T00:00:00+00:00", shot="s1")
    report = ledger.costs.report("attic", "2026-11")
    assert {group: [line.name for line in lines] for group, lines in report.by.items()} == {
        "project": ["(none)"],
        "film": ["attic"],
        "shot": ["attic/s0", "attic/s1"],
        "provider": ["fake"],
        "model": ["fake:image-1"],
        "kind": ["image"],
        "month": ["2026-11"],
        "day": ["2026-11-02"],
    }
    assert all(sum(line.spent for line in lines) == 3 for lines in report.by.values())


def test_a_month_without_costs_is_empty(ledger: Ledger) -> None:
    report = ledger.costs.report(month="1999-12")
    assert (report.spent, report.saved, report.by["film"]) == (0, 0, ())


def test_points_in_time_come_back_in_utc(ledger: Ledger) -> None:
    _spend(ledger, "one", "1", "2026-11-01T00:00:00+05:00")
    (event,) = ledger.events.since("attic")[:1]
    assert event.at.tzinfo is UTC
    assert [line.name for line in ledger.costs.report().by["month"]] == ["2026-10"]


def test_projects_are_told_apart(ledger: Ledger) -> None:
    add_film(ledger, "cellar", project="pilot")
    ledger.journal.reserve(request("three"), Decimal(3), claim("cellar"))
    ledger.journal.succeed(request("three").key, asset("three"), Tags(), None)
    _spend(ledger, "one", "1", "2026-11-02T00:00:00+00:00")
    _reuse(ledger, "one", "cellar", "2026-11-03T00:00:00+00:00")
    lines = ledger.costs.report().by["project"]
    assert [(line.name, line.spent, line.saved) for line in lines] == [
        ("(none)", 1, 0),
        ("pilot", 3, 1),
    ]


def test_every_charge_is_a_line_oldest_first(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("filmforge.ledger.costs._PAGE", 2)
    add_film(ledger, "cellar", project="pilot")
    for number in range(5):
        _spend(ledger, f"shot {number}", "0.5", "2026-11-02T00:00:00+00:00")
    ledger.journal.reserve(request("last"), Decimal(3), claim("cellar"))
    ledger.journal.fail(request("last").key, "broken", "it broke", Decimal(2))
    lines = list(ledger.costs.lines())
    keys = [request(name).key for name in (*(f"shot {n}" for n in range(5)), "last")]
    assert [line.request_key for line in lines] == keys
    last = lines[-1].model_dump(mode="json", exclude={"at", "request_key"})
    assert last == {
        "film_id": "cellar",
        "project": "pilot",
        "shot_id": "s0",
        "kind": "image",
        "provider": "fake",
        "model": "image-1",
        "usd": "2.00",
        "why": "failed",
    }
    assert list(ledger.costs.lines(project="pilot")) == lines[-1:]
    assert list(ledger.costs.lines(film_id="attic", month="2026-11")) == lines[:5]
    assert list(ledger.costs.lines(film_id="attic", month="2026-12")) == []


def test_the_retake_rate_is_what_was_made_beyond_the_first_by_shot(ledger: Ledger) -> None:
    assert ledger.costs.retake_rate("attic") == 0
    for shot, prompt in (("s0", "one"), ("s0", "two"), ("s0", "three"), ("s1", "four")):
        _spend(ledger, prompt, "1", "2026-11-02T00:00:00+00:00", shot=shot)
        ledger.takes.link("attic", shot, ledger.journal.read(request(prompt).key), None)
    assert ledger.costs.retake_rate("attic") == 1
    ledger.takes.replace("attic", "s1", Kind.IMAGE, asset("one").digest, "ada")
    assert ledger.costs.retake_rate("attic") == 1
