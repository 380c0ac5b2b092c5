"""Hold what was measured of a take or a film against what was asked for."""

import re
from collections.abc import Iterable
from fractions import Fraction

from filmforge.media import picture_findings as picture
from filmforge.media import sound_findings as sound
from filmforge.media.motion import WORDS
from filmforge.media.picture_checks import PictureMeasures
from filmforge.media.quality import Measures
from filmforge.media.sound_checks import SoundMeasures
from filmforge.media.spans import in_seconds, outside
from filmforge.quality import (
    Action,
    Check,
    FilmExpectation,
    Finding,
    QualityPolicy,
    TakeExpectation,
)

_WHOLE = {"image": "frame", "video": "clip", "audio": "voice"}
_STILL_WORDS = dict(WORDS)["static"]


def asks_for_still(camera: str | None) -> bool:
    """Whether a shot's camera direction asks for a picture that stands still."""
    return bool(re.search(_STILL_WORDS, (camera or "").lower()))


def take_findings(
    measures: Measures, expected: TakeExpectation, policy: QualityPolicy
) -> tuple[Finding, ...]:
    """Every check that applies to the take and is not off in the policy, passed or not."""
    name = f"the {_WHOLE[expected.kind]}"
    found = [_corrupt(name, measures, policy)]
    if measures.picture and expected.kind != "audio":
        found += _of_picture(name, measures.picture, expected, policy)
    if expected.kind == "video" and measures.picture:
        found += _of_clip(name, measures.picture, expected, policy)
    if expected.kind == "audio" or expected.sound:
        found.append(sound.silent_finding(name, measures.sound, policy))
    if expected.kind == "audio" and expected.duration_s and measures.sound:
        found.append(sound.fit_finding(name, measures.sound, float(expected.duration_s)))
    if measures.sound:
        found.append(sound.clipped_finding(name, measures.sound, policy))
    return _wanted(found, policy)


def film_findings(
    measures: Measures, expected: FilmExpectation, policy: QualityPolicy
) -> tuple[Finding, ...]:
    """Every check that applies to the film and is not off in the policy, passed or not."""
    found = [_corrupt("the film", measures, policy)]
    if measures.picture:
        found += _of_film(measures.picture, expected, policy)
    if measures.sound:
        found.append(sound.clipped_finding("the film", measures.sound, policy))
        found += _mixed(measures.sound, expected, policy)
    found += _together(measures, expected, policy)
    return _wanted(found, policy)


def _wanted(found: Iterable[Finding], policy: QualityPolicy) -> tuple[Finding, ...]:
    return tuple(each for each in found if policy.rule(each.check).action is not Action.OFF)


def _of_picture(
    name: str, seen: PictureMeasures, expected: TakeExpectation, policy: QualityPolicy
) -> list[Finding]:
    """What is asked of frames and clips alike."""
    found = []
    if expected.kind == "image":
        found.append(picture.black_frame(name, seen))
    if expected.width and expected.height:
        found.append(picture.size_finding(name, seen, (expected.width, expected.height), policy))
        found.append(
            picture.shape_finding(name, seen, Fraction(expected.width, expected.height), policy)
        )
    found.append(picture.bars_finding(name, seen, expected.letterbox, policy))
    return found


def _of_clip(
    name: str, seen: PictureMeasures, expected: TakeExpectation, policy: QualityPolicy
) -> list[Finding]:
    whole = [(0.0, seen.duration_s)]
    found = [
        picture.black_finding(name, seen.black, whole, policy),
        picture.frozen_finding(name, seen.frozen, whole, expected.still, policy),
    ]
    if expected.duration_s:
        found.append(picture.length_finding(name, seen, float(expected.duration_s), policy))
    if expected.fps and seen.fps:
        found.append(picture.rate_finding(name, seen.fps, expected.fps, policy))
    return found


def _of_film(
    seen: PictureMeasures, expected: FilmExpectation, policy: QualityPolicy
) -> list[Finding]:
    shots = in_seconds(expected.shots, expected.fps) or [(0.0, seen.duration_s)]
    dark = in_seconds(expected.dark, expected.fps)
    still = in_seconds((*expected.stills, *expected.dark), expected.fps)
    frame_s = float(1 / expected.fps)
    black = outside(seen.black, dark, frame_s)
    frozen = outside(seen.frozen, still, frame_s)
    name = "a shot of the film" if expected.shots else "the film"
    return [
        picture.black_finding(name, black, shots, policy),
        picture.frozen_finding(name, frozen, shots, False, policy),
        picture.exact_size(seen, expected),
        picture.bars_finding("the film", seen, expected.letterbox, policy),
        picture.exact_rate(seen, expected),
        picture.exact_frames(seen, expected),
        picture.frame_count(Check.REPEATED, seen.repeated, policy.repeated.at_most, "repeats"),
        picture.frame_count(Check.LOST, seen.lost, policy.lost.at_most, "leaves out"),
    ]


def _mixed(heard: SoundMeasures, expected: FilmExpectation, policy: QualityPolicy) -> list[Finding]:
    found = []
    if expected.lufs is not None:
        found.append(sound.loudness_finding(heard, expected.lufs, policy))
    if expected.peak_dbtp is not None:
        found.append(sound.peak_finding(heard, expected.peak_dbtp))
    return found


def _together(
    measures: Measures, expected: FilmExpectation, policy: QualityPolicy
) -> list[Finding]:
    """What is asked of picture and sound side by side."""
    found = [_sync(measures, policy)]
    if expected.voices:
        found.append(
            sound.voices_finding(measures.sound, in_seconds(expected.voices, expected.fps), policy)
        )
    return found


def _corrupt(name: str, measures: Measures, policy: QualityPolicy) -> Finding:
    seen = measures.picture
    missing = max(0, (seen.declared or 0) - seen.frames) if seen else 0
    backwards = seen.backwards if seen else 0
    nothing = not (seen and seen.frames) and not (measures.sound and measures.sound.duration_s)
    errors = max(measures.errors, int(nothing))
    allowed = policy.corrupt.at_most
    return Finding(
        check=Check.CORRUPT,
        passed=errors + missing + backwards <= allowed,
        measured=errors + missing + backwards,
        threshold=allowed,
        unit="errors",
        words=f"{name} has {errors} damaged places, {missing} missing frames and "
        f"{backwards} frames out of order; at most {allowed} together are allowed",
    )


def _sync(measures: Measures, policy: QualityPolicy) -> Finding:
    picture_s = measures.picture.duration_s if measures.picture else 0.0
    sound_s = measures.sound.duration_s if measures.sound else 0.0
    apart = abs(picture_s - sound_s)
    allowed = policy.sync.at_most_s
    return Finding(
        check=Check.SYNC,
        passed=apart <= allowed,
        measured=round(apart, 4),
        threshold=allowed,
        unit="s",
        words=f"the film's picture lasts {picture_s:.3f} s and its sound {sound_s:.3f} s; "
        f"they may differ by {allowed:.3f} s",
    )
