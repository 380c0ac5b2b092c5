"""Where a film stands, read from the document the API answers with."""

from typing import Any, NamedTuple

Film = dict[str, Any]

ENDED = ("succeeded", "cancelled")
_MOVING = ("queued", "running", "cancelling")


def ended(film: Film) -> bool:
    """Whether nothing more happens to the film by itself or by a person's decision."""
    return film["execution"] in ENDED


def worked_on(film: Film) -> list[Film]:
    """Every shot of a film, and every sound that a model makes for it."""
    return [*film["shots"], *film.get("sounds", ())]


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
        shot["execution"] in _MOVING and not waits_for_person(shot) for shot in worked_on(film)
    )


def stands_still(film: Film) -> bool:
    """Whether the film can't go on until a person does something."""
    if ended(film):
        return False
    running = any(s["execution"] == "running" and not waits_for_person(s) for s in worked_on(film))
    if film["execution"] == "needs_attention":
        return not running
    return not moving(film) and any(map(waits_for_person, worked_on(film)))


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
        for shot in worked_on(film)
        if waits_for_person(shot)
    ]
    if not asked and film["execution"] == "needs_attention":
        asked = [_wish_for_film(film)]
    return asked


def found_lines(film: Film, most: int = 10) -> list[str]:
    """What was found in a film's newest takes and files, or left out, that is no reason to wait."""
    newest = {
        (shot["shot_id"], take["kind"]): take
        for shot in worked_on(film)
        for take in shot.get("takes") or ()
    }
    checked = [(f"{shot_id} {kind}", take) for (shot_id, kind), take in newest.items()]
    checked += [(made["kind"], made) for made in film.get("outputs") or ()]
    lines = [
        f"{name}: {words}"
        for name, each in checked
        if (found := each.get("checked")) and found["outcome"] == "warn"
        for words in found["words"]
    ]
    return _at_most([*film.get("remarks", ()), *lines], most)


def asked_lines(film: Film, most: int = 10) -> list[str]:
    """What a person is asked to do, a line each, the last one counting what is left out."""
    return _at_most([str(wish) for wish in wants(film)], most)


def _at_most(lines: list[str], most: int) -> list[str]:
    if len(lines) <= most:
        return lines
    return [*lines[: most - 1], f"and {len(lines) - most + 1} more"]


def _wish_for_film(film: Film) -> Wish:
    film_id, reason = film["film_id"], film.get("reason") or "no reason given"
    what = f"the film needs attention, {reason}"
    if reason != "quality":
        said = f" ({film['message']})" if film.get("message") else ""
        return Wish(f"{what}{said}", f"filmforge cancel|resume {film_id}")
    held = [made for made in film.get("outputs") or () if made["kind"] == "assembled"]
    words = [words for made in held for words in (made.get("checked") or {}).get("words", ())]
    return Wish(f"{what} ({'; '.join(words)})", f"filmforge accept {film_id}")


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
    verbs = "accept|retry|replace|skip" if reason == "quality" else "retry|replace|skip"
    command = f"filmforge {verbs} {film_id} {shot_id}"
    return Wish(f"{shot_id} needs attention, {reason}{said}", command)


def _more_money(film_id: str, shot_id: str, message: str) -> Wish:
    """Which limit is to be raised: the message ends with the scope that had no room."""
    scope = message.rpartition(" in ")[2]
    if scope.startswith("project:"):
        return Wish(f"{shot_id} does not fit the cap {scope}", f"filmforge caps set {scope} LIMIT")
    if scope.startswith("month:"):
        return Wish(f"{shot_id} does not fit the cap {scope}", "filmforge caps set month LIMIT")
    return Wish(f"{shot_id} does not fit the budget", f"filmforge budget {film_id} LIMIT")
