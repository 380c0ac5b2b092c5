"""A long film in every state, written into a ledger as a run of it would have."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import insert, update

from filmforge.brief import read_film
from filmforge.domain import Execution, Review
from filmforge.ledger import Ledger
from filmforge.ledger.database import now
from filmforge.ledger.tables import assets, charges, events, films, gates, journal, shots, takes

STATES = (
    (Review.DONE, Execution.SUCCEEDED),
    (Review.WFA, Execution.RUNNING),
    (Review.WIP, Execution.RUNNING),
    (Review.RETAKE, Execution.QUEUED),
    (Review.READY, Execution.QUEUED),
    (Review.WIP, Execution.NEEDS_ATTENTION),
)
EVENTS_A_SHOT = 12


def long_film(ledger: Ledger, count: int, film_id: str = "long") -> None:
    """A film of so many shots, each with two takes that were paid for."""
    listed = [
        {
            "shot_id": f"shot_{n:04d}",
            "enhanced_prompt": f"Number {n}: a woman walks along a road in the rain. " * 8,
            "duration": 4,
            "dialogue": f"This is line {n}.",
            "shot_type": "wide",
        }
        for n in range(count)
    ]
    body = {"film_id": film_id, "title": "Long", "approval": {"frames": "required"}}
    ledger.films.create(read_film({**body, "shots": listed}), Decimal(1_000))
    began = now() - timedelta(hours=1)
    rows: dict[Any, list[dict[str, Any]]] = {table: [] for table in _TABLES}
    for n in range(count):
        _shot(rows, film_id, f"shot_{n:04d}", n)
    with ledger.db.write() as tx:
        tx.execute(update(films).where(films.c.film_id == film_id).values(created_at=began))
        for n in range(count):
            review, execution = STATES[n % len(STATES)]
            mine = (shots.c.film_id == film_id, shots.c.position == n)
            values = {"image_digest": _digest(film_id, n, 2), "updated_at": now()}
            tx.execute(
                update(shots).where(*mine).values(review=review, execution=execution, **values)
            )
        for table in filter(rows.get, _TABLES):
            tx.execute(insert(table), rows[table])


# In the order in which they refer to each other.
_TABLES = (assets, journal, charges, takes, gates, events)


def _digest(film_id: str, number: int, take: int) -> str:
    return f"{film_id.encode().hex():0<40}{number:016x}{take:08x}"


def _shot(rows: dict[Any, list[dict[str, Any]]], film_id: str, shot_id: str, n: int) -> None:
    place = {"film_id": film_id, "shot_id": shot_id}
    made = {"provider": "fake", "model": "image-1"}
    for take in (1, 2):
        digest = _digest(film_id, n, take)
        rows[assets].append(
            {**made, "digest": digest, "kind": "image", "media_type": "image/png", "size": 1,
             "prompt": "", "cost_micros": 3_000, "created_at": now()}
        )  # fmt: skip
        rows[journal].append(
            {**place, "request_key": digest, "state": "succeeded", "request": {}, "account": "x",
             "provider": "fake", "intent": "", "estimate_micros": 3_000, "scopes": [],
             "digest": digest, "created_at": now(), "updated_at": now()}
        )  # fmt: skip
        rows[charges].append(
            {**place, **made, "request_key": digest, "kind": "image", "submit": 1,
             "micros": 3_000, "scopes": [], "why": "made", "at": now()}
        )  # fmt: skip
        rows[takes].append(
            {**place, **made, "kind": "image", "take": take, "request_key": digest,
             "digest": digest, "cost_micros": 3_000, "saved_micros": 0, "reused": False,
             "at": now()}
        )  # fmt: skip
    if STATES[n % len(STATES)][0] is Review.WFA:
        rows[gates].append(
            {
                **place,
                "gate_id": digest[:8] + digest[-24:],
                "digest": digest,
                "state": "open",
                "opened_at": now(),
            }
        )
    told = {"execution": "running", "review": "wip", "reason": None}
    rows[events] += [
        {**place, "at": now(), "type": "shot.changed", "data": told} for _ in range(EVENTS_A_SHOT)
    ]
