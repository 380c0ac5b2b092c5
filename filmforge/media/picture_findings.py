"""What a picture is found to be, in figures and plain words."""

from collections.abc import Sequence
from fractions import Fraction

from filmforge.media.picture_checks import Bars, PictureMeasures
from filmforge.media.spans import Seen, length, longest, part_of, within
from filmforge.quality import Check, FilmExpectation, Finding, QualityPolicy

_ALL_BLACK = 0.995


def black_frame(name: str, seen: PictureMeasures) -> Finding:
    """How much of a single picture is black."""
    return Finding(
        check=Check.BLACK,
        passed=seen.black_share < _ALL_BLACK,
        measured=round(seen.black_share, 4),
        threshold=_ALL_BLACK,
        unit="share",
        words=f"{seen.black_share:.1%} of {name} is black; {_ALL_BLACK:.1%} is black all over",
    )


def black_finding(
    name: str, black: Sequence[Seen], shots: Sequence[Seen], policy: QualityPolicy
) -> Finding:
    """The shot with the most black in it decides."""
    most, where = max(((within(black, shot), shot) for shot in shots), key=lambda each: each[0])
    allowed = policy.black.at_most_s
    return Finding(
        check=Check.BLACK,
        passed=most <= allowed,
        measured=round(most, 3),
        threshold=allowed,
        unit="s",
        words=f"{name} is black for {part_of(most, where)}; at most {allowed:.1f} s is allowed",
        spans=longest(black),
    )


def frozen_finding(
    name: str,
    frozen: Sequence[Seen],
    shots: Sequence[Seen],
    asked_for: bool,
    policy: QualityPolicy,
) -> Finding:
    """The shot that stands still for the largest share of its length decides."""
    shares = ((within(frozen, shot) / max(length(shot), 0.001), shot) for shot in shots)
    share, where = max(shares, key=lambda each: each[0])
    allowed = 1.0 if asked_for else policy.frozen.at_most_share
    allows = "a still was asked for" if asked_for else f"at most {allowed:.0%} is allowed"
    still = part_of(share * length(where), where)
    return Finding(
        check=Check.FROZEN,
        passed=asked_for or share <= allowed,
        measured=round(share, 4),
        threshold=allowed,
        unit="share",
        words=f"{name} stands still for {still} ({share:.0%}); {allows}",
        spans=longest(frozen),
    )


def size_finding(
    name: str, seen: PictureMeasures, wanted: tuple[int, int], policy: QualityPolicy
) -> Finding:
    """How large a take is, against the film."""
    share = min(seen.width / wanted[0], seen.height / wanted[1])
    least = policy.size.at_least_share
    return Finding(
        check=Check.SIZE,
        passed=share >= least,
        measured=round(share, 4),
        threshold=least,
        unit="share",
        words=f"{name} is {_pixels(seen.width, seen.height)} for a film of {_pixels(*wanted)}; "
        f"at least {least:.0%} of its size is needed",
    )


def shape_finding(
    name: str, seen: PictureMeasures, wanted: Fraction, policy: QualityPolicy
) -> Finding:
    """How a take's proportions differ from the film's."""
    shape = seen.width / max(1, seen.height)
    off = max(shape / wanted, wanted / shape) - 1 if shape else 1.0
    allowed = policy.shape.at_most_share
    return Finding(
        check=Check.SHAPE,
        passed=off <= allowed,
        measured=round(off, 4),
        threshold=allowed,
        unit="share",
        words=f"{name} is {shape:.3f} times as wide as high, the film {float(wanted):.3f} times; "
        f"they may differ by {allowed:.0%}",
    )


def bars_finding(
    name: str, seen: PictureMeasures, letterbox: float | None, policy: QualityPolicy
) -> Finding:
    """The bars that nobody asked for."""
    excess = _excess(seen.bars, seen.width / max(1, seen.height), letterbox)
    allowed = policy.bars.at_most_share
    return Finding(
        check=Check.BARS,
        passed=excess <= allowed,
        measured=round(excess, 4),
        threshold=allowed,
        unit="share",
        words=f"{name} has black bars over {excess:.1%} of its height or width that nobody "
        f"asked for; at most {allowed:.1%} is allowed",
    )


