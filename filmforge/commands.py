"""Commands: what people have a film do, and what became of it."""

from typing import Annotated, Literal

from pydantic import Field, JsonValue, StringConstraints

from filmforge.domain import Kind, Providers
from filmforge.fields import Digest, Frozen, Identifier, Note
from filmforge.money import Money

MOST_DECISIONS = 100
MOST_TAKES = 4

Who = Annotated[str, StringConstraints(min_length=1, max_length=200)]


class Decide(Frozen):
    """A person's verdict on one frame, bound to the frame's digest.

    `principal` is by what door they came, whatever name they gave; a rejection may ask for
    several new `takes`.
    """

    shot_id: Identifier
    digest: Digest
    verdict: Literal["approve", "reject"]
    note: Note = ""
    who: Who
    link_id: str = ""
    principal: str = ""
    takes: Annotated[int, Field(ge=1, le=MOST_TAKES)] = 1

    @property
    def judged(self) -> str:
        """The digest of the frame that must still wait."""
        return self.digest


class Choose(Frozen):
    """An older take's frame instead of the one that waits, which counts as approving it."""

    shot_id: Identifier
    digest: Digest
    instead_of: Digest
    verdict: Literal["choose"] = "choose"
    note: Note = ""
    who: Who
    principal: str = ""

    @property
    def judged(self) -> str:
        """The digest of the frame that must still wait."""
        return self.instead_of


Decided = Literal["accepted", "already_decided", "unknown_take"]
Decision = Annotated[Decide | Choose, Field(discriminator="verdict")]


class DecideMany(Frozen):
    """Decisions that reach a film together; each stands for itself."""

    decisions: Annotated[tuple[Decision, ...], Field(min_length=1, max_length=MOST_DECISIONS)]


class Seen(Frozen):
    """How a shot stood when somebody chose what to do about it.

    `submits` are those of its request in doubt, 0 without one. A command that comes with it is
    refused once the shot stands otherwise.
    """

    attempt: int
    reason: str | None = None
    submits: int = 0


class Retry(Frozen):
    """Make a shot again, with other parameters or another provider where given.

    `changes` replaces fields of the shot: enhanced_prompt, negative_prompt, seed, duration,
    dialogue, camera, mood, time_of_day, shot_type, characters, landscapes, styles.
    """

    shot_id: Identifier
    changes: dict[str, JsonValue] = {}
    providers: Providers = Providers()
    who: Who
    seen: Seen | None = None


class Skip(Frozen):
    """Leave a shot out of the film."""

    shot_id: Identifier
    who: Who
    seen: Seen | None = None


class Replace(Frozen):
    """Use a stored asset in place of a generated one."""

    shot_id: Identifier
    kind: Kind
    digest: Digest
    who: Who
    seen: Seen | None = None


class Resolve(Frozen):
    """Say what is to be done about a request whose answer was lost."""

    shot_id: Identifier
    choice: Literal["look_again", "send_again", "write_off"]
    who: Who
    seen: Seen | None = None


class Accept(Frozen):
    """Take a shot, or with no shot named the whole film, as it is whatever was found in it.

    `digest` is the assembled film that was seen: another one is not accepted.
    """

    shot_id: Identifier | None = None
    who: Who
    seen: Seen | None = None
    digest: Digest | None = None


class SetBudget(Frozen):
    """Raise or lower the limit of a film, if it is still `seen_limit_usd` where that is given."""

    limit_usd: Money
    who: Who
    seen_limit_usd: Money | None = None


class TryAgain(Frozen):
    """Assemble and deliver a film once more that could not be."""

    who: Who


class Cancel(Frozen):
    """Stop spending now and keep what was paid for."""

    who: Who


class Answer(Frozen):
    """What became of a command; `outcome` is a stable word, `message` is for people."""

    outcome: Literal[
        "accepted", "already_decided", "replaced", "not_waiting", "unknown_shot", "unknown_take"
    ]
    message: str


class Answers(Frozen):
    """What became of each of many decisions, in their order."""

    answers: tuple[Answer, ...]


class Command(Frozen):
    """A person's command with the film it is for, as an activity records it, once for its id."""

    film_id: Identifier
    command_id: str
    decide: Decide | None = None
    decide_many: DecideMany | None = None
    retry: Retry | None = None
    skip: Skip | None = None
    replace: Replace | None = None
    resolve: Resolve | None = None
    accept: Accept | None = None
    budget: SetBudget | None = None
    cancel: Cancel | None = None


class Recorded(Frozen):
    """What a command was recorded for: the shot's place, and how it stood before.

    A decision whose `outcome` is not accepted changed nothing. Of many decisions there is `each`.
    """

    position: int = 0
    was_done: bool = False
    was_omitted: bool = False
    outcome: Decided = "accepted"
    each: tuple["Recorded", ...] = ()
