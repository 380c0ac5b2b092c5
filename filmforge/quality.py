"""How good is good enough: a film's policy for its takes, what was found, and the verdict."""

from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from filmforge.fields import Frozen, Pixels, Rate, Seconds


class Check(StrEnum):
    """What a take or a film is checked for."""

    BLACK = "black"
    FROZEN = "frozen"
    SILENT = "silent"
    CLIPPED = "clipped"
    DURATION = "duration"
    SIZE = "size"
    SHAPE = "shape"
    RATE = "rate"
    CORRUPT = "corrupt"
    BARS = "bars"
    LOUDNESS = "loudness"
    PEAK = "peak"
    FRAMES = "frames"
    REPEATED = "repeated"
    LOST = "lost"
    SYNC = "sync"


OF_FRAMES = frozenset({Check.CORRUPT, Check.BLACK, Check.SIZE})
OF_TAKES = OF_FRAMES | {
    *(Check.FROZEN, Check.SILENT, Check.CLIPPED, Check.DURATION),
    *(Check.SHAPE, Check.RATE, Check.BARS),
}
OF_FILMS = frozenset(Check) - {Check.DURATION, Check.SHAPE}


class Action(StrEnum):
    """What becomes of a take that fails a check; the later ones weigh more."""

    OFF = "off"
    WARN = "warn"
    ATTENTION = "attention"
    RETAKE = "retake"


class Outcome(StrEnum):
    """What the findings come to."""

    OK = "ok"
    WARN = "warn"
    ATTENTION = "attention"
    RETAKE = "retake"


def _a_share(value: float) -> float:
    if not 0 <= value <= 1:
        raise ValueError("must be a share between 0 and 1: write 0.5 for one half")
    return value


def _a_length(value: float) -> float:
    if not 0 <= value <= 7_200:
        raise ValueError("must be between 0 and 7200 seconds: use the action off to allow any")
    return value


def _a_count(value: int) -> int:
    if not 0 <= value <= 100_000:
        raise ValueError("must be between 0 and 100000: use the action off to allow any number")
    return value


def _a_tolerance(value: float) -> float:
    if not 0.1 <= value <= 20:
        raise ValueError("must be between 0.1 and 20 LU: 0.5 is strict, 2 is easy")
    return value


def _a_multiple(value: float) -> float:
    if not 1 <= value <= 100:
        raise ValueError("must be between 1 and 100 times the length that was asked for")
    return value


def _a_few(value: int) -> int:
    if not 0 <= value <= 5:
        raise ValueError("must be between 0 and 5: every retake may cost as much as its take")
    return value


Share = Annotated[float, Field(strict=True), AfterValidator(_a_share)]


class Rule(Frozen):
    """What a failed check does."""

    action: Action


class MostSeconds(Rule):
    """Passes up to a length in seconds."""

    at_most_s: Annotated[float, Field(strict=True), AfterValidator(_a_length)]


class MostShare(Rule):
    """Passes up to a share of the whole."""

    at_most_share: Share


class LeastShare(Rule):
    """Passes from a share of what was asked for."""

    at_least_share: Share


class MostCount(Rule):
    """Passes up to a number of frames or errors."""

    at_most: Annotated[int, Field(strict=True), AfterValidator(_a_count)]


class Length(LeastShare):
    """Passes between a share and a multiple of the length that was asked for."""

    at_most_times: Annotated[float, Field(strict=True), AfterValidator(_a_multiple)]


class Tolerance(Rule):
    """Passes within so many loudness units of the target."""

    within_lu: Annotated[float, Field(strict=True), AfterValidator(_a_tolerance)]


