"""What a person may say of a film's sound, and how a mistake is answered."""

from decimal import Decimal
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from filmforge.sound import AmbienceCue, EffectCue, MusicCue, Sound, target_lufs

DIGEST = "a" * 64
MADE = {"prompt": "slow strings", "duration": 30}


def test_a_sound_says_what_it_needs_and_leaves_the_rest_to_defaults() -> None:
    sound = Sound.model_validate(
        {
            "music": [{"generate": MADE, "start": 2, "end": "60.5"}],
            "ambience": [{"digest": DIGEST, "scene_id": "attic"}],
            "effects": [{"digest": DIGEST, "shot_id": "shot_001", "at": 1.25}],
            "loudness": "broadcast",
            "stems": True,
        }
    )
    assert sound.music[0].end == Decimal("60.5")
    assert sound.ambience[0].loop
    assert sound.effects[0].at == Decimal("1.25")
    assert (sound.ducking_db.music, sound.ducking_db.production) == (-12, -8)
    assert Sound.model_validate_json(sound.model_dump_json()) == sound


@pytest.mark.parametrize(("given", "lufs"), [("web", -16), ("broadcast", -23), (-18.5, -18.5)])
def test_a_loudness_is_a_name_or_a_number(given: Any, lufs: float) -> None:
    assert target_lufs(Sound(loudness=given).loudness) == lufs


@pytest.mark.parametrize("given", ["cinema", -7.9, -36.1, True, float("nan"), "-16"])
def test_another_loudness_is_refused_with_what_is_allowed(given: Any) -> None:
    with pytest.raises(ValidationError, match=r'"web" \(-16 LUFS\), "broadcast".* -36 to -8'):
        Sound(loudness=given)


@pytest.mark.parametrize(
    ("cue", "given", "message"),
    [
        (MusicCue, {}, "neither of digest and generate"),
        (MusicCue, {"digest": DIGEST, "generate": MADE}, "both of digest and generate"),
        (MusicCue, {"digest": DIGEST, "start": 5, "end": 5}, "5 s is not after the start"),
        (MusicCue, {"digest": DIGEST, "end": 1, "fade_in": 2}, "fade_in: 2 s is longer"),
        (MusicCue, {"digest": DIGEST, "start": -1}, "from 0 to 600000 seconds"),
        (MusicCue, {"digest": DIGEST, "fade_out": 61}, "from 0 to 60 seconds"),
        (MusicCue, {"digest": DIGEST, "start": "0.0001"}, "three decimal places"),
        (MusicCue, {"digest": DIGEST, "start": "soon"}, "a number of seconds"),
        (MusicCue, {"digest": DIGEST, "gain_db": 25}, "less than or equal to 24"),
        (MusicCue, {"digest": DIGEST, "gain_db": float("inf")}, "finite number"),
        (MusicCue, {"digest": "a"}, "match pattern"),
        (MusicCue, {"digest": DIGEST, "volume": 1}, "volume"),
        (MusicCue, {"generate": {"prompt": ""}}, "at least 1 character"),
        (MusicCue, {"generate": {"prompt": "x", "model": "strings"}}, "match pattern"),
        (AmbienceCue, {"digest": DIGEST}, "scene_id"),
        (EffectCue, {"digest": DIGEST}, "shot_id"),
        (EffectCue, {"digest": DIGEST, "shot_id": "a", "loop": True}, "loop"),
        (Sound, {"ducking_db": {"music": 3}}, "less than or equal to 0"),
    ],
)
def test_a_mistake_is_named(cue: type[BaseModel], given: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        cue.model_validate(given)


def test_a_fade_nobody_asked_for_refuses_no_short_music() -> None:
    assert MusicCue(digest=DIGEST, end=Decimal(1)).fade_out == 2
