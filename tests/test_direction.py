"""Direction: what people ask of a shot becomes the request a provider is sent."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from pydantic import JsonValue

from filmforge.brief import Brief
from filmforge.direction import DEFAULT_PROVIDERS, directed, model_ref, request_for, tags_of
from filmforge.domain import Direction, GenerationRequest, Kind, Shot
from filmforge.errors import BadInput
from filmforge.providers.catalogue import Model, Price, Unit

FRAME = "ab" * 32
EVERYTHING = frozenset(
    {
        "prompt", "negative_prompt", "width", "height", "shot_type", "mood", "time_of_day",
        "characters", "landscapes", "styles", "fps", "duration", "camera", "text", "voice",
    }
)  # fmt: skip


def _shot(**changes: Any) -> Shot:
    values = {
        "shot_id": "s0",
        "shot_type": "wide",
        "enhanced_prompt": "an attic",
        "negative_prompt": "people",
        "duration": "2.50",
        "dialogue": "It was here.",
        "characters": ["Mira", "Jon"],
        "mood": "tense",
        "camera": "slow push in",
        "seed": 100,
    }
    return Shot.model_validate({**values, **changes})


def _model(parameters: frozenset[str] = EVERYTHING, takes_seed: bool = True) -> Model:
    price = Price(usd=Decimal("0.01"), unit=Unit.ITEM, source="test", read_on=date(2026, 1, 1))
    return Model(id="m", kind=Kind.IMAGE, parameters=parameters, price=price, takes_seed=takes_seed)


def _request(
    shot: Shot | None = None,
    direction: Direction | None = None,
    kind: Kind = Kind.IMAGE,
    model: Model | None = None,
    film: Brief | None = None,
) -> GenerationRequest:
    frame = FRAME if kind == Kind.VIDEO else None
    return request_for(
        film or Brief(), shot or _shot(), direction or Direction(), kind, model or _model(), frame
    )


def _asked(**changes: JsonValue) -> Direction:
    return Direction(changes=changes)


def test_a_shot_nobody_directed_stays_as_it_is() -> None:
    assert directed(_shot(), Direction()) == _shot()


def test_changes_replace_fields_and_leave_the_others() -> None:
    changed = directed(_shot(), _asked(mood="calm", duration=3, characters=["Ada"]))
    assert (changed.mood, changed.duration, changed.characters) == ("calm", Decimal(3), ("Ada",))
    assert changed.enhanced_prompt == "an attic"


@pytest.mark.parametrize(
    "name", ["shot_id", "shot_number", "scene_id", "providers", "transition", "promt"]
)
def test_fields_that_tie_a_shot_to_its_film_cannot_be_changed(name: str) -> None:
    with pytest.raises(BadInput, match=rf"changes\.{name}: cannot be changed") as caught:
        directed(_shot(), _asked(**{name: "x"}))
    assert caught.value.field == f"changes.{name}"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"duration": 0}, "changes.duration"),
        ({"enhanced_prompt": ""}, "changes.enhanced_prompt"),
        ({"seed": -1}, "changes.seed"),
        ({"characters": ["ok", "a\x00b"]}, "changes.characters.1"),
    ],
)
def test_a_change_that_breaks_a_limit_is_refused_by_its_field(
    changes: dict[str, JsonValue], field: str
) -> None:
    with pytest.raises(BadInput) as caught:
        directed(_shot(), _asked(**changes))
    assert caught.value.field == field


def test_a_reviewers_note_changes_the_prompt_and_a_retake_the_seed() -> None:
    first = _request()
    noted = _request(direction=Direction(notes=("warmer light", " "), retakes=2))
    assert noted.parameters["prompt"] == "an attic\nDirector's note: warmer light"
    assert (first.seed, noted.seed) == (100, 102)
    assert noted.key != first.key


def test_a_rejection_without_words_still_asks_for_another_picture() -> None:
    assert _request(direction=Direction(retakes=1)).key != _request().key


def test_the_seed_stays_a_seed_when_it_moves_past_the_last_one() -> None:
    assert _request(_shot(seed=2**31 - 1), Direction(retakes=1)).seed == 0


def test_a_shot_without_a_seed_gets_one_of_its_words_always_the_same() -> None:
    plain = _request(_shot(seed=None))
    assert plain.seed == _request(_shot(seed=None, shot_id="elsewhere")).seed
    assert plain.seed != _request(_shot(seed=None, negative_prompt="rain")).seed


def test_a_changed_seed_is_taken_as_given() -> None:
    assert _request(direction=_asked(seed=5)).seed == 5


def test_a_model_that_takes_no_seed_gets_none() -> None:
    assert _request(model=_model(takes_seed=False)).seed is None


def test_only_parameters_that_the_model_takes_enter_the_request() -> None:
    known = _model(frozenset({"prompt", "mood"}))
    request = _request(model=known)
    assert request.parameters == {"prompt": "an attic", "mood": "tense"}
    assert _request(_shot(camera="static", time_of_day="dawn"), model=known).key == request.key


def test_parameters_that_say_nothing_are_left_out() -> None:
    request = _request(_shot(negative_prompt="", mood=None, characters=[]))
    assert not {"negative_prompt", "mood", "characters"} & set(request.parameters)


def test_a_clip_is_made_of_its_frame_its_time_and_its_camera() -> None:
    film = Brief.model_validate({"output": {"fps": "24000/1001", "width": 640, "height": 360}})
    clip = _request(kind=Kind.VIDEO, film=film)
    assert [(part.role, part.digest) for part in clip.inputs] == [("frame", FRAME)]
    wanted = {"fps": "24000/1001", "duration": "2.5", "camera": "slow push in", "width": 640}
    assert wanted.items() <= clip.parameters.items()


def test_a_voice_speaks_the_dialogue_as_the_first_character() -> None:
    voice = _request(kind=Kind.AUDIO)
    assert voice.parameters == {"text": "It was here.", "voice": "Mira", "mood": "tense"}
    assert _request(_shot(characters=[]), kind=Kind.AUDIO).parameters["voice"] == "narrator"


def test_equal_shots_of_different_films_make_the_same_request() -> None:
    one = _request(_shot(shot_id="a", shot_number=1, scene_id="x"), film=Brief(title="One"))
    other = _request(_shot(shot_id="b", transition="crossfade"), film=Brief(title="Other"))
    assert one.key == other.key


def _providers(level: str) -> dict[str, str]:
    return {"image": f"{level}:m"}


def test_a_direction_overrules_the_shot_the_shot_the_film_and_the_film_the_default() -> None:
    levels = ["direction", "shot", "film", "preview"]
    for without in range(4):
        given = levels[without:]
        film = Brief.model_validate({"providers": _providers("film") if "film" in given else {}})
        shot = _shot(providers=_providers("shot") if "shot" in given else {})
        told = {"providers": _providers("direction") if "direction" in given else {}}
        provider, _ = model_ref(film, shot, Direction.model_validate(told), Kind.IMAGE)
        assert provider == given[0]


def test_a_choice_for_one_kind_leaves_the_other_kinds_to_the_default() -> None:
    film = Brief.model_validate({"providers": _providers("fal")})
    ref = ":".join(model_ref(film, _shot(), Direction(), Kind.VIDEO))
    assert ref == DEFAULT_PROVIDERS.video


def test_an_asset_is_found_by_what_its_shot_shows() -> None:
    tags = tags_of(_shot(landscapes=["attic"], styles=["ink"], time_of_day="dawn"))
    assert tags.model_dump() == {
        "characters": ("Mira", "Jon"),
        "landscapes": ("attic",),
        "styles": ("ink",),
        "mood": "tense",
        "time_of_day": "dawn",
        "shot_type": "wide",
    }


def test_a_retake_for_its_quality_moves_the_seed_of_that_kind_alone() -> None:
    remade = Direction(retakes=1, remade={Kind.VIDEO: ("cd" * 32, "ef" * 32)})
    seeds = {kind: _request(direction=remade, kind=kind).seed for kind in Kind}
    assert seeds == {Kind.IMAGE: 101, Kind.VIDEO: 103, Kind.AUDIO: 101}


A, B, C, D, E, F = (letter * 64 for letter in "abcdef")
CAST = {
    "Mira": {
        "loras": [{"name": "mira-v2", "weight": 0.8}],
        "references": [A, B],
        "voice": C,
        "voice_text": "I know.",
    },
    "Jon": {"loras": [{"name": "jon"}, {"name": "mira-v2", "weight": 0.5}], "references": [B, D]},
    "Ada": {"loras": [{"name": "ada"}], "references": [E]},
}


def _own_model(**changes: Any) -> Model:
    """A model of one's own: it takes LoRAs, guides and options."""
    given: dict[str, Any] = {
        "parameters": EVERYTHING | {"loras"},
        "options": {"quality", "steps"},
        "roles": {"pose", "source", "mask", "references", "voice", "last_frame"},
    }
    return _model().model_copy(update=given | changes)