class QualityPolicy(Frozen):
    """What the film demands of its takes and of itself.

    A check may be written as its action alone ("frozen": "off") or with the thresholds that are
    to differ; the rest stays as it is here. `retakes` is how many a shot may have for its
    quality, each within the film's budget; with none left, or 0, a person is asked instead.
    """

    retakes: Annotated[int, Field(strict=True), AfterValidator(_a_few)] = 0
    black: MostSeconds = MostSeconds(action=Action.RETAKE, at_most_s=0.5)
    frozen: MostShare = MostShare(action=Action.ATTENTION, at_most_share=0.5)
    silent: LeastShare = LeastShare(action=Action.RETAKE, at_least_share=0.1)
    clipped: MostShare = MostShare(action=Action.WARN, at_most_share=0.001)
    duration: Length = Length(action=Action.WARN, at_least_share=0.9, at_most_times=3)
    size: LeastShare = LeastShare(action=Action.WARN, at_least_share=0.4)
    shape: MostShare = MostShare(action=Action.WARN, at_most_share=0.05)
    rate: LeastShare = LeastShare(action=Action.WARN, at_least_share=0.6)
    corrupt: MostCount = MostCount(action=Action.RETAKE, at_most=0)
    bars: MostShare = MostShare(action=Action.ATTENTION, at_most_share=0.04)
    loudness: Tolerance = Tolerance(action=Action.ATTENTION, within_lu=0.5)
    peak: Rule = Rule(action=Action.ATTENTION)
    frames: Rule = Rule(action=Action.ATTENTION)
    repeated: MostCount = MostCount(action=Action.WARN, at_most=0)
    lost: MostCount = MostCount(action=Action.ATTENTION, at_most=0)
    sync: MostSeconds = MostSeconds(action=Action.ATTENTION, at_most_s=0.05)

    @model_validator(mode="before")
    @classmethod
    def _over_the_defaults(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return {name: cls._over_the_default(name, given) for name, given in value.items()}

    @classmethod
    def _over_the_default(cls, name: str, given: Any) -> Any:
        field = cls.model_fields.get(name)
        if field is None or not isinstance(field.default, Rule):
            return given
        written = {"action": given} if isinstance(given, str) else given
        return {**field.default.model_dump(), **written} if isinstance(written, dict) else written

    def rule(self, check: Check) -> Rule:
        """The rule of a check."""
        found: Rule = getattr(self, check.value)
        return found

    def looks_for(self, checks: Iterable[Check]) -> bool:
        """Whether any of these is not switched off."""
        return any(self.rule(check).action is not Action.OFF for check in checks)


class Span(Frozen):
    """Frames from `start` up to, not including, `end`."""

    start: Annotated[int, Field(ge=0)]
    end: int

    @model_validator(mode="after")
    def _goes_forward(self) -> Self:
        if self.end <= self.start:
            raise ValueError("end must come after start: give at least one frame")
        return self


class TakeExpectation(Frozen):
    """What a take was asked to be; what is None is not checked.

    `duration_s` of a clip is its length, of a voice the shot it must fit in. `still` says that a
    picture without motion was asked for, `sound` that the clip must be heard. `letterbox` is the
    picture's width to its height inside bars that the look asked for.
    """

    kind: Literal["image", "video", "audio"]
    width: Pixels | None = None
    height: Pixels | None = None
    fps: Rate | None = None
    duration_s: Seconds | None = None
    still: bool = False
    sound: bool = False
    letterbox: Annotated[float, Field(gt=0)] | None = None


class FilmExpectation(Frozen):
    """What the finished film must be, exactly; spans are counted in its own frames.

    `shots` are where each shot is seen, each judged as a take is; none is the film as one.
    `stills` and `dark` are where no motion or a black picture was asked for: stills, fades, dips
    and cards. Something must be heard in each of `voices`. `letterbox` is the picture's width to
    its height inside the bars; `lufs` and `peak_dbtp` are the targets of the mix, None for none.
    """

    width: Pixels
    height: Pixels
    fps: Rate
    frames: Annotated[int, Field(ge=1)]
    shots: tuple[Span, ...] = ()
    stills: tuple[Span, ...] = ()
    dark: tuple[Span, ...] = ()
    voices: tuple[Span, ...] = ()
    letterbox: Annotated[float, Field(gt=0)] | None = None
    lufs: float | None = None
    peak_dbtp: float | None = None


class Finding(Frozen):
    """One check's result: what was measured, against what, in which unit, and in plain words.

    `spans` are where, in seconds; the longest 20 of them, in order.
    """

    check: Check
    passed: bool
    measured: float
    threshold: float
    unit: str
    words: str
    spans: tuple[tuple[float, float], ...] = ()


class Verdict(Frozen):
    """What is to become of a take, and why: one sentence for each check that failed."""

    outcome: Outcome
    words: tuple[str, ...] = ()

    @property
    def passes(self) -> bool:
        """Whether the work goes on with it, and no person and no retake is asked for."""
        return self.outcome in (Outcome.OK, Outcome.WARN)

    def excused(self) -> Self:
        """The same, only telling: what a person gave or accepted is good enough."""
        return self if self.passes else self.model_copy(update={"outcome": Outcome.WARN})


class Checked(Verdict):
    """A verdict and all that was found, with what was measured and where the thresholds lie."""

    findings: tuple[Finding, ...] = ()


_WEIGHTS = [Action.OFF, Action.WARN, Action.ATTENTION, Action.RETAKE]


def judge(findings: Sequence[Finding], policy: QualityPolicy, retakes_made: int = 0) -> Verdict:
    """What the policy makes of the findings.

    A retake is asked for only while fewer than `policy.retakes` were made; then a person is.
    """
    failed = [
        (policy.rule(finding.check).action, finding.words)
        for finding in findings
        if not finding.passed and policy.rule(finding.check).action is not Action.OFF
    ]
    if not failed:
        return Verdict(outcome=Outcome.OK)
    worst = max((action for action, _ in failed), key=_WEIGHTS.index)
    if worst is Action.RETAKE and retakes_made >= policy.retakes:
        worst = Action.ATTENTION
    return Verdict(outcome=Outcome(worst.value), words=tuple(words for _, words in failed))
