"""What is known about the making of a film or of one take: the plain facts that are signed."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import AfterValidator, AwareDatetime, Field, StringConstraints

from filmforge.fields import Digest, Frozen, Identifier, Label, Prompt, plain_text

MAX_MADE = 50_000
_IPTC = "http://cv.iptc.org/newscodes/digitalsourcetype/"


class Role(StrEnum):
    """What a generated or supplied file is to the film."""

    FRAME = "frame"
    CLIP = "clip"
    VOICE = "voice"
    MUSIC = "music"
    AMBIENCE = "ambience"
    EFFECT = "effect"


class Source(StrEnum):
    """Where pictures and sound come from, in IPTC's words (cv.iptc.org, digitalsourcetype)."""

    TRAINED = f"{_IPTC}trainedAlgorithmicMedia"
    ALGORITHM = f"{_IPTC}algorithmicMedia"
    COMPOSITE = f"{_IPTC}composite"
    COMPOSITE_WITH_TRAINED = f"{_IPTC}compositeWithTrainedAlgorithmicMedia"


# Drawn and spoken by plain programs on this machine: no trained model has a part in them.
_ALGORITHMS = frozenset({"preview", "fake"})


class MadeWith(Frozen):
    """One file and the model that made it; `provider` is "upload" for one a person supplied.

    `used` says whether the file is in the film or was a take that was left out; `name` is what a
    voice or a piece of music is called.
    """

    role: Role
    provider: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
    model: Annotated[
        str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._/-]*$", max_length=200)
    ]
    shot_id: Identifier | None = None
    take: Annotated[int, Field(ge=1, le=1_000_000)] = 1
    digest: Digest
    request_key: Digest
    reused: bool = False
    used: bool = True
    name: Label | None = None
    prompt: Prompt | None = None

    @property
    def maker(self) -> str:
        """The model as "provider:model"."""
        return f"{self.provider}:{self.model}"

    @property
    def supplied(self) -> bool:
        """Whether a person supplied the file, so that nobody here knows what made it."""
        return self.provider == "upload"

    @property
    def source(self) -> Source | None:
        """The digital source type; None for a supplied file."""
        if self.supplied:
            return None
        return Source.ALGORITHM if self.provider in _ALGORITHMS else Source.TRAINED


class Approved(Frozen):
    """A person said yes to a shot, or without `shot_id` to the whole.

    `by` is written as given into a file that anyone may read: a name, a role, or nothing.
    """

    by: Label | None = None
    at: AwareDatetime | None = None
    shot_id: Identifier | None = None


class Edit(Frozen):
    """What was done to the pictures or the sound; `action` is C2PA's word for it (2.x, actions)."""

    action: Literal[
        "addedText",
        "adjustedColor",
        "changedSpeed",
        "cropped",
        "dubbed",
        "edited",
        "enhanced",
        "filtered",
        "resized",
        "transcoded",
        "trimmed",
    ]
    description: Label


class Claim(Frozen):
    """Everything a signed file says about itself.

    `made_with` is what it was made from; `itself` is given when the file is one take. A prompt is
    written only if `with_prompts`. The claim is the same for the same film; time and chance come
    in when it is signed.
    """

    title: Annotated[str, StringConstraints(max_length=200), AfterValidator(plain_text)] = ""
    itself: MadeWith | None = None
    made_with: Annotated[tuple[MadeWith, ...], Field(max_length=MAX_MADE)] = ()
    edits: Annotated[tuple[Edit, ...], Field(max_length=100)] = ()
    approvals: Annotated[tuple[Approved, ...], Field(max_length=MAX_MADE)] = ()
    with_prompts: bool = False

    @property
    def parts(self) -> tuple[MadeWith, ...]:
        """What the file was really made from: takes that were left out are not named."""
        return tuple(made for made in self.made_with if made.used)

    @property
    def source(self) -> Source | None:
        """The digital source type of the whole; None for a single file that a person supplied."""
        if self.itself:
            return self.itself.source
        sources = {made.source for made in self.parts}
        if Source.TRAINED in sources:
            return Source.COMPOSITE_WITH_TRAINED
        return Source.COMPOSITE if None in sources else Source.ALGORITHM
