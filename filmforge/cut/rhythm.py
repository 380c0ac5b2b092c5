"""A film cut to the rhythm of another one: the same shots in the same order, of other lengths."""

from filmforge.domain import GenerationRequest, Ingredient
from filmforge.errors import BadInput
from filmforge.interchange.library import Library
from filmforge.interchange.recut import Passage, Recut, Shown
from filmforge.media.tempo import Mapping, Material, Rhythm, Suggestion, apply_rhythm
from filmforge.recipe import recipe_of
from filmforge.subtitles import END_CARD, TITLE_CARD

RHYTHM_FILE = "rhythm.json"
_CARDS = (TITLE_CARD, END_CARD)


def rhythm_recipe(reference: str) -> GenerationRequest:
    """What finding the rhythm of the film with this digest is remembered by."""
    return recipe_of("rhythm", {}, [Ingredient(role="film", digest=reference)])


def cut_to_rhythm(
    recut: Recut, library: Library, rhythm: Rhythm, mapping: Mapping
) -> tuple[Recut, tuple[Suggestion, ...]]:
    """The film with its shots as long as the rhythm has it, and what was decided for each.

    Cards and plain stretches stay; the film's own sound is laid under the new picture. Raises
    BadInput when there is no shot.
    """
    entries = [recut.opening, *(part.transition for part in recut.shown)]
    places = [i for i, part in enumerate(recut.shown) if _is_shot(part)]
    materials = [_material(recut.shown[i], entries[i], library) for i in places]
    if not materials:
        raise BadInput("film", "it shows no shot", "Bring one back with a retry.")
    suggestions = apply_rhythm(materials, rhythm, recut.fps, mapping)
    shown = list(recut.shown)
    for place, suggestion in zip(places, suggestions, strict=True):
        shown[place] = shown[place].model_copy(update={"frames": suggestion.frames})
    return recut.model_copy(update={"shown": tuple(shown), "heard": None}), suggestions


def _is_shot(part: Shown) -> bool:
    return part.shot_id is not None and part.digest is not None and part.shot_id not in _CARDS


def _material(part: Shown, into: Passage | None, library: Library) -> Material:
    """What there is of a shot from where it begins now; its transitions keep their length."""
    assert part.shot_id is not None
    assert part.digest is not None
    taken = (into.head if into else 0) + (part.transition.tail if part.transition else 0)
    left = library.takes[part.digest].frames - part.start
    return Material(
        shot_id=part.shot_id,
        frames=max(left, part.frames),
        least=min(part.frames, taken + 1),
    )
