"""Recipes: what decides the bytes that a step of ours makes, so that they are made once."""

from collections.abc import Sequence

from pydantic import JsonValue

from filmforge.domain import GenerationRequest, Ingredient, Kind

# The provider of whatever our own steps make.
OWN = "filmforge"
# Part of every recipe: raise it when filmforge.media makes other bytes from the same sources.
EDITION = 4


def recipe_of(
    step: str,
    parameters: dict[str, JsonValue],
    inputs: Sequence[Ingredient] = (),
    kind: Kind = Kind.VIDEO,
) -> GenerationRequest:
    """The recipe of a step of ours: its key says everything that decides the bytes it makes."""
    return GenerationRequest(
        kind=kind,
        provider=OWN,
        model=f"{step}-{EDITION}",
        parameters=parameters,
        inputs=tuple(inputs),
    )
