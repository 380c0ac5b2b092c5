"""Where a film stands, read from the document the API answers with."""

from typing import Any, NamedTuple

Film = dict[str, Any]

ENDED = ("succeeded", "cancelled")
_MOVING = ("queued", "running", "cancelling")


def ended(film: Film) -> bool:
    """Whether nothing more happens to the film by itself or by a person's decision."""
    return film["execution"] in ENDED


def waits_for_person(shot: Film) -> bool:
    """Whether a shot stands still until somebody does something."""
    return (
        shot["review"] == "wfa"
        or shot["execution"] in ("needs_attention", "failed")
        or shot.get("reason") == "budget_exceeded"
    )


def moving(film: Film) -> bool:
    """Whether any shot goes on without a person."""
    return any(
        shot["execution"] in _MOVING and not waits_for_person(shot) for shot in film["shots"]
    )


def stands_still(film: Film) -> bool:
    """Whether the film can't go on until a person does something."""
    if ended(film):
        return False
    running = any(s["execution"] == "running" and not waits_for_person(s) for s in film["shots"])
    if film["execution"] == "needs_attention":
        return not running
    return not moving(film) and any(map(waits_for_person, film["shots"]))


def exit_status(film: Film) -> int:
    """0 for a film that is made, 1 for one that was cancelled, 3 for one that needs a person."""
    if film["execution"] == "succeeded":
        return 0
    return 1 if film["execution"] == "cancelled" else 3


class Wish(NamedTuple):
    """Something a person is asked to do: what, by which command, or at which address."""

    what: str
    command: str
    url: str = ""

    def __str__(self) -> str:
        """The whole of it in a line, to be read where nothing can be clicked."""
        return f"{self.what}: {self.url or self.command}"


def wants(film: Film) -> list[Wish]:
    """What a person is asked to do about a film."""
    links = {gate["shot_id"]: gate["review_url"] for gate in film.get("gates") or ()}
    asked = [
        _wish(film["film_id"], shot, links.get(shot["shot_id"], ""))
        for shot in film["shots"]
        if waits_for_person(shot)
    ]
    if not asked and film["execution"] == "needs_attention":
        reason = film.get("reason") or "no reason given"
        command = f"filmforge cancel|resume {film['film_id']}"
        asked = [Wish(f"the film needs attention, {reason}", command)]
    return asked


def asked_lines(film: Film, most: int = 10) -> list[str]:
    """What a person is asked to do, a line each, the last one counting what is left out."""
    wishes = wants(film)
    if len(wishes) <= most:
        return [str(wish) for wish in wishes]
    left = len(wishes) - most + 1
    return [*(str(wish) for wish in wishes[: most - 1]), f"and {left} more"]


def _wish(film_id: str, shot: Film, url: str) -> Wish:
    shot_id, reason = shot["shot_id"], shot.get("reason") or "no reason given"
    if shot["review"] == "wfa":
        what = f"{shot_id} waits for approval"
        return Wish(what, f"filmforge approve|reject {film_id} {shot_id}", url)
    if reason == "budget_exceeded":
        return _more_money(film_id, shot_id, str(shot.get("message") or ""))
    if reason == "create_ambiguous":
        choices = "look_again|send_again|write_off"
        return Wish(
            f"{shot_id} may have been charged without an answer",
            f"filmforge resolve {film_id} {shot_id} {choices}",
        )
    said = f" ({shot['message']})" if shot.get("message") else ""
    command = f"filmforge retry|replace|skip {film_id} {shot_id}"
    return Wish(f"{shot_id} needs attention, {reason}{said}", command)


def _more_money(film_id: str, shot_id: str, message: str) -> Wish:
    """Which limit is to be raised: the message ends with the scope that had no room."""
    scope = message.rpartition(" in ")[2]
    if scope.startswith("project:"):
        return Wish(f"{shot_id} does not fit the cap {scope}", f"filmforge caps set {scope} LIMIT")
    if scope.startswith("month:"):
        return Wish(f"{shot_id} does not fit the cap {scope}", "filmforge caps set month LIMIT")
    return Wish(f"{shot_id} does not fit the budget", f"filmforge budget {film_id} LIMIT")
