"""Short words for what happens, what is owed of it, and a gateway that tells it."""

from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from typing import Any

from sqlalchemy import select, update

from filmforge.gateway.notify import run_notify
from filmforge.gateway.tidings import Line, Tidings
from filmforge.ledger.channels import TOPICS, Channel, ChannelKind
from filmforge.ledger.database import now
from filmforge.ledger.events import record_event
from filmforge.ledger.people_tables import notices
from tests.gateway.studio import Studio, beside
from tests.gateway.studio import until as until  # for the tests beside this

TITLE = "Attic <!channel> *&* @everyone"


def running(studio: Studio) -> AbstractAsyncContextManager[None]:
    return beside(run_notify, studio)


def channel(
    studio: Studio,
    address: str,
    kind: ChannelKind = ChannelKind.SLACK,
    batch_s: int = 0,
    **more: Any,
) -> Channel:
    wants = more.pop("wants", TOPICS)
    return studio.ledger.channels.add(
        kind, "Ada", address, "test", wants=wants, batch_s=batch_s, **more
    )


def tell(studio: Studio, type_: str = "film.done", film_id: str = "attic", **data: Any) -> None:
    with studio.ledger.db.write() as tx:
        record_event(tx, film_id, type_, data.pop("shot_id", None), **data)


def owed(studio: Studio) -> list[Any]:
    with studio.ledger.db.read() as tx:
        return list(tx.execute(select(notices).order_by(notices.c.event_id)))


def told(studio: Studio) -> bool:
    return bool(owed(studio)) and all(row.sent_at for row in owed(studio))


def over(studio: Studio) -> bool:
    """Whether nothing is owed any more."""
    return bool(owed(studio)) and not any(row.due_at for row in owed(studio))


def make_due(studio: Studio, **values: Any) -> None:
    with studio.ledger.db.write() as tx:
        past = now() - timedelta(seconds=1)
        tx.execute(
            update(notices).where(notices.c.due_at.is_not(None)).values(due_at=past, **values)
        )


def frames(studio: Studio, count: int, title: str = "Attic") -> None:
    """A film whose frames all wait."""
    shots = [
        {"shot_id": f"shot_{n:03d}", "enhanced_prompt": "A trunk.", "duration": 3}
        for n in range(1, count + 1)
    ]
    studio.film(title=title, shots=shots)
    for number, shot in enumerate(shots, 1):
        studio.gate(digest=f"{number:064x}", shot_id=str(shot["shot_id"]))


def long_tidings() -> Tidings:
    details = tuple("#" * 900 for _ in range(13))
    line = Line(words="*" * 1_000, details=details)
    link = f"https://films.example/review/films/{'t' * 900}"
    return Tidings(
        film_id="attic",
        title="_" * 80,
        subject="s" * 160,
        lines=(line,) * 11,
        link=link,
        link_words="Open the board of " + "_" * 80,
        signed=True,
    )
