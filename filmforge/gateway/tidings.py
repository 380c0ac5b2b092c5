"""Tidings: what one message says, in the same plain words for every channel."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from filmforge.fields import Frozen
from filmforge.gateway.state import Gateway
from filmforge.gateway.tokens import sign_board
from filmforge.gateway.wording import clip
from filmforge.ledger.channels import BLOCKED
from filmforge.ledger.events import Event
from filmforge.ledger.notices import Batch
from filmforge.money import format_money
from filmforge.settings import Settings

MOST_NAMED = 12
MOST_CHARS = 300
_MOST_TITLE_CHARS = 80
_MOST_SUBJECT_CHARS = 150

_REASONS = {
    "content_refused": "the provider refused the content",
    "create_ambiguous": "nobody knows whether a request was charged",
    "unknown": "nobody knows whether a request was charged",
    "provider_refused": "the provider refused the request",
    "provider_failed": "the provider failed",
    "provider_unavailable": "the provider does not answer",
    "provider_out_of_credit": "the account at the provider has no credit left",
    "provider_key_refused": "the provider does not take the key",
    "quality": "something was found in it",
    "budget_exceeded": "the budget does not allow it",
}


class Line(Frozen):
    """One thing that happened, and what it happened to."""

    words: str
    details: tuple[str, ...] = ()


class Tidings(Frozen):
    """What a message says of one film, with the one place to go from there."""

    film_id: str
    title: str
    subject: str
    lines: tuple[Line, ...]
    link: str
    link_words: str
    signed: bool
    events: tuple[Event, ...] = ()


def moot(gateway: Gateway, batch: Batch) -> dict[int, str]:
    """The events that there is nothing to tell of any more, by id, and why."""
    waiting = {(gate.shot_id, gate.digest) for gate in gateway.ledger.gates.waiting(batch.film_id)}
    found = {}
    for event in batch.events:
        if event.type in ("frame.waiting", "frame.reminder"):
            if (event.shot_id, event.data.get("digest")) not in waiting:
                found[event.id] = "the frame was decided before it was told"
        elif event.type == "shot.comment" and event.data.get("what", "added") != "added":
            found[event.id] = "nothing new was said"
    return found


def tidings(gateway: Gateway, batch: Batch) -> Tidings:
    """What is to be said of a batch, the most urgent first; reads the database."""
    film = gateway.ledger.films.read(batch.film_id)
    title = _line(film.brief.title or film.film_id, _MOST_TITLE_CHARS)
    by_type: dict[str, list[Event]] = {}
    for event in batch.events:
        topic = BLOCKED if event.type == "film.changed" else event.type
        by_type.setdefault(topic, []).append(event)
    known = [topic for topic in _SAID if topic in by_type]
    lines = [_SAID[topic](gateway, title, by_type[topic]) for topic in known]
    more = ", and more" if len(lines) > 1 else ""
    return Tidings(
        film_id=film.film_id,
        title=title,
        subject=clip(lines[0].words, _MOST_SUBJECT_CHARS) + more,
        lines=tuple(lines),
        link=_link(gateway.settings, film.film_id, batch.channel.signed_link),
        link_words=f"Open the board of {title}",
        signed=batch.channel.signed_link,
        events=batch.events,
    )


def trial(settings: Settings, name: str) -> Tidings:
    """What is said to see whether messages arrive."""
    words = f"This is a test message for {_line(name, _MOST_TITLE_CHARS)}: messages arrive here."
    return Tidings(
        film_id="",
        title="FilmForge",
        subject="FilmForge: a test message",
        lines=(Line(words=words),),
        link=f"{settings.public_url.rstrip('/')}/films",
        link_words="Open FilmForge",
        signed=False,
    )


def _link(settings: Settings, film_id: str, signed: bool) -> str:
    if signed:
        return sign_board(settings, film_id)
    return f"{settings.public_url.rstrip('/')}/films/{film_id}"


def _line(text: object, most: int = MOST_CHARS) -> str:
    """A text of a person or a provider on one line, not too long."""
    return clip(" ".join(str(text).split()), most)


def _named(details: Iterable[str]) -> tuple[str, ...]:
    """The details without repeats; of many the first and how many more there are."""
    each = tuple(dict.fromkeys(details))
    more = (f"and {len(each) - MOST_NAMED} more",) if len(each) > MOST_NAMED else ()
    return each[:MOST_NAMED] + more


def _shots(events: Sequence[Event]) -> int:
    return len({event.shot_id for event in events})


def _waiting(_gateway: Gateway, title: str, events: Sequence[Event], still: str = "") -> Line:
    count = _shots(events)
    words = f"1 frame of {title} {still}waits for you" if count == 1 else ""
    words = words or f"{count} frames of {title} {still}wait for you"
    return Line(words=words, details=_named(str(event.shot_id) for event in events))


def _reminder(gateway: Gateway, title: str, events: Sequence[Event]) -> Line:
    return _waiting(gateway, title, events, "still ")


def _troubles(_gateway: Gateway, title: str, events: Sequence[Event]) -> Line:
    def told(event: Event) -> str:
        reason = str(event.data.get("reason") or "")
        words = _REASONS.get(reason, reason.replace("_", " "))
        return f"{event.shot_id}: {words}" if words else str(event.shot_id)

    count = _shots(events)
    words = f"1 shot of {title} needs attention" if count == 1 else ""
    words = words or f"{count} shots of {title} need attention"
    return Line(words=words, details=_named(map(told, events)))


def _wanting(_gateway: Gateway, title: str, events: Sequence[Event]) -> Line:
    count = _shots(events)
    shots = f"a take of {title}" if count == 1 else f"takes of {count} shots of {title}"
    details = _named(f"{event.shot_id}: {_found(event)}" for event in events)
    return Line(words=f"Something was found in {shots}", details=details)


def _found(event: Event) -> str:
    words: Any = event.data.get("words") or ()
    return _line("; ".join(map(str, words)))


def _blocked(_gateway: Gateway, title: str, events: Sequence[Event]) -> Line:
    return Line(words=f"{title} cannot go on: {_line(events[-1].data.get('message'))}")


def _budget(gateway: Gateway, title: str, events: Sequence[Event]) -> Line:
    limit = format_money(gateway.ledger.budget(events[-1].film_id).limit)
    return Line(words=f"{title} has reached its budget of {limit} USD: raise it and it goes on")


def _film_wanting(_gateway: Gateway, title: str, events: Sequence[Event]) -> Line:
    return Line(words=f"Something was found in the film {title}: {_found(events[-1])}")


def _undelivered(_gateway: Gateway, title: str, events: Sequence[Event]) -> Line:
    details = (f"{e.data.get('kind')}: {_line(e.data.get('message'))}" for e in events)
    return Line(words=f"A file of {title} could not be made", details=_named(details))


def _notes(_gateway: Gateway, title: str, events: Sequence[Event]) -> Line:
    count = len(events)
    words = f"1 new note on {title}" if count == 1 else f"{count} new notes on {title}"
    details = (
        f"{e.shot_id}, {_line(e.data.get('who'), 60)}: {_line(e.data.get('text') or '…', 160)}"
        for e in events
    )
    return Line(words=words, details=_named(details))


def _done(_gateway: Gateway, title: str, _events: Sequence[Event]) -> Line:
    return Line(words=f"{title} is finished")


def _cancelled(_gateway: Gateway, title: str, _events: Sequence[Event]) -> Line:
    return Line(words=f"{title} was cancelled")


_SAID: dict[str, Callable[[Gateway, str, Sequence[Event]], Line]] = {
    BLOCKED: _blocked,
    "budget.reached": _budget,
    "shot.needs_attention": _troubles,
    "frame.waiting": _waiting,
    "frame.reminder": _reminder,
    "film.found_wanting": _film_wanting,
    "take.found_wanting": _wanting,
    "film.undelivered": _undelivered,
    "shot.comment": _notes,
    "film.done": _done,
    "film.cancelled": _cancelled,
}
