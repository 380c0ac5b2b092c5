"""What travels between clients, workflows and activities: names and small payloads only."""

from enum import StrEnum
from typing import Literal

from pydantic import Field

from filmforge.domain import Execution, Kind, Receipt, Stage
from filmforge.fields import Digest, Frozen, Identifier
from filmforge.quality import Verdict

FILM_WORKFLOW = "Film"
SHOT_WORKFLOW = "Shot"
SWEEP_WORKFLOW = "Sweep"
RHYTHM_WORKFLOW = "Rhythm"
GPU_WORK_WORKFLOW = "GpuWork"

# Why a film is running that is put together and delivered.
ASSEMBLING = "assembling"

ORCHESTRATION_QUEUE = "filmforge"
CPU_QUEUE = "filmforge-cpu"
GPU_QUEUE = "filmforge-gpu"

# What a killed worker was deciding is given to another one after this; the default is 10 s.
TASK_TIMEOUT_S = 5


def film_workflow_id(film_id: str) -> str:
    """The Temporal workflow id of a film."""
    return f"film/{film_id}"


def shot_workflow_id(film_id: str, shot_id: str) -> str:
    """The Temporal workflow id of a shot."""
    return f"film/{film_id}/shot/{shot_id}"


def rhythm_workflow_id(reference: str) -> str:
    """The Temporal workflow id of the search for the rhythm of a file."""
    return f"rhythm/{reference}"


def gpu_work_id(key: str) -> str:
    """The Temporal workflow id of a work for one's own GPU, by its request key."""
    return f"gpu/{key}"


class WorkState(Frozen):
    """Where a work for one's own GPU stands; `receipt` once it has ended by itself.

    Of a work that is `unknown` Temporal knows nothing, or nothing any more.
    """

    status: Literal["running", "ended", "failed", "cancelled", "unknown"]
    receipt: Receipt | None = None
    message: str = ""


class GpuQueue(Frozen):
    """Who works for one's own GPU, by Temporal's identity, and how many works wait for it."""

    workers: tuple[str, ...]
    waiting: int


class Progress(Frozen):
    """A film at a glance, answered from the workflow's own state."""

    execution: Execution
    shots: int
    done: int
    omitted: int
    active: int
    waiting: dict[str, str] = Field(description="reason by shot_id, of every shot that waits")


class Waiting(Frozen):
    """A shot that waits for a person or for budget; `position` is its place in the film.

    `since` and `deadline` are POSIX seconds; `reminded` counts the reminders sent.
    """

    position: int
    reason: str
    digest: Digest | None = None
    since: float = 0
    deadline: float | None = None
    reminded: int = 0


class FilmOrder(Frozen):
    """The input of the film workflow.

    `stop_after` overrides what the film asked for when it is resumed. The rest is state that
    the workflow hands to its next run when its history has grown: `cursor` is the position of
    the first shot not yet looked at, `requeue` holds positions to be shot again, `short` tells
    that some of them were parked for money under the same limit.
    """

    film_id: Identifier
    stop_after: Stage | None = None
    cursor: int = 0
    requeue: tuple[int, ...] = ()
    waiting: dict[str, Waiting] = {}
    short: bool = False
    done: int = 0
    omitted: int = 0


class ShotPlan(Frozen):
    """What the film needs to know of a shot to start it; a `sound` is one without pictures.

    `takes` is how many frames were asked for at once.
    """

    shot_id: Identifier
    position: int
    has_dialogue: bool
    approval: bool
    own_clip: bool
    finished: bool
    omitted: bool
    sound: bool = False
    takes: int = 1


class FilmPlan(Frozen):
    """What the film workflow needs to know of its film; `timeout_s` in seconds.

    Its `shots` are all that is worked on: sounds that are to be made follow the film's own. A film
    that has `ended` or is being cancelled is not to be worked on.
    """

    shots: int
    stop_after: Stage
    window: int
    timeout_s: int | None
    on_timeout: Literal["approve", "skip", "wait"]
    reminder_s: int
    deliveries: int = 0
    ended: bool = False


