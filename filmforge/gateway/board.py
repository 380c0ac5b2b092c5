"""The review board of a film: every shot's frame with where it stands, and the finished film."""

from decimal import Decimal
from typing import Any

from fastapi.responses import HTMLResponse

from filmforge.domain import Review, Take
from filmforge.gateway.pages import page
from filmforge.gateway.state import Gateway
from filmforge.gateway.tokens import sign_review
from filmforge.ledger.holds import HELD
from filmforge.ledger.outputs import FILM
from filmforge.ledger.shots import ShotRecord

CARDS_PER_PAGE = 100


def board_page(gateway: Gateway, film_id: str, start: int) -> HTMLResponse:
    """The board from one position of the film on; its links to open frames are fresh."""
    ledger, store = gateway.ledger, gateway.store
    film = ledger.films.read(film_id)
    tally = ledger.shots.tally(film_id)
    made = [store.url(d) for kind, d, _ in ledger.films.outputs(film_id) if kind in (FILM, HELD)]
    cards = _cards(gateway, film_id, start)
    later = start + CARDS_PER_PAGE
    return page(
        "board.html",
        pictures=[card["frame_url"] for card in cards if card["frame_url"]],
        films=made,
        title=film.brief.title or film_id,
        film=film,
        message=ledger.films.message(film),
        landed=tally.get(Review.DONE, 0) + tally.get(Review.OMITTED, 0),
        waiting=tally.get(Review.WFA, 0),
        budget=ledger.budget(film_id),
        outputs=made,
        cards=cards,
        earlier=max(0, start - CARDS_PER_PAGE) if start else None,
        later=later if later < film.shot_count else None,
    )


def _cards(gateway: Gateway, film_id: str, start: int) -> list[dict[str, Any]]:
    ledger = gateway.ledger
    records = ledger.shots.of_film(film_id, start, CARDS_PER_PAGE)
    takes = ledger.takes.of_film(film_id)
    open_gates = {gate.shot_id: gate for gate in ledger.gates.waiting(film_id)}
    cards = []
    for record in records:
        gate = open_gates.get(record.shot.shot_id)
        url = sign_review(gateway.settings, gate)[0] if gate else None
        cards.append(_card(gateway, record, takes.get(record.shot.shot_id, []), url))
    return cards


def _card(
    gateway: Gateway, record: ShotRecord, takes: list[Take], review_url: str | None
) -> dict[str, Any]:
    digest = record.image_digest
    return {
        "number": record.position + 1,
        "shot_id": record.shot.shot_id,
        "prompt": record.shot.enhanced_prompt,
        "review": record.review,
        "execution": record.execution,
        "reason": record.reason,
        "message": record.message,
        "cost": sum((take.cost for take in takes), Decimal(0)),
        "frame_url": gateway.store.url(digest) if digest else None,
        "review_url": review_url,
    }