def test_the_loras_of_a_shots_characters_are_named_once_each_in_their_order() -> None:
    request = _request(model=_own_model(), film=Brief.model_validate({"cast": CAST}))
    assert request.parameters["loras"] == [
        {"name": "mira-v2", "weight": 0.5},
        {"name": "jon", "weight": 1.0},
    ]


def test_a_model_that_takes_no_loras_is_told_of_none() -> None:
    request = _request(film=Brief.model_validate({"cast": CAST}))
    assert "loras" not in request.parameters
    assert request == _request()


def test_references_of_its_characters_are_what_a_shot_is_made_from() -> None:
    request = _request(model=_own_model(), film=Brief.model_validate({"cast": CAST}))
    found = {part.role: part.digest for part in request.inputs if part.role != "voice"}
    assert found == {"reference_1": A, "reference_2": B, "reference_3": D}


def test_the_voice_of_the_speaker_is_what_a_line_is_spoken_after() -> None:
    words = EVERYTHING | {"voice_text"}
    model = _own_model(roles=frozenset({"voice"}), parameters=words)
    request = _request(kind=Kind.AUDIO, model=model, film=Brief.model_validate({"cast": CAST}))
    assert request.parameters["voice_text"] == "I know."
    assert [(part.role, part.digest) for part in request.inputs] == [("voice", C)]


