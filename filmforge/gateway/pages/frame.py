"""The page of one frame: the picture, what the shot is to be, and how it came to look so."""

from datetime import UTC, datetime
from typing import Any

from fastapi.responses import HTMLResponse

from filmforge.direction import directed
from filmforge.domain import Kind, Shot, Take
from filmforge.gateway.pages.priced import priced
from filmforge.gateway.rendering import page
from filmforge.gateway.state import Gateway
from filmforge.gateway.tokens import FrameLink
from filmforge.ledger.gates import Gate

TAKES_SHOWN = 12


def frame_page(gateway: Gateway, gate: Gate, link: FrameLink, token: str) -> HTMLResponse:
    """The page that shows an open gate and asks for the verdict."""
    ledger = gateway.ledger
    film = ledger.films.read(gate.film_id)
    record = ledger.shots.read(gate.film_id, gate.shot_id)
    shot = directed(record.shot, record.direction)
    history = [t for t in ledger.takes.of_shot(gate.film_id, gate.shot_id) if t.kind == Kind.IMAGE]
    takes = [_told(take, gate, token) for take in history[-TAKES_SHOWN:]]
    return page(
        "review.html",
        token=token,
        film_title=film.brief.title or film.film_id,
        number=record.position + 1,
        shots=film.shot_count,
        take=next((t.take for t in history if t.digest == gate.digest), len(history)),
        shot=shot,
        facts=facts_of(shot),
        takes=takes,
        price=priced(gateway, film, gate.shot_id),
        frame_url=_picture(token, gate.digest),
        width=film.brief.output.width,
        height=film.brief.output.height,
        expires=f"{datetime.fromtimestamp(link.expires_at, UTC):%Y-%m-%d %H:%M} UTC",
    )


def _told(take: Take, gate: Gate, token: str) -> dict[str, Any]:
    return {
        "number": take.take,
        "url": _picture(token, take.digest),
        "model": f"{take.provider}:{take.model}",
        "cost": take.cost,
        "reused": take.reused,
        "note": take.note,
        "current": take.digest == gate.digest,
    }


def _picture(token: str, digest: str) -> str:
    return f"/review/{token}/media/{digest}"


def facts_of(shot: Shot) -> list[tuple[str, str]]:
    """What the shot is to be, besides its prompt: names and values."""
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
