"""What a sound is found to be, in figures and plain words."""

from collections.abc import Sequence

from filmforge.media.sound_checks import SoundMeasures
from filmforge.media.spans import Seen, length, longest, part_of, within
from filmforge.quality import Check, Finding, QualityPolicy

_DB_STEP = 0.05


def silent_finding(name: str, heard: SoundMeasures | None, policy: QualityPolicy) -> Finding:
    """For how much of its time a sound is heard."""
    whole_s = heard.duration_s if heard else 0.0
    share = heard.heard_s / whole_s if heard and whole_s else 0.0
    least = policy.silent.at_least_share
    return Finding(
        check=Check.SILENT,
        passed=share >= least and share > 0,
        measured=round(share, 4),
        threshold=least,
        unit="share",
        words=f"{name} is heard for {part_of(share * whole_s, (0.0, whole_s))} ({share:.0%}); "
        f"at least {least:.0%} is needed",
        spans=longest(heard.heard if heard else ()),
    )


def voices_finding(
    heard: SoundMeasures | None, voices: Sequence[Seen], policy: QualityPolicy
) -> Finding:
    """The line that is heard least decides."""
    sound = heard.heard if heard else ()
    shares = [(within(sound, voice) / length(voice), voice) for voice in voices]
    least = policy.silent.at_least_share
    silent = [voice for share, voice in shares if share < least or not share]
    return Finding(
        check=Check.SILENT,
        passed=not silent,
        measured=round(min(share for share, _ in shares), 4),
        threshold=least,
        unit="share",
        words=f"{len(silent)} of {len(voices)} lines of dialogue are silent; each must be heard "
        f"for at least {least:.0%} of its time",
        spans=longest(silent),
    )


def clipped_finding(name: str, heard: SoundMeasures, policy: QualityPolicy) -> Finding:
    """How many samples are clipped."""
    allowed = policy.clipped.at_most_share
    return Finding(
        check=Check.CLIPPED,
        passed=heard.clipped_share <= allowed,
        measured=heard.clipped_share,
        threshold=allowed,
        unit="share",
        words=f"{heard.clipped_share:.2%} of the samples of {name} are clipped; "
        f"at most {allowed:.2%} is allowed",
    )


def fit_finding(name: str, heard: SoundMeasures, shot_s: float) -> Finding:
    """Whether a voice ends before its shot does."""
    return Finding(
        check=Check.DURATION,
        passed=heard.duration_s <= shot_s,
        measured=round(heard.duration_s, 3),
        threshold=shot_s,
        unit="s",
        words=f"{name} lasts {heard.duration_s:.1f} s; its shot lasts {shot_s:.1f} s "
        "and cuts it off there",
    )


def loudness_finding(heard: SoundMeasures, target: float, policy: QualityPolicy) -> Finding:
    """The integrated loudness, against its target."""
    within = policy.loudness.within_lu
    lufs = heard.lufs if heard.lufs is not None else -70.0
    return Finding(
        check=Check.LOUDNESS,
        passed=abs(lufs - target) <= within,
        measured=lufs,
        threshold=target,
        unit="LUFS",
        words=f"the film is at {lufs:.1f} LUFS; {target:.1f} within {within:.1f} is asked for",
    )


def peak_finding(heard: SoundMeasures, target: float) -> Finding:
    """The true peak, against its limit."""
    peak = heard.peak_dbtp if heard.peak_dbtp is not None else -100.0
    return Finding(
        check=Check.PEAK,
        # Meters read to a tenth of a decibel.
        passed=peak < target + _DB_STEP,
        measured=peak,
        threshold=target,
        unit="dBTP",
        words=f"the film peaks at {peak:.1f} dBTP; at most {target:.1f} is allowed",
    )
