"""What a person may say of a film's sound: music, ambience, effects, ducking and loudness."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BeforeValidator,
    Field,
    PlainSerializer,
    WithJsonSchema,
    model_validator,
)

from filmforge.fields import Digest, Frozen, Identifier, ModelRef, Prompt, Seconds

MAX_FILM_S = 600_000
MAX_FADE_S = 60
MAX_CUES = 2_000

LOUDNESS_LUFS: Mapping[str, float] = {"web": -16.0, "broadcast": -23.0}
# EBU R128: what is delivered peaks nowhere above this, between its samples neither.
MAX_TRUE_PEAK_DBTP = -1.0
QUIETEST_LUFS, LOUDEST_LUFS = -36.0, -8.0
_LOUDNESS_TEXT = (
    'must be "web" (-16 LUFS), "broadcast" (-23 LUFS) or a number of LUFS '
    f"from {QUIETEST_LUFS:.0f} to {LOUDEST_LUFS:.0f}"
)


def _time(most: int) -> BeforeValidator:
    """Reads seconds from 0 to `most`, to the millisecond."""

    def read(value: Any) -> Decimal:
        if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
            raise ValueError("must be a number of seconds")
        try:
            seconds = Decimal(str(value))
        except ArithmeticError:
            raise ValueError("must be a number of seconds") from None
        if not seconds.is_finite() or not 0 <= seconds <= most:
            raise ValueError(f"must be from 0 to {most} seconds")
        if seconds != seconds.quantize(Decimal("0.001")):
            raise ValueError("must have at most three decimal places")
        return abs(seconds.normalize()) + 0

    return BeforeValidator(read)


def _loudness(value: Any) -> Any:
    if isinstance(value, str) and value in LOUDNESS_LUFS:
        return value
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(_LOUDNESS_TEXT)
    if not QUIETEST_LUFS <= value <= LOUDEST_LUFS:
        raise ValueError(_LOUDNESS_TEXT)
    return float(value)


_WRITTEN = PlainSerializer(lambda s: format(s, "f"), return_type=str)
Moment = Annotated[
    Decimal,
    _time(MAX_FILM_S),
    _WRITTEN,
    WithJsonSchema({"type": "number", "minimum": 0, "maximum": MAX_FILM_S}),
]
FadeSeconds = Annotated[
    Decimal,
    _time(MAX_FADE_S),
    _WRITTEN,
    WithJsonSchema({"type": "number", "minimum": 0, "maximum": MAX_FADE_S}),
]
GainDb = Annotated[float, Field(ge=-60, le=24, allow_inf_nan=False)]
LoweredDb = Annotated[float, Field(ge=-60, le=0, allow_inf_nan=False)]
Target = Annotated[Literal["web", "broadcast"] | float, BeforeValidator(_loudness)]


def target_lufs(target: Target) -> float:
    """The loudness that a target stands for, in LUFS."""
    return LOUDNESS_LUFS[target] if isinstance(target, str) else target


SoundLane = Literal["music", "ambience", "effects"]
LANES: tuple[SoundLane, ...] = ("music", "ambience", "effects")


class CuePlace(Frozen):
    """Which of a film's sounds is meant."""

    lane: SoundLane
    index: Annotated[int, Field(ge=0)]

    @property
    def shot_id(self) -> str:
        """What a sound that is made is called among the film's shots."""
        return f"{self.lane.removesuffix('s')}-{self.index + 1}"

    @property
    def field(self) -> str:
        """Where the cue stands in the film."""
        return f"sound.{self.lane}[{self.index}]"

    @property
    def makes(self) -> Literal["music", "effect"]:
        """What a model must make to make this sound."""
        return "music" if self.lane == "music" else "effect"


class GeneratedSound(Frozen):
    """A sound that a model makes: the film's audio model where none is named.

    Without a `duration` an effect has 4 s, ambience 20 s, and music as much as it lies under.
    """

    model: ModelRef | None = None
    prompt: Prompt
    duration: Seconds | None = None


