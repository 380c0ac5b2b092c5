"""The cards of a film, which stand in its row of shots as shots that need no provider."""

from collections.abc import Sequence

from filmforge.brief import Brief, Output
from filmforge.cut.layout import frames_of
from filmforge.domain import GenerationRequest, Ingredient, Shot
from filmforge.recipe import recipe_of
from filmforge.subtitles import END_CARD, TITLE_CARD, Card
from filmforge.transition import CUT, Transition


def with_cards(shots: Sequence[Shot], brief: Brief) -> list[Shot]:
    """The shots with the film's cards before and after them; no shots, no cards."""
    if not shots:
        return []
    title, end = brief.title_card, brief.end_card
    return [
        *([_as_shot(title, TITLE_CARD, brief.opening)] if title else ()),
        *shots,
        *([_as_shot(end, END_CARD, CUT)] if end else ()),
    ]


def opening_of(brief: Brief) -> Transition:
    """How the film begins: what brings the first shot in lies after a title card."""
    return CUT if brief.title_card else brief.opening


def cards_of(brief: Brief) -> dict[str, Card]:
    """The film's cards by the id of the shot they stand for."""
    given = {TITLE_CARD: brief.title_card, END_CARD: brief.end_card}
    return {shot_id: card for shot_id, card in given.items() if card}


def card_recipe(card: Card, output: Output) -> GenerationRequest:
    """The recipe of a card's clip."""
    return recipe_of(
        "card",
        {
            "card": card.model_dump(mode="json"),
            "output": output.model_dump(mode="json"),
            "frames": frames_of(card.duration, output.fps),
        },
        [Ingredient(role="font", digest=card.font)] if card.font else [],
    )


def _as_shot(card: Card, shot_id: str, transition: Transition) -> Shot:
    return Shot(
        shot_id=shot_id,
        shot_type="card",
        enhanced_prompt=card.text,
        duration=card.duration,
        transition=transition,
    )
