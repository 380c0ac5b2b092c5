"""The cast: what models of one's own know of a character, and what guides one shot."""

from typing import Annotated

from pydantic import AfterValidator, Field, JsonValue, StringConstraints

from filmforge.fields import Digest, Frozen, Identifier, Label, plain_text

MAX_REFERENCES = 4
IMAGE_GUIDES = ("source", "mask", "pose", "depth", "canny", "segmentation", "normal", "style")
VIDEO_GUIDES = ("last_frame", "clip")

Option = dict[Annotated[str, Field(max_length=40)], JsonValue]


class Lora(Frozen):
    """A LoRA by its name in the registry; `weight` 0 leaves it out, 1 applies it whole."""

    name: Identifier
    weight: Annotated[float, Field(ge=0, le=2)] = 1.0


class Character(Frozen):
    """What is known of a character, by digest: pictures of it, and its voice.

    `voice_text` is what is said in the voice, where a model must know it.
    """

    loras: Annotated[tuple[Lora, ...], Field(max_length=8)] = ()
    references: Annotated[tuple[Digest, ...], Field(max_length=MAX_REFERENCES)] = ()
    voice: Digest | None = None
    voice_text: Annotated[str, StringConstraints(max_length=500), AfterValidator(plain_text)] = ""


Cast = Annotated[dict[Label, Character], Field(max_length=200)]


class Guides(Frozen):
    """Pictures, by digest, that a shot is made after, where its model takes them.

    The frame: `source` is changed, within `mask` if there is one; `pose`, `depth`, `canny` (its
    edges), `segmentation` and `normal` are followed; `style` is looked like. The clip:
    `last_frame` is where it ends, `clip` what it is made from.
    """

    source: Digest | None = None
    mask: Digest | None = None
    pose: Digest | None = None
    depth: Digest | None = None
    canny: Digest | None = None
    segmentation: Digest | None = None
    normal: Digest | None = None
    style: Digest | None = None
    last_frame: Digest | None = None
    clip: Digest | None = None

    @property
    def given(self) -> dict[str, str]:
        """The digests that were given, by name."""
        return {name: digest for name, digest in self if digest}


class Options(Frozen):
    """What is said to a model in its own words, by the kind of what it makes."""

    image: Option = {}
    video: Option = {}
    audio: Option = {}

    def over(self, base: "Options") -> "Options":
        """These options, and those of `base` that were not given here."""
        return Options(
            image={**base.image, **self.image},
            video={**base.video, **self.video},
            audio={**base.audio, **self.audio},
        )
