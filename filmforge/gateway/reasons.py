"""Reasons: why a shot or a film stands still, in plain words, and what may be chosen then.

This is the one table of them. What a provider or the machines said themselves is shown beside it.
"""

from dataclasses import dataclass
from enum import StrEnum


class Choice(StrEnum):
    """What a person may choose."""

    RETRY = "retry"
    PROVIDER = "provider"
    REPLACE = "replace"
    SKIP = "skip"
    ACCEPT = "accept"
    LOOK_AGAIN = "look_again"
    SEND_AGAIN = "send_again"
    WRITE_OFF = "write_off"
    BUDGET = "budget"
    RESUME = "resume"


_ANEW = (Choice.RETRY, Choice.PROVIDER, Choice.REPLACE, Choice.SKIP)
_ELSEWHERE = (Choice.PROVIDER, Choice.RETRY, Choice.REPLACE, Choice.SKIP)
_DOUBT = (Choice.LOOK_AGAIN, Choice.SEND_AGAIN, Choice.WRITE_OFF)
_AFTER_DOUBT = (Choice.PROVIDER, Choice.REPLACE, Choice.SKIP)


@dataclass(frozen=True)
class Reason:
    """Why something stands still: a headline, a sentence or two, and what may be chosen."""

    title: str
    words: str
    choices: tuple[Choice, ...] = _ANEW


OF_SHOTS = {
    "quality": Reason(
        "The quality check found something",
        "A take is there and paid for, but it did not pass the checks of this film. Look at it: "
        "accept it as it is, or have it made again.",
        (Choice.ACCEPT, *_ANEW),
    ),
    "create_ambiguous": Reason(
        "Nobody knows whether the provider took the request",
        "The request was sent and its answer was lost, so it may have been billed. Its price stays "
        "reserved until you choose. Looking again is always safe.",
        (*_DOUBT, *_AFTER_DOUBT),
    ),
    "written_off": Reason(
        "The lost request was written off",
        "Its price counts as spent. Nothing more comes of it, and the shot still has to be made.",
    ),
    "budget_exceeded": Reason(
        "It does not fit into the budget",
        "Nothing was sent. The shot goes on by itself once there is room for its price.",
        (Choice.BUDGET, Choice.PROVIDER, Choice.REPLACE, Choice.SKIP),
    ),
    "content_refused": Reason(
        "The provider refused the content",
        "Its rules do not allow this prompt, and it billed nothing. The same words will be refused "
        "again: change the prompt of the shot, or try a provider with other rules.",
        _ELSEWHERE,
    ),
    "provider_refused": Reason(
        "The provider refused the request",
        "It will not make this, and it billed nothing. Another provider may.",
        _ELSEWHERE,
    ),
    "provider_key_refused": Reason(
        "The provider does not take our key",
        "The key of this installation is wrong, has expired or may not use this model. Have it set "
        "right, then retry; or use another provider.",
        _ELSEWHERE,
    ),
    "provider_out_of_credit": Reason(
        "The account at the provider is empty",
        "Nothing was billed. Top the account up, then retry; or use another provider.",
        _ELSEWHERE,
    ),
    "provider_not_configured": Reason(
        "The provider is not set up here",
        "It has no key or address on this installation. Have it set up, or use another provider.",
        _ELSEWHERE,
    ),
    "provider_failed": Reason(
        "The provider failed to make it",
        "It took the request and gave up for good. What it billed for that, if anything, is among "
        "the costs. A retry is a new request.",
    ),
    "provider_unavailable": Reason(
        "The provider could not be reached",
        "It did not answer for a long time, and nothing was billed. Retry once it is back, or use "
        "another provider.",
    ),
    "provider_rate_limited": Reason(
        "The provider turned us away for now",
        "Too much was asked of the account at once. Nothing was billed; retry in a while.",
    ),
    "provider_busy": Reason(
        "There was no room at the provider",
        "As many requests as are allowed were under way. Nothing was sent; retry in a while.",
    ),
    "provider_error": Reason(
        "The provider could not be used",
        "What it said is below. A retry asks once more.",
    ),
    "cancelled": Reason(
        "The request was cancelled",
        "It was stopped before it came to anything. A retry is a new request.",
    ),
    "bad_input": Reason(
        "No model can make it as it is asked for",
        "Nothing was sent. Another model may, or change the shot.",
        _ELSEWHERE,
    ),
    "bad_media": Reason(
        "What came back cannot be used",
        "The file is broken, or not what it claims to be. It may have been billed: see the costs.",
    ),
    "media_tool_failed": Reason(
        "The shot could not be put together",
        "Its takes are there and paid for; joining them failed again and again. A retry uses them "
        "as they are. If it fails once more, replace the take that is broken.",
    ),
    "timed_out": Reason(
        "It took too long",
        "The work was given up after a very long time. What was paid for is kept, and a retry uses "
        "it.",
    ),
    "store_unavailable": Reason(
        "The file store did not answer",
        "Our own store was away for too long. What was paid for is kept; retry once it is back.",
    ),
    "work_dir_full": Reason(
        "The disk of the worker is full",
        "Nothing is lost: make room there, then retry.",
    ),
    "service_unavailable": Reason(
        "A server of ours did not answer",
        "It was away for too long. Nothing is lost; retry once it is back.",
    ),
    "not_found": Reason(
        "Something it needs is gone",
        "A file or a request that this shot counts on does not exist any more. A retry makes what "
        "is missing again.",
    ),
    "conflict": Reason(
        "It contradicted something that was already so",
        "Nothing was changed by it. A retry begins afresh.",
    ),
    "film_stopped": Reason(
        "The film was cancelled",
        "Nothing new is made for it until it is resumed.",
        (Choice.SKIP,),
    ),
    "internal_error": Reason(
        "An error of ours",
        "FilmForge itself failed here; the log of the worker says how. What was paid for is kept, "
        "and a retry uses it.",
    ),
    "attention": Reason(
        "The shot stands still",
        "It did not say why. What was paid for is kept, and a retry uses it.",
    ),
    "wfa": Reason(
        "The frame waits for approval",
        "Somebody has to approve or reject it on the board.",
        (),
    ),
}