def _excess(bars: Bars, shape: float, letterbox: float | None) -> float:
    """The share that bars take beyond those that `letterbox` asks for."""
    inside = letterbox or shape
    level = bars.top + bars.bottom - max(0.0, 1 - shape / inside)
    upright = bars.left + bars.right - max(0.0, 1 - inside / shape)
    return max(0.0, level, upright)


def length_finding(
    name: str, seen: PictureMeasures, wanted_s: float, policy: QualityPolicy
) -> Finding:
    """How long a clip lasts, against what was asked for."""
    rule = policy.duration
    least_s, most_s = wanted_s * rule.at_least_share, wanted_s * rule.at_most_times
    # Half a frame, because no clip ends between two frames.
    slack_s = float(1 / seen.fps) / 2 if seen.fps else 0.0
    short = seen.duration_s <= wanted_s
    return Finding(
        check=Check.DURATION,
        passed=least_s - slack_s <= seen.duration_s <= most_s + slack_s,
        measured=round(seen.duration_s, 3),
        threshold=round(least_s if short else most_s, 3),
        unit="s",
        words=f"{name} lasts {seen.duration_s:.1f} s, {wanted_s:.1f} s were asked for; "
        f"from {least_s:.1f} s to {most_s:.1f} s is allowed",
    )


def rate_finding(name: str, fps: Fraction, wanted: Fraction, policy: QualityPolicy) -> Finding:
    """How many frames a second a clip has, against the film."""
    least = float(wanted) * policy.rate.at_least_share
    return Finding(
        check=Check.RATE,
        passed=float(fps) >= least * 0.999,
        measured=round(float(fps), 3),
        threshold=round(least, 3),
        unit="fps",
        words=f"{name} has {float(fps):.2f} frames a second; at least {least:.2f} are needed "
        f"for a film of {float(wanted):.2f}",
    )


def exact_size(seen: PictureMeasures, expected: FilmExpectation) -> Finding:
    """Whether the film has its size, to the pixel."""
    share = min(seen.width / expected.width, seen.height / expected.height)
    wanted = (expected.width, expected.height)
    return Finding(
        check=Check.SIZE,
        passed=(seen.width, seen.height) == wanted,
        measured=round(share, 4),
        threshold=1.0,
        unit="share",
        words=f"the film is {_pixels(seen.width, seen.height)}; {_pixels(*wanted)} was asked for",
    )


def exact_rate(seen: PictureMeasures, expected: FilmExpectation) -> Finding:
    """Whether the film runs at its rate from beginning to end."""
    fps = seen.fps or expected.fps
    # Over the whole film the clocks may part by less than half a frame: some files round times.
    drift = abs(fps / expected.fps - 1) * seen.frames
    return Finding(
        check=Check.RATE,
        passed=drift < Fraction(1, 2),
        measured=round(float(fps), 6),
        threshold=round(float(expected.fps), 6),
        unit="fps",
        words=f"the film runs at {float(fps):.4f} frames a second; "
        f"{float(expected.fps):.4f} was asked for",
    )


def exact_frames(seen: PictureMeasures, expected: FilmExpectation) -> Finding:
    """Whether the film has as many frames as its cut."""
    return Finding(
        check=Check.FRAMES,
        passed=seen.frames == expected.frames,
        measured=seen.frames,
        threshold=expected.frames,
        unit="frames",
        words=f"the film has {seen.frames} frames; its cut has {expected.frames}",
    )


def frame_count(check: Check, count: int, allowed: int, does: str) -> Finding:
    """How many frames are wrong in one way."""
    return Finding(
        check=check,
        passed=count <= allowed,
        measured=count,
        threshold=allowed,
        unit="frames",
        words=f"the film {does} {count} frames; at most {allowed} are allowed",
    )


def _pixels(width: int, height: int) -> str:
    return f"{width} x {height}"
