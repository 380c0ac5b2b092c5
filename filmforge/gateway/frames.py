"""The page of one frame: the picture, what the shot is to be, and how it came to look so."""

from datetime import UTC, datetime
from typing import Any

from fastapi.responses import HTMLResponse

from filmforge.direction import directed
from filmforge.domain import Kind, Shot, Take
from filmforge.gateway.pages import page
from filmforge.gateway.state import Gateway
from filmforge.gateway.tokens import FrameLink
from filmforge.ledger.gates import Gate

TAKES_SHOWN = 12


def frame_page(gateway: Gateway, gate: Gate, link: FrameLink, token: str) -> HTMLResponse:
    """The page that shows an open gate and asks for the verdict."""
    ledger, store = gateway.ledger, gateway.store
    film = ledger.films.read(gate.film_id)
    record = ledger.shots.read(gate.film_id, gate.shot_id)
    shot = directed(record.shot, record.direction)
    history = [t for t in ledger.takes.of_shot(gate.film_id, gate.shot_id) if t.kind == Kind.IMAGE]
    takes = [_told(gateway, take, gate) for take in history[-TAKES_SHOWN:]]
    frame_url = store.url(gate.digest)
    return page(
        "review.html",
        pictures=[frame_url, *(take["url"] for take in takes)],
        token=token,
        film_title=film.brief.title or film.film_id,
        number=record.position + 1,
        shots=film.shot_count,
        take=next((t.take for t in history if t.digest == gate.digest), len(history)),
        shot=shot,
        facts=_facts(shot),
        takes=takes,
        frame_url=frame_url,
        width=film.brief.output.width,
        height=film.brief.output.height,
        expires=f"{datetime.fromtimestamp(link.expires_at, UTC):%Y-%m-%d %H:%M} UTC",
    )


def _told(gateway: Gateway, take: Take, gate: Gate) -> dict[str, Any]:
    return {
        "number": take.take,
        "url": gateway.store.url(take.digest),
        "model": f"{take.provider}:{take.model}",
        "cost": take.cost,
        "reused": take.reused,
        "note": take.note,
        "current": take.digest == gate.digest,
    }


def _facts(shot: Shot) -> list[tuple[str, str]]:
    facts = {
        "Dialogue": shot.dialogue,
        "Characters": ", ".join(shot.characters),
        "Landscapes": ", ".join(shot.landscapes),
        "Styles": ", ".join(shot.styles),
        "Mood": shot.mood,
        "Time of day": shot.time_of_day,
        "Camera": shot.camera,
        "Not wanted": shot.negative_prompt,
    }
    return [(name, value) for name, value in facts.items() if value]
