"""What the catalogue lets films ask of a function is what the function takes."""

from importlib import import_module

import pytest

from filmforge.brief import Film
from filmforge.cast import IMAGE_GUIDES, VIDEO_GUIDES
from filmforge.cues import sounds_of
from filmforge.direction import request_for
from filmforge.domain import Direction, Kind, Providers, Shot, Work
from filmforge.providers.catalogue import load_models
from gpu_functions.catalogue import MAKERS, maker_of
from gpu_functions.device import Device
from gpu_functions.wishes import Wish

MODELS = load_models("modal")
FILMED = sorted(name for name, model in MODELS.items() if model.makes != "tool")
GPU = Device("cuda", "a large GPU", 141.0, "bfloat16")
# Words that nothing comes of, and what is no film's.
UNSAID = {"prompt", "output"}
ANY = "0" * 64


def wish_of(function: str) -> type[Wish]:
    """The wish of a function: the largest that its file knows."""
    found = vars(import_module(f"gpu_functions.{function}")).values()
    wishes = [each for each in found if isinstance(each, type) and issubclass(each, Wish)]
    return max(wishes, key=lambda each: len(each.model_fields))


def test_every_function_can_be_asked_for() -> None:
    assert set(MODELS) == set(MAKERS)


@pytest.mark.parametrize("function", sorted(MODELS))
def test_a_function_takes_what_its_entry_says_and_the_entry_says_all_it_takes(
    function: str,
) -> None:
    model, takes = MODELS[function], set(wish_of(function).model_fields)
    said = model.parameters | model.options | model.fixed.keys()
    assert said <= takes
    assert takes - said <= UNSAID


@pytest.mark.parametrize("function", FILMED)
@pytest.mark.parametrize("size", [(1280, 720), (720, 1280), (1920, 800)])
def test_what_a_film_asks_for_is_taken_by_the_function(
    function: str, size: tuple[int, int]
) -> None:
    model = MODELS[function]
    kind = model.kind
    ref = f"modal:{function}"
    shot = Shot.model_validate(
        {
            "shot_id": "s1",
            "enhanced_prompt": "An attic, late light",
            "negative_prompt": "people",
            "duration": "5.5",
            "dialogue": "It was here all along.",
            "camera": "slow push in",
            "mood": "nostalgic and tense",
            "characters": ["emma"],
            "providers": Providers(**{kind.value: ref}),
            "guides": dict.fromkeys(guides_of(kind) & model.roles, ANY),
        }
    )
    emma = {"loras": [{"name": "emma-v1"}], "references": [ANY], "voice": ANY, "voice_text": "I."}
    waltz = {"generate": {"prompt": "A slow waltz", "duration": 20, "model": ref}}
    film = Film.model_validate(
        {
            "cast": {"emma": emma},
            "output": {"width": size[0], "height": size[1]},
            "sound": {"music": [waltz] if function == "music" else []},
            "shots": [shot],
        }
    )
    shot = next(iter(sounds_of(film)), shot)
    request = request_for(film, shot, Direction(), kind, model, ANY)
    work = Work(key=ANY, function=function, parameters=request.parameters, seed=request.seed)
    assert 0 < maker_of(function).needs_gib(work, GPU) < GPU.budget_gib


def guides_of(kind: Kind) -> set[str]:
    return set({Kind.IMAGE: IMAGE_GUIDES, Kind.VIDEO: VIDEO_GUIDES, Kind.AUDIO: ()}[kind])