def test_a_voice_whose_words_a_model_must_know_is_refused_without_them() -> None:
    model = _own_model(roles=frozenset({"voice"}), parameters=EVERYTHING | {"voice_text"})
    film = Brief.model_validate({"cast": {"Mira": {"voice": C}}})
    with pytest.raises(BadInput, match=r"cast\.Mira\.voice_text: m must know it"):
        _request(kind=Kind.AUDIO, model=model, film=film)


def test_guides_of_the_frame_go_to_the_frame_and_those_of_the_clip_to_the_clip() -> None:
    shot = _shot(guides={"pose": E, "last_frame": F}, characters=[])
    frame = _request(shot, model=_own_model())
    assert [(part.role, part.digest) for part in frame.inputs] == [("pose", E)]
    clip = _request(shot, kind=Kind.VIDEO, model=_own_model())
    assert [(part.role, part.digest) for part in clip.inputs] == [
        ("frame", FRAME),
        ("last_frame", F),
    ]


def test_a_guide_that_the_model_does_not_take_is_refused_with_those_it_takes() -> None:
    with pytest.raises(BadInput, match=r"guides\.depth: m takes none\. Its guides are: .*pose"):
        _request(_shot(guides={"depth": E}), model=_own_model())


def test_a_guide_that_a_model_cannot_do_without_is_asked_for() -> None:
    model = _own_model(needs=frozenset({"source"}))
    with pytest.raises(BadInput, match=r"guides\.source: m is made from one"):
        _request(model=model)
    assert _request(_shot(guides={"source": E}), model=model).inputs


def test_options_of_a_shot_go_over_those_of_the_film() -> None:
    film = Brief.model_validate({"options": {"image": {"quality": "draft", "steps": 4}}})
    shot = _shot(options={"image": {"quality": "high"}})
    request = _request(shot, model=_own_model(), film=film)
    assert (request.parameters["quality"], request.parameters["steps"]) == ("high", 4)
    assert "quality" not in _request(shot, kind=Kind.VIDEO, model=_own_model()).parameters


def test_an_option_that_the_model_does_not_take_is_refused_with_those_it_takes() -> None:
    shot = _shot(options={"image": {"prompt": "another"}})
    refusal = r"options\.image\.prompt: m does not take it\. Its options are: quality, steps\."
    with pytest.raises(BadInput, match=refusal):
        _request(shot, model=_own_model())
