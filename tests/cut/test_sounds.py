"""Sounds laid under a film lie where the person said, to the frame."""

from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

from filmforge.cues import SoundShot
from filmforge.cut.layout import lay_out
from filmforge.cut.sounds import Placed, placed, sound_with_digests
from filmforge.domain import Direction, Execution, Review
from filmforge.errors import BadInput
from filmforge.ledger.shots import ShotRecord
from filmforge.sound import CuePlace, Sound
from tests.cut.films import shot

FPS = Fraction(24)
TUNE, RAIN, BANG = (f"{n:064x}" for n in range(3))
LENGTHS = {TUNE: 2_400, RAIN: 96, BANG: 12}


def lay(**sound: Any) -> list[Placed]:
    """Four shots of two seconds in the scenes a, b, a, a, the first two crossfading."""
    shots = [
        shot("s0", "2", {"type": "crossfade", "duration": Decimal("0.5")}, scene_id="a"),
        shot("s1", "2", scene_id="b"),
        shot("s2", "2", scene_id="a"),
        shot("s3", "2", scene_id="a"),
    ]
    slots = lay_out(shots, FPS)
    scenes = {each.shot_id: each.scene_id for each in shots}
    return placed(Sound.model_validate(sound), scenes, slots, LENGTHS, FPS)


def test_music_lasts_to_the_end_of_the_film_or_of_itself() -> None:
    (long,) = lay(music=[{"digest": TUNE, "start": 1}])
    assert (long.at, long.frames, long.fade_in, long.fade_out) == (24, 180 - 24, 12, 48)
    (short,) = lay(music=[{"digest": RAIN, "offset": 1}])
    assert (short.at, short.offset, short.frames) == (0, 24, 72)
    (looped,) = lay(music=[{"digest": RAIN, "loop": True}])
    assert looped.frames == 180


def test_ambience_lies_under_every_run_of_its_scene() -> None:
    runs = lay(ambience=[{"digest": RAIN, "scene_id": "a"}])
    assert [(each.at, each.frames) for each in runs] == [(0, 48), (84, 96)]


def test_an_effect_may_ring_on_after_its_shot_but_not_after_the_film() -> None:
    (within,) = lay(effects=[{"digest": BANG, "shot_id": "s1", "at": "1.9"}])
    assert (within.at, within.frames) == (36 + 46, 12)
    (last,) = lay(effects=[{"digest": BANG, "shot_id": "s3", "at": "1.75"}])
    assert (last.at, last.frames) == (132 + 42, 6)


def test_an_effect_of_a_shot_that_is_left_out_is_not_heard() -> None:
    assert lay(effects=[{"digest": BANG, "shot_id": "gone"}]) == []


def test_what_would_begin_after_its_stretch_is_not_heard() -> None:
    assert lay(music=[{"digest": TUNE, "start": 60}]) == []


def row(cue: CuePlace, **state: Any) -> ShotRecord:
    """What the ledger knows of a sound that a model makes."""
    sound = SoundShot(shot_id=cue.shot_id, enhanced_prompt="x", duration=Decimal(2), cue=cue)
    nothing = dict.fromkeys(ShotRecord.model_fields)
    known = {"film_id": "attic", "position": 9, "attempt": 0, "direction": Direction()}
    standing = {"execution": Execution.SUCCEEDED, "review": Review.DONE}
    return ShotRecord.model_validate({**nothing, **known, **standing, "shot": sound, **state})


def test_what_was_made_takes_the_place_of_the_wish_and_what_was_skipped_is_not_heard() -> None:
    wish = {"prompt": "strings"}
    sound = Sound.model_validate(
        {
            "music": [{"generate": wish, "start": 1}, {"digest": TUNE}],
            "effects": [{"generate": wish, "shot_id": "s1"}],
        }
    )
    music, effect = (place for place, _ in sound.generated)
    rows = [row(music, audio_digest=RAIN), row(effect, review=Review.OMITTED)]
    made = sound_with_digests(sound, rows)
    assert [(cue.digest, cue.start, cue.generate) for cue in made.music] == [
        (RAIN, 1, None),
        (TUNE, 0, None),
    ]
    assert made.effects == ()
    with pytest.raises(BadInput, match="effect-1"):
        sound_with_digests(sound, [rows[0], row(effect)])
