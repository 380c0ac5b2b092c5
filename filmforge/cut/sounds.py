"""The sounds that a person lays under a film: where each lies, in the film's frames."""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from itertools import groupby
from typing import Literal

from filmforge.cues import SoundShot
from filmforge.cut.layout import Slot, film_frames, starts
from filmforge.domain import Review
from filmforge.errors import BadInput
from filmforge.fields import Digest, Frozen
from filmforge.ledger.shots import ShotRecord
from filmforge.sound import LANES, AmbienceCue, Cue, CuePlace, EffectCue, MusicCue, Sound

Lane = Literal["Effects", "Ambience", "Music"]


class Placed(Frozen):
    """A sound in the film: heard for `frames` from the film's frame `at` on.

    `offset` is what is skipped of its source, which has `whole` frames; fades are in frames too.
    """

    lane: Lane
    digest: Digest
    at: int
    offset: int
    frames: int
    whole: int
    gain_db: float
    fade_in: int
    fade_out: int
    loop: bool


def sound_with_digests(sound: Sound, records: Sequence[ShotRecord]) -> Sound:
    """The sound of a film with the digests of what was made for it; what was skipped is not heard.

    Raises BadInput for what is not made yet.
    """
    rows = {each.shot.cue: each for each in records if isinstance(each.shot, SoundShot)}
    lanes: dict[str, tuple[Cue, ...]] = {}
    for lane in LANES:
        cues: tuple[Cue, ...] = getattr(sound, lane)
        made = [(cue, rows.get(CuePlace(lane=lane, index=n))) for n, cue in enumerate(cues)]
        lanes[lane] = tuple(
            _made(cue, row) for cue, row in made if row is None or row.review != Review.OMITTED
        )
    return sound.model_copy(update=lanes)


def _made(cue: Cue, row: ShotRecord | None) -> Cue:
    if row is None:
        return cue
    if row.audio_digest is None:
        raise BadInput(row.shot.shot_id, "the sound is not made yet", "Retry or skip it.")
    return cue.model_copy(update={"digest": row.audio_digest, "generate": None})


def placed(
    sound: Sound,
    scenes: Mapping[str, str | None],
    slots: Sequence[Slot],
    lengths: Mapping[str, int],
    fps: Fraction,
) -> list[Placed]:
    """Every sound of the film in order.

    `scenes` has the scene of each shot by its id, `lengths` each source's frames by its digest.

    A scene's ambience lies under every run of its shots. What would begin after its stretch has
    ended, and what belongs to a shot that is left out, is not heard.
    """
    found = [
        *_music(sound.music, film_frames(slots), lengths, fps),
        *_ambience(sound.ambience, scenes, slots, lengths, fps),
        *_effects(sound.effects, slots, lengths, fps),
    ]
    return sorted((each for each in found if each.frames > 0), key=lambda each: each.at)


def _music(
    cues: Sequence[MusicCue], film: int, lengths: Mapping[str, int], fps: Fraction
) -> Iterator[Placed]:
    for cue in cues:
        start, end = _frames(cue.start, fps), _end(cue.end, film, fps)
        yield _place("Music", cue, start, end, lengths, fps)


def _ambience(
    cues: Sequence[AmbienceCue],
    scenes: Mapping[str, str | None],
    slots: Sequence[Slot],
    lengths: Mapping[str, int],
    fps: Fraction,
) -> Iterator[Placed]:
    for scene_id, begin, stop in _scenes(scenes, slots):
        for cue in cues:
            if cue.scene_id == scene_id:
                end = begin + _end(cue.end, stop - begin, fps)
                yield _place("Ambience", cue, begin + _frames(cue.start, fps), end, lengths, fps)


def _effects(
    cues: Sequence[EffectCue], slots: Sequence[Slot], lengths: Mapping[str, int], fps: Fraction
) -> Iterator[Placed]:
    rows = list(zip((slot.shot_id for slot in slots), starts(slots), strict=False))
    begins = dict(reversed(rows))  # a shot that a recut shows twice sounds once
    for cue in cues:
        if cue.shot_id in begins:
            at = begins[cue.shot_id] + _frames(cue.at, fps)
            yield _place("Effects", cue, at, film_frames(slots), lengths, fps)


def _place(
    lane: Lane, cue: Cue, start: int, end: int, lengths: Mapping[str, int], fps: Fraction
) -> Placed:
    assert cue.digest is not None, "a sound that is not made yet is refused"
    whole, offset = lengths[cue.digest], _frames(cue.offset, fps)
    frames = max(0, end - start if cue.loop else min(end - start, whole - offset))
    return Placed(
        lane=lane,
        digest=cue.digest,
        at=start,
        offset=offset,
        frames=frames,
        whole=whole,
        gain_db=cue.gain_db,
        fade_in=min(_frames(cue.fade_in, fps), frames),
        fade_out=min(_frames(cue.fade_out, fps), frames),
        loop=cue.loop,
    )


def _scenes(
    scenes: Mapping[str, str | None], slots: Sequence[Slot]
) -> Iterator[tuple[str, int, int]]:
    """Each run of shots of one scene, with the film's frames where it begins and ends."""
    rows = zip(slots, starts(slots), strict=False)
    for scene_id, run in groupby(rows, key=lambda row: scenes.get(row[0].shot_id)):
        together = list(run)
        if scene_id is not None:
            last, begins = together[-1]
            yield scene_id, together[0][1], begins + last.frames


def _end(end: Decimal | None, whole: int, fps: Fraction) -> int:
    return whole if end is None else min(whole, _frames(end, fps))


def _frames(seconds: Decimal, fps: Fraction) -> int:
    return int(Fraction(seconds) * fps + Fraction(1, 2))
