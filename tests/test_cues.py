"""Sounds that a model makes are kept as shots of a name and a length of their own."""

from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from pydantic import ValidationError

from filmforge.brief import Film, read_film
from filmforge.cues import SoundShot, sounds_of
from filmforge.direction import directed, model_ref, request_for
from filmforge.domain import Direction, Kind, Providers
from filmforge.errors import BadInput
from filmforge.media.tones import render_ambience, render_music
from filmforge.providers.catalogue import Model
from filmforge.providers.preview_catalogue import MODELS


def made(shots: list[str] | None = None, **sound: Any) -> Film:
    """A film of shots of two seconds in one scene, with this sound."""
    rows = [
        {"shot_id": name, "enhanced_prompt": "a lamp", "duration": 2, "scene_id": "hall"}
        for name in shots or ["s0", "s1", "s2"]
    ]
    return read_film({"shots": rows, "sound": sound})


def only(film: Film) -> SoundShot:
    (sound,) = sounds_of(film)
    return sound


def test_each_sound_is_called_by_its_lane_and_place_and_digests_are_none_of_them() -> None:
    wish = {"prompt": "strings"}
    film = made(
        music=[{"digest": "0" * 64}, {"generate": wish}],
        ambience=[{"generate": wish, "scene_id": "hall"}],
        effects=[{"generate": wish, "shot_id": "s1"}, {"generate": wish, "shot_id": "s1"}],
    )
    names = [sound.shot_id for sound in sounds_of(film)]
    assert names == ["music-2", "ambience-1", "effect-1", "effect-2"]
    with pytest.raises(ValidationError, match="Call the shot something else"):
        made(["effect-1", "s1"], effects=[{"generate": wish, "shot_id": "s1"}])


@pytest.mark.parametrize(
    ("sound", "seconds"),
    [
        ({"music": [{"generate": {"prompt": "x"}}]}, 6),
        ({"music": [{"generate": {"prompt": "x"}, "start": 2, "end": 3.5}]}, 1.5),
        ({"music": [{"generate": {"prompt": "x"}, "start": 600}]}, 1),
        ({"music": [{"generate": {"prompt": "x"}, "end": 600}]}, 120),
        ({"music": [{"generate": {"prompt": "x", "duration": 9}}]}, 9),
        ({"ambience": [{"generate": {"prompt": "x"}, "scene_id": "hall"}]}, 20),
        ({"effects": [{"generate": {"prompt": "x"}, "shot_id": "s0"}]}, 4),
    ],
)
def test_a_sound_is_as_long_as_it_says_or_as_is_usual(
    sound: dict[str, Any], seconds: float
) -> None:
    assert only(made(**sound)).duration == Decimal(str(seconds))


def test_a_model_is_asked_for_the_prompt_and_the_length_and_for_no_spoken_text() -> None:
    film = made(music=[{"generate": {"prompt": "slow strings", "duration": 5}}])
    sound = only(film)
    request = request_for(film, sound, Direction(), Kind.AUDIO, MODELS["music"], None)
    assert (request.provider, request.model) == ("preview", "music")
    assert request.parameters == {"prompt": "slow strings", "duration": "5"}
    worded = MODELS["music"].model_copy(update={"parameters": frozenset({"text"})})
    asked = request_for(film, sound, Direction(), Kind.AUDIO, Model.model_validate(worded), None)
    assert asked.parameters == {"text": "slow strings"}


def test_the_model_of_the_cue_counts_before_that_of_the_film() -> None:
    named = made(music=[{"generate": {"prompt": "x", "model": "fal:tunes"}}])
    assert model_ref(named, only(named), Direction(), Kind.AUDIO) == ("fal", "tunes")
    unnamed = made(music=[{"generate": {"prompt": "x"}}])
    film = unnamed.model_copy(update={"providers": Providers(audio="fal:any")})
    assert model_ref(film, only(film), Direction(), Kind.AUDIO) == ("fal", "any")


def test_of_a_sound_only_what_it_has_can_be_changed() -> None:
    sound = only(made(music=[{"generate": {"prompt": "x"}}]))
    changed = directed(sound, Direction(changes={"enhanced_prompt": "y", "duration": 7}))
    assert (changed.enhanced_prompt, changed.duration) == ("y", 7)
    assert isinstance(changed, SoundShot)
    for name in ("dialogue", "camera", "cue"):
        with pytest.raises(BadInput, match="Of a sound, change"):
            directed(sound, Direction(changes={name: "z"}))


@pytest.mark.parametrize("render", [render_music, render_ambience])
def test_what_is_made_here_lasts_as_asked_is_heard_and_is_the_same_again(
    render: Any, tmp_path: Path
) -> None:
    files = [tmp_path / name for name in ("one.wav", "two.wav", "other.wav")]
    for path, prompt in zip(files, ("rain", "rain", "wind"), strict=True):
        render(path, prompt=prompt, duration_s=2.5, seed=3)
    sound = samples(files[0])
    assert sound.shape == (Fraction("2.5") * 48_000, 2)
    assert 0.1 < float(np.abs(sound).max()) < 0.5
    assert float(np.abs(sound[:10]).max()) < 0.01
    assert files[0].read_bytes() == files[1].read_bytes() != files[2].read_bytes()


def samples(path: Path) -> NDArray[np.float32]:
    with av.open(str(path)) as wav:
        blocks = [frame.to_ndarray().reshape(-1, 2) for frame in wav.decode(audio=0)]
    return np.concatenate(blocks)