class Cue(Frozen):
    """One sound: either the `digest` of an uploaded asset, or what is to be generated.

    `offset` is what is skipped of it, `fade_in` and `fade_out` last seconds, all of equal power.
    """

    digest: Digest | None = None
    generate: GeneratedSound | None = None
    offset: Moment = Decimal(0)
    gain_db: GainDb = 0.0
    fade_in: FadeSeconds = Decimal(0)
    fade_out: FadeSeconds = Decimal(0)
    loop: bool = False

    @model_validator(mode="after")
    def _has_one_source(self) -> Self:
        if (self.digest is None) == (self.generate is None):
            given = "both" if self.digest else "neither"
            raise ValueError(
                f"{given} of digest and generate is given. Name the digest of an uploaded sound, "
                'or {"prompt": ...} under generate, and not the other.'
            )
        return self


class _Stretch(Cue):
    """A sound that lasts from `start` to `end`; an end of None is that of what it lies under.

    A fade that was not asked for may be shortened to what there is.
    """

    start: Moment = Decimal(0)
    end: Moment | None = None

    @model_validator(mode="after")
    def _lasts(self) -> Self:
        if self.end is None:
            return self
        if self.end <= self.start:
            raise ValueError(
                f"end: {self.end:f} s is not after the start, {self.start:f} s. "
                "Make it later, or leave it out to play to the end."
            )
        lasts = self.end - self.start
        for name in self.model_fields_set & {"fade_in", "fade_out"}:
            if (fade := getattr(self, name)) > lasts:
                raise ValueError(
                    f"{name}: {fade:f} s is longer than the sound, which lasts {lasts:f} s. "
                    "Shorten the fade."
                )
        return self


class MusicCue(_Stretch):
    """Music over the film; `start` and `end` are seconds of the film."""

    gain_db: GainDb = -6.0
    fade_in: FadeSeconds = Decimal("0.5")
    fade_out: FadeSeconds = Decimal(2)


class AmbienceCue(_Stretch):
    """The sound of a place under a scene; `start` and `end` are seconds of the scene."""

    scene_id: Identifier
    gain_db: GainDb = -12.0
    fade_in: FadeSeconds = Decimal("0.5")
    fade_out: FadeSeconds = Decimal("0.5")
    loop: bool = True


class EffectCue(Cue):
    """One sound in a shot, from `at` seconds of the shot on; it may ring on after the shot."""

    shot_id: Identifier
    at: Moment = Decimal(0)
    loop: Literal[False] = False


class DuckingDb(Frozen):
    """By how many dB, from -60 to 0, sounds are lowered under dialogue."""

    music: LoweredDb = -12.0
    ambience: LoweredDb = -6.0
    production: LoweredDb = -8.0


class Sound(Frozen):
    """The sound of a film besides its dialogue and what its clips bring.

    `loudness` is "web" (-16 LUFS), "broadcast" (-23 LUFS), a number of LUFS, or null for a sound
    that stays as it was mixed; `stems` asks for dialogue, effects and music as files of their own.
    """

    music: Annotated[tuple[MusicCue, ...], Field(max_length=MAX_CUES)] = ()
    ambience: Annotated[tuple[AmbienceCue, ...], Field(max_length=MAX_CUES)] = ()
    effects: Annotated[tuple[EffectCue, ...], Field(max_length=MAX_CUES)] = ()
    ducking_db: DuckingDb = DuckingDb()
    loudness: Target | None = "web"
    stems: bool = False

    @property
    def generated(self) -> tuple[tuple[CuePlace, GeneratedSound], ...]:
        """The sounds that are to be made, in order, each with its place."""
        places = [CuePlace(lane=lane, index=n) for lane in LANES for n in range(self.count(lane))]
        wishes = [(place, self.at(place).generate) for place in places]
        return tuple((place, wish) for place, wish in wishes if wish)

    def count(self, lane: SoundLane) -> int:
        """How many cues stand in a lane."""
        return len(getattr(self, lane))

    def at(self, place: CuePlace) -> Cue:
        """The cue that stands at a place."""
        cue: Cue = getattr(self, place.lane)[place.index]
        return cue

    @property
    def digests(self) -> frozenset[str]:
        """The uploaded assets that are heard."""
        cues: tuple[Cue, ...] = (*self.music, *self.ambience, *self.effects)
        return frozenset(cue.digest for cue in cues if cue.digest)
