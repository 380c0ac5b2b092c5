"""The domain: request keys that never change, and limits that say what to do."""

import json
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from filmforge.brief import MAX_SHOTS, Film, read_film
from filmforge.domain import GenerationRequest, Kind, Shot
from filmforge.fields import MAX_PROMPT_CHARS

FRAME = "ab" * 32
calm = settings(deadline=None, max_examples=50)  # a busy machine is no failure
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc"), inner, max_size=3),
    max_leaves=5,
)


def _request(**changes: Any) -> GenerationRequest:
    values = {
        "kind": Kind.VIDEO,
        "provider": "fake",
        "model": "video-1",
        "parameters": {"prompt": "ein Dachboden, früh", "width": 64, "styles": ["ink", "noir"]},
        "seed": 7,
        "inputs": [{"role": "frame", "digest": FRAME}],
    }
    return GenerationRequest.model_validate({**values, **changes})


def _shot(**changes: Any) -> dict[str, Any]:
    return {"shot_id": "s0", "enhanced_prompt": "a lamp", "duration": 2, **changes}


def _film(*shots: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {"shots": list(shots) or [_shot()], **changes}


def _problem(document: Any) -> tuple[tuple[int | str, ...], str]:
    with pytest.raises(ValidationError) as caught:
        read_film(document)
    first = caught.value.errors()[0]
    return first["loc"], first["msg"]


def test_the_request_key_of_a_known_request_is_pinned() -> None:
    """Changing how keys are made would pay for every cached asset again."""
    # printf '%s' '{"inputs":[{"digest":"abab…","role":"frame"}],"model":"video-1",…}' | sha256sum
    assert _request().key == "1f0012170548fb8375695b53814841a54191bd80243edf16ae075d287d6c134a"


@calm
@given(st.dictionaries(st.text("abcde", min_size=1), json_values, max_size=5), st.randoms())
def test_the_request_key_does_not_depend_on_the_order_of_parameters(
    parameters: dict[str, Any], chance: Any
) -> None:
    shuffled = list(parameters.items())
    chance.shuffle(shuffled)
    assert _request(parameters=parameters).key == _request(parameters=dict(shuffled)).key


@calm
@given(st.dictionaries(st.text("abcde", min_size=1), json_values, max_size=5))
def test_the_request_key_survives_storage_as_json(parameters: dict[str, Any]) -> None:
    request = _request(parameters=parameters)
    kept = json.loads(json.dumps(request.model_dump(mode="json")))
    assert GenerationRequest.model_validate(kept).key == request.key


@pytest.mark.parametrize(
    "change",
    [
        {"provider": "other"},
        {"model": "video-2"},
        {"seed": 8},
        {"seed": None},
        {"inputs": []},
        {"inputs": [{"role": "frame", "digest": "cd" * 32}]},
        {"parameters": {}},
        {"parameters": {"prompt": "ein Dachboden, früh", "width": 64, "styles": ["noir", "ink"]}},
        {"parameters": {"prompt": "ein Dachboden, früh", "width": "64", "styles": ["ink", "noir"]}},
    ],
    ids=lambda change: next(iter(change)),
)
def test_any_other_value_is_another_request_key(change: dict[str, Any]) -> None:
    assert _request(**change).key != _request().key


def test_a_request_knows_nothing_of_film_shot_take_or_time() -> None:
    fields = {"kind", "provider", "model", "parameters", "seed", "inputs"}
    assert set(GenerationRequest.model_fields) == fields


def test_a_number_that_is_not_one_has_no_request_key() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        _ = _request(parameters={"strength": float("nan")}).key


def test_a_prompt_may_have_8000_characters_and_not_one_more() -> None:
    assert MAX_PROMPT_CHARS == 8_000
    read_film(_film(_shot(enhanced_prompt="é" * 8_000)))
    place, problem = _problem(_film(_shot(enhanced_prompt="é" * 8_001)))
    assert place == ("shots", 0, "enhanced_prompt")
    assert "8000" in problem


@pytest.mark.parametrize("code", [0x00, 0x07, 0x1B, 0x7F, 0x85, 0x2028, 0x2029])
@pytest.mark.parametrize(
    "place",
    [
        lambda text: _film(_shot(enhanced_prompt=text)),
        lambda text: _film(_shot(negative_prompt=text)),
        lambda text: _film(_shot(dialogue=text)),
        lambda text: _film(_shot(characters=[text])),
        lambda text: _film(_shot(mood=text)),
        lambda text: _film(title=text),
    ],
    ids=["prompt", "negative", "dialogue", "character", "mood", "title"],
)
def test_control_characters_are_refused_by_their_code(
    place: Callable[[str], Any], code: int
) -> None:
    assert f"U+{code:04X}: remove it" in _problem(place(f"a{chr(code)}b"))[1]


def test_line_breaks_and_tabs_in_prompts_are_welcome() -> None:
    film = read_film(_film(_shot(enhanced_prompt="one\r\n\ttwo")))
    assert film.shots[0].enhanced_prompt == "one\r\n\ttwo"


def test_a_prompt_of_spaces_is_no_prompt() -> None:
    assert _problem(_film(_shot(enhanced_prompt=" \n ")))[0] == ("shots", 0, "enhanced_prompt")


@pytest.mark.parametrize(
    ("given", "seconds"),
    [(2, "2"), (2.5, "2.5"), ("0.001", "0.001"), ("1.2e2", "120"), (120, "120")],
)
def test_a_duration_is_an_exact_number_of_seconds(given: Any, seconds: str) -> None:
    shot = Shot.model_validate(_shot(duration=given))
    assert shot.duration == Decimal(seconds)
    assert shot.model_dump(mode="json")["duration"] == seconds


@pytest.mark.parametrize(
    "given",
    [0, -1, "120.001", 121, "nan", "inf", "1e999999999", "1e-999999999", 0.0001, True, None, "two"],
)
def test_a_duration_out_of_bounds_is_refused_where_it_stands(given: Any) -> None:
    place, problem = _problem(_film(_shot(duration=given)))
    assert place == ("shots", 0, "duration")
    assert "must" in problem


@pytest.mark.parametrize("budget", [float("nan"), "NaN", "-0.01", "Infinity", True, "1000000.01"])
def test_a_budget_must_be_an_amount(budget: Any) -> None:
    assert _problem(_film(budget_usd=budget))[0] == ("budget_usd",)


@pytest.mark.parametrize(
    ("given", "rate"),
    [
        (24, Fraction(24)),
        ("24", Fraction(24)),
        (25.0, Fraction(25)),
        ("24000/1001", Fraction(24000, 1001)),
        ("30000/1001", Fraction(30000, 1001)),
        ("120000/1001", Fraction(120000, 1001)),
        ("12.5", Fraction(25, 2)),
    ],
)
def test_a_frame_rate_is_an_exact_fraction(given: Any, rate: Fraction) -> None:
    film = read_film(_film(output={"fps": given}))
    assert film.output.fps == rate
    assert read_film(film.model_dump(mode="json")) == film


@pytest.mark.parametrize(
    "given",
    [0, -24, 121, "1/0", "24000/", "abc", 23.976, float("nan"), float("inf"), True, None, "1e2"],
)
def test_a_frame_rate_that_is_none_is_refused(given: Any) -> None:
    place, problem = _problem(_film(output={"fps": given}))
    assert place == ("output", "fps")
    assert "24000/1001" in problem


def test_a_frame_rate_with_a_monstrous_exponent_is_refused_at_once() -> None:
    """Computing it would hold the machine for minutes."""
    assert _problem(_film(output={"fps": "1e999999999"}))[0] == ("output", "fps")


@pytest.mark.parametrize("side", [63, 65, 4098, 0, -2])
def test_a_picture_has_an_even_number_of_pixels_within_bounds(side: int) -> None:
    assert _problem(_film(output={"width": side}))[0] == ("output", "width")


@pytest.mark.parametrize("name", ["", ".a", "a b", "a/b", "a\n", "é", "x" * 65])
def test_an_identifier_that_is_no_plain_name_is_refused(name: str) -> None:
    assert _problem(_film(_shot(shot_id=name)))[0] == ("shots", 0, "shot_id")


def test_a_shot_id_used_twice_is_refused_where_it_stands_again() -> None:
    problem = _problem(_film(_shot(), _shot(shot_id="s1"), _shot()))[1]
    assert "shots[2].shot_id: 's0' is used twice, shots[0] has it too." in problem
    assert "Give every shot an id of its own." in problem


@pytest.mark.parametrize(
    ("document", "place"),
    [
        (_film(_shot(promt="x")), ("shots", 0, "promt")),
        (_film(budgt_usd="1"), ("budgt_usd",)),
        (_film(output={"depth": 8}), ("output", "depth")),
        (_film(_shot(transition={"type": "cut", "colour": "red"})), ("shots", 0, "transition")),
    ],
)
def test_unknown_fields_are_refused_by_name(document: Any, place: tuple[Any, ...]) -> None:
    found, problem = _problem(document)
    assert found[: len(place)] == place
    assert "not permitted" in problem


def test_a_film_has_at_least_one_shot_and_at_most_5000() -> None:
    assert MAX_SHOTS == 5_000
    assert _problem({"shots": []})[0] == ("shots",)
    many = [_shot(shot_id=f"s{n}") for n in range(5_001)]
    assert _problem(many)[0] == ("shots",)
    assert len(read_film(many[:-1]).shots) == 5_000


def test_a_bare_list_of_shots_is_a_film() -> None:
    assert read_film([_shot()]) == read_film({"shots": [_shot()]})


def test_the_brief_is_the_film_without_its_shots() -> None:
    film = read_film(_film(title="Attic", budget_usd="12.50", output={"fps": "24000/1001"}))
    assert film.brief.model_dump() == film.model_dump(exclude={"shots"})


@pytest.mark.parametrize("name", ["cut", "crossfade", "wipe_left", "dip_to_black"])
def test_a_transition_may_be_given_by_its_name_alone(name: str) -> None:
    shot = Shot.model_validate(_shot(transition=name))
    assert shot.transition
    assert (shot.transition.type, shot.transition.duration) == (name, Decimal("0.5"))


@pytest.mark.parametrize("value", ["wipe", "", 3, {"type": "crossfade", "duration": 0}])
def test_a_transition_that_is_none_is_refused(value: Any) -> None:
    assert _problem(_film(_shot(transition=value)))[0][:3] == ("shots", 0, "transition")


def _fade(first: float, fade: float, second: float) -> dict[str, Any]:
    """A film whose second shot fades into its third."""
    transition = {"type": "crossfade", "duration": fade}
    return _film(
        _shot(shot_id="a", duration=9),
        _shot(shot_id="b", duration=first, transition=transition),
        _shot(shot_id="c", duration=second),
    )


@pytest.mark.parametrize(
    ("document", "short", "longest"),
    [
        (_fade(3, 1.501, 9), "shots[1], which lasts 3 s", "at most 1.5 s"),
        (_fade(9, 2, 3), "shots[2], which lasts 3 s", "at most 1.5 s"),
        (_fade(1.001, 0.501, 9), "shots[1], which lasts 1.001 s", "at most 0.5 s"),
    ],
    ids=["own shot", "next shot", "odd milliseconds"],
)
def test_a_crossfade_longer_than_half_of_a_neighbour_is_refused(
    document: Any, short: str, longest: str
) -> None:
    problem = _problem(document)[1].removeprefix("Value error, ")
    assert problem.startswith("shots[1].transition.duration: a crossfade of ")
    assert short in problem
    assert longest in problem


def test_a_crossfade_of_exactly_half_is_allowed() -> None:
    assert isinstance(read_film(_fade(3, 1.5, 3)), Film)


def test_a_crossfade_after_the_last_shot_fades_into_nothing_and_is_allowed() -> None:
    read_film(_film(_shot(duration=0.2, transition="crossfade")))


def test_the_example_films_are_films() -> None:
    for path in Path("examples").glob("*.json"):
        assert read_film(json.loads(path.read_text())).shots