class ShotOrder(Frozen):
    """The input of the shot workflow; with `own_clip` a person uploaded the clip.

    Of a `sound` nothing but the sound is made. The last of the `takes` is the frame of the shot.
    """

    film_id: Identifier
    shot_id: Identifier
    has_dialogue: bool
    approval: bool
    own_clip: bool
    stop_after: Stage
    sound: bool = False
    takes: int = 1


class ShotOutcome(StrEnum):
    """How a run of the shot workflow ended."""

    DONE = "done"
    GATE = "gate"
    ATTENTION = "attention"
    BUDGET = "budget"
    CANCELLED = "cancelled"


class ShotResult(Frozen):
    """The result of the shot workflow; `reason` says why it waits, `digest` what is judged."""

    outcome: ShotOutcome
    reason: str = ""
    digest: Digest | None = None


class GenerateOrder(Frozen):
    """The input of `generate`: which asset of which shot.

    Of takes that were asked for at once only the last is used: the others, so many
    `before_last`, are kept to be chosen from.
    """

    film_id: Identifier
    shot_id: Identifier
    kind: Kind
    before_last: int = 0


class Generated(Frozen):
    """The result of `generate`."""

    digest: Digest
    request_key: Digest
    reused: bool


class GateOrder(Frozen):
    """The input of `open_gate`: which frame waits for a person."""

    film_id: Identifier
    shot_id: Identifier
    digest: Digest


class GateState(Frozen):
    """Whether the frame waits, or was approved before."""

    approved: bool


class ConformOrder(Frozen):
    """The input of `conform`: the clip and voice of a shot become one piece of the film."""

    film_id: Identifier
    shot_id: Identifier


class Conformed(Verdict):
    """The result of `conform`: what its check came to; no piece is made unless it passes.

    `retake` are the takes that are to be made again, by kind.
    """

    retake: dict[Kind, Digest] = {}


class RemakeOrder(Frozen):
    """The input of `remake`: takes that are to be made again, and why."""

    film_id: Identifier
    shot_id: Identifier
    takes: dict[Kind, Digest]
    why: str


class ShotNews(Frozen):
    """A change of a shot that the workflow records in the read model.

    One that has `landed` needs no further step to be part of the film.
    """

    film_id: Identifier
    shot_id: Identifier
    outcome: ShotOutcome
    reason: str = ""
    message: str = ""
    landed: bool = False


class FilmNews(Frozen):
    """A change of a film that the workflow records in the read model.

    The `message` says in words what went wrong and what helps.
    """

    film_id: Identifier
    execution: Execution
    reason: str | None = None
    message: str = ""


class Page(Frozen):
    """The input of `plan_shots`: which positions of the film to look at."""

    film_id: Identifier
    positions: tuple[int, ...]


class Reminder(Frozen):
    """The input of `remind`: frames that have waited long, as (shot id, digest)."""

    film_id: Identifier
    frames: tuple[tuple[Identifier, Digest], ...]


class AssembleOrder(Frozen):
    """The input of `assemble`."""

    film_id: Identifier


class Assembled(Frozen):
    """The result of `assemble`: the film as it was joined, None when it shows no shot.

    `stems` are its dialogue, effects and music by name, where the film asks for them.
    """

    digest: Digest | None = None
    stems: dict[str, Digest] = {}


class RhythmOrder(Frozen):
    """The input of `find_rhythm`: the digest of the reference film."""

    reference: Digest


class MasterOrder(Frozen):
    """The input of the steps that deliver a film: the digest is that of the film as joined."""

    film_id: Identifier
    digest: Digest
    stems: dict[str, Digest] = {}


class DeliveryOrder(Frozen):
    """The input of `deliver`: `place` counts the film's deliveries from 0."""

    film_id: Identifier
    digest: Digest
    place: int