OF_FILMS = {
    "quality": Reason(
        "The assembled film did not pass its checks",
        "It is held back and nobody has been given it. Let it out as it is, or have a shot made "
        "again and the film assembled anew.",
        (Choice.ACCEPT, Choice.RESUME),
    ),
    "assembly_failed": Reason(
        "The film could not be assembled",
        "Every shot is there and paid for; joining them failed. Assembling again costs nothing.",
        (Choice.RESUME,),
    ),
    "undelivered": Reason(
        "The film is ready but could not be delivered",
        "It was assembled and released; writing one of its deliveries failed. Trying again costs "
        "nothing.",
        (Choice.RESUME,),
    ),
    "assembling": Reason(
        "The film is being assembled", "This takes a while; it costs nothing.", ()
    ),
}

LEFT_BEHIND = Reason(
    "A lost request was left behind",
    "The shot went on without it, but nobody knows whether it was billed. Its price stays reserved "
    "until it is found or written off.",
    (Choice.LOOK_AGAIN, Choice.WRITE_OFF),
)


def of_shot(word: str | None) -> Reason:
    """Why a shot stands still; a provider's own word has no sentence of ours."""
    known = OF_SHOTS.get(word or "attention")
    return known or Reason(f"The provider says: {word}", "A retry asks it once more.")


def of_film(word: str | None) -> Reason:
    """Why a film itself stands still; beside its own reasons it may stop where a shot would."""
    own = OF_FILMS.get(word or "")
    if own:
        return own
    shared = of_shot(word)
    return Reason(shared.title, shared.words, (Choice.RESUME,))
