"""Standing: what a link to a frame is still good for, in words for a person."""

from dataclasses import dataclass
from datetime import datetime

from filmforge.domain import Execution, Review
from filmforge.errors import FilmError, NotFound, ServiceUnavailable
from filmforge.gateway.problems import refusal_of
from filmforge.gateway.state import Gateway
from filmforge.gateway.tokens import ExpiredLink, ForgedLink, FrameLink
from filmforge.ledger.gates import Gate

ENDING = (Execution.SUCCEEDED, Execution.CANCELLING, Execution.CANCELLED)


@dataclass(frozen=True)
class Notice:
    """Why nothing is decided; `status` is that of HTTP, `again` says whether trying can help."""

    code: str
    status: int
    title: str
    words: str
    again: bool = False


LEFT_OUT = Notice(
    "left_out",
    409,
    "This shot was left out of the film",
    "Somebody skipped it in the meantime, so there is nothing to decide.",
)
BUSY = Notice(
    "not_waiting",
    409,
    "The shot is being worked on",
    "Your click decided nothing: a decision or a change of this shot is under way. Look again in "
    "a minute; either this frame still waits then, or a newer one.",
    again=True,
)
FRAME_REPLACED = Notice(
    "frame_replaced",
    412,
    "There is a newer take of this frame",
    "The frame this link was made for has been replaced. The newer one waits at the review "
    "board of the film; look at it there, or use the link that was sent for it.",
)
FILM_NOT_RUNNING = Notice(
    "film_not_running",
    409,
    "The film is not running",
    "It has ended or was cancelled, so nothing can be decided now. Once the film is resumed, "
    "this link works again as long as it has not expired.",
)
UNAVAILABLE = Notice(
    "service_unavailable",
    503,
    "Nothing was decided",
    "The studio does not answer just now, and no decision is recorded. Please try again in a "
    "minute with the same link: it can decide only once.",
    again=True,
)


def frame_before(gateway: Gateway, link: FrameLink) -> Gate | Notice:
    """The open gate a link is for, or why it decides nothing."""
    try:
        gate = gateway.ledger.gates.read(link.gate_id)
    except NotFound:  # the very same frame was made again and is judged afresh
        return FRAME_REPLACED
    if gate.digest != link.digest or gate.state == "replaced":
        return FRAME_REPLACED
    if gate.state != "open":
        return _decided(gate, link)
    if gateway.ledger.films.read(gate.film_id).execution in ENDING:
        return FILM_NOT_RUNNING
    shot = gateway.ledger.shots.read(gate.film_id, gate.shot_id)
    return LEFT_OUT if shot.review == Review.OMITTED else gate


def of_error(error: FilmError) -> Notice:
    """What to say about a link or a body that cannot be used, or a server that is away."""
    match error:
        case ForgedLink():
            words = "It was changed, cut short or made elsewhere. Ask for a new link."
            return Notice(error.code, 403, "This link is not genuine", words)
        case ExpiredLink():
            words = f"For your safety {error}. Ask for a new link, or open the review board."
            return Notice(error.code, 410, "This link has expired", words)
        case ServiceUnavailable():
            return UNAVAILABLE
    refusal = refusal_of(error)
    title = "That could not be used, and nothing was decided"
    return Notice(refusal.word, refusal.status, title, str(refusal), again=True)


def _decided(gate: Gate, link: FrameLink) -> Notice:
    verdict = f"{gate.state} by {gate.who}{_at(gate.decided_at)}"
    if gate.link_id == link.link_id:
        words = f"It decided this frame already: {verdict}. A link decides once only."
        return Notice("link_used", 409, "This link was used already", words)
    words = f"Somebody was faster, by another way: the frame was {verdict}."
    return Notice("already_decided", 409, "This frame is decided already", words)


def _at(moment: datetime | None) -> str:
    return f" at {moment:%Y-%m-%d %H:%M} UTC" if moment else ""
