"""The nouns of a film: what a person submits, and what becomes of it."""

import hashlib
import json
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    Field,
    JsonValue,
    StringConstraints,
)

from filmforge.cast import Guides, Options
from filmforge.fields import (
    MAX_PROMPT_CHARS,
    Digest,
    Frozen,
    Identifier,
    Label,
    Labels,
    ModelRef,
    Note,
    Prompt,
    Seconds,
    plain_text,
)
from filmforge.money import Money
from filmforge.quality import Checked
from filmforge.transition import GivenTransition

_CANONICAL = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
)


class Kind(StrEnum):
    """What a generated asset is."""

    IMAGE = "image"
    VIDEO = "video"
    AUDIO = "audio"


class Review(StrEnum):
    """Where a shot stands with the people who judge it."""

    READY = "ready"
    WIP = "wip"
    WFA = "wfa"
    RETAKE = "retake"
    DONE = "done"
    OMITTED = "omitted"


class Execution(StrEnum):
    """Where a film or a shot stands with the machines."""

    QUEUED = "queued"
    RUNNING = "running"
    NEEDS_ATTENTION = "needs_attention"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLING = "cancelling"
    CANCELLED = "cancelled"


class Stage(StrEnum):
    """How far a film is made before it stops by itself."""

    FRAMES = "frames"
    CLIPS = "clips"
    FILM = "film"


class Providers(Frozen):
    """Which model makes each kind of asset, as "provider:model"."""

    image: ModelRef | None = None
    video: ModelRef | None = None
    audio: ModelRef | None = None

    def over(self, base: "Providers") -> "Providers":
        """These choices, and those of `base` where none was made here."""
        return Providers(
            image=self.image or base.image,
            video=self.video or base.video,
            audio=self.audio or base.audio,
        )


class Shot(Frozen):
    """One shot of the shot list, as submitted."""

    shot_id: Identifier
    shot_number: Annotated[int, Field(ge=0, le=1_000_000)] | None = None
    shot_type: Label = "medium"
    enhanced_prompt: Prompt
    negative_prompt: Annotated[
        str, StringConstraints(max_length=MAX_PROMPT_CHARS), AfterValidator(plain_text)
    ] = ""
    duration: Seconds
    dialogue: (
        Annotated[
            str,
            StringConstraints(max_length=MAX_PROMPT_CHARS, strip_whitespace=True),
            AfterValidator(plain_text),
        ]
        | None
    ) = None
    characters: Labels = ()
    landscapes: Labels = ()
    styles: Labels = ()
    mood: Label | None = None
    time_of_day: Label | None = None
    scene_id: Identifier | None = None
    seed: Annotated[int, Field(ge=0, le=2**31 - 1)] | None = None
    transition: GivenTransition | None = None
    camera: Label | None = None
    providers: Providers = Providers()
    guides: Guides = Guides()
    options: Options = Options()


class Direction(Frozen):
    """What people asked of a shot after it was submitted; it steers the next take.

    `notes` are reviewers' words, oldest first; a rejected frame adds a retake or several, and each
    moves the seed; `takes` is how many of them are still to be made. `changes` replaces shot
    fields; `providers` replaces models; `replaced` holds the digests of assets that stand in for
    generated ones: uploaded, or chosen among the takes. `fell_back` names the
    kinds whose model FilmForge itself replaced by its fallback. `accepted` are takes that are good
    enough for a person whatever was found in them; `remade` are takes of a kind
    that were made again because of what was found; each moves the seed of that kind alone.
    """

    notes: tuple[Note, ...] = ()
    retakes: int = 0
    takes: int = 1
    changes: dict[str, JsonValue] = {}
    providers: Providers = Providers()
    replaced: dict[Kind, Digest] = {}
    fell_back: tuple[Kind, ...] = ()
    accepted: tuple[Digest, ...] = ()
    remade: dict[Kind, tuple[Digest, ...]] = {}


class Ingredient(Frozen):
    """An asset that a request is made from: the frame of a clip, the pieces of a film."""

    role: Literal[
        "frame",
        "clip",
        "voice",
        "piece",
        "sound",
        "lut",
        "font",
        "film",
        "captions",
        "last_frame",
        "source",
        "mask",
        "pose",
        "depth",
        "canny",
        "segmentation",
        "normal",
        "style",
        "reference_1",
        "reference_2",
        "reference_3",
        "reference_4",
        "dataset",
    ]
    digest: Digest


class GenerationRequest(Frozen):
    """Everything that decides what a provider makes, and nothing else.

    Two equal requests have the same key, whatever film, take, machine or day they come from.
    """

    kind: Kind
    provider: str
    model: str
    parameters: dict[str, JsonValue]
    seed: int | None = None
    inputs: tuple[Ingredient, ...] = ()

    @property
    def key(self) -> str:
        """The request key: sha256 over canonical JSON (sorted keys, no spaces, UTF-8)."""
        body = self.model_dump(mode="json", exclude={"kind"})
        return hashlib.sha256(_CANONICAL.encode(body).encode()).hexdigest()


class Tags(Frozen):
    """What an asset is found by."""

    characters: Labels = ()
    landscapes: Labels = ()
    styles: Labels = ()
    mood: str | None = None
    time_of_day: str | None = None
    shot_type: str | None = None


class Asset(Frozen):
    """A stored file, named by the sha256 of its bytes; `size` in bytes, `duration_s` in seconds."""

    digest: Digest
    media_type: str
    size: int
    width: int | None = None
    height: int | None = None
    duration_s: float | None = None


class Take(Frozen):
    """One attempt at one kind of asset for one shot; `checked` once its quality was."""

    take: int
    kind: Kind
    provider: str
    model: str
    request_key: Digest
    digest: Digest
    cost: Money
    reused: bool
    note: str | None = None
    checked: Checked | None = None


class WorkInput(Frozen):
    """An asset that a GPU function works from; `url` is https, http or a data URI."""

    role: str
    digest: Digest
    url: str


class Work(Frozen):
    """An order for a GPU function: a request in the words in which it travels.

    `key` is the request key; whatever the function writes into the bucket stands under it, see
    `work_object`.
    """

    key: Digest
    function: Identifier
    parameters: dict[str, JsonValue] = {}
    seed: int | None = None
    inputs: tuple[WorkInput, ...] = ()


class Receipt(Frozen):
    """What came of a work, as its function says and keeps beside the output.

    `seconds` were worked by a processor named `gpu`, `load_s` more spent on loading for it; both
    are billed. `facts` are what was measured or chosen. Without a `digest` nothing was made:
    `held_by` is the call that is at it, otherwise `code` and `message` say what is wrong.
    """

    key: Digest
    call_id: str
    digest: Digest | None = None
    media_type: str = ""
    size: int = 0
    seconds: float = 0.0
    load_s: float = 0.0
    gpu: str = ""
    facts: dict[str, JsonValue] = {}
    held_by: str | None = None
    code: str | None = None
    message: str = ""


def work_object(key: str, name: str) -> str:
    """The object's key of what a GPU function keeps of a work: claim, receipt, output."""
    return f"work/{key[:2]}/{key}/{name}"
