"""A claim as a C2PA 2 manifest definition: actions, and ingredients that name their models."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

from filmforge.provenance.facts import Approved, Claim, MadeWith, Role

Json = dict[str, Any]

# Words of our own stand beside C2PA's under this prefix.
OWN = "filmforge"
PARENT = "parent"
MADE = f"{OWN}.made"
APPROVED = f"{OWN}.approved"

# The library compares every ingredient with every other: 500 take half a second to sign and half
# a second to read (measured), 5,000 a minute. Beyond this, one ingredient stands for each model
# and lists all that it made.
MAX_SINGLE_INGREDIENTS = 500


def software() -> Json:
    """The claim generator: FilmForge and its version."""
    return {"name": "FilmForge", "version": version("filmforge")}


def manifest_of(claim: Claim, signed_at: datetime, *, opened: bool = False) -> Json:
    """The manifest definition of a claim; `opened` if the file itself is its own parent.

    A file that carries credentials already, or that a person supplied, is opened, not created:
    its parent ingredient has the label PARENT and is added by whoever signs.
    """
    groups = _grouped(claim.parts)
    ingredients = [_ingredient(i, group, claim) for i, group in enumerate(groups)]
    actions = [
        _first_action(claim, ingredients, signed_at, opened),
        *_placements(ingredients),
        *({"action": f"c2pa.{e.action}", "description": e.description} for e in claim.edits),
        *map(_approval, claim.approvals),
    ]
    return {
        "claim_version": 2,
        "claim_generator_info": [software()],
        "title": claim.title or None,
        "ingredients": ingredients,
        "assertions": [{"label": "c2pa.actions.v2", "data": {"actions": actions}}],
    }


def _grouped(parts: Sequence[MadeWith]) -> list[list[MadeWith]]:
    if len(parts) <= MAX_SINGLE_INGREDIENTS:
        return [[part] for part in parts]
    groups: dict[tuple[Role, str], list[MadeWith]] = {}
    for part in parts:
        groups.setdefault((part.role, part.maker), []).append(part)
    return [groups[key] for key in sorted(groups)]


def _ingredient(index: int, group: Sequence[MadeWith], claim: Claim) -> Json:
    first = group[0]
    alone = len(group) == 1
    return {
        "label": f"made-{index}",
        "title": _title(first) if alone else f"{len(group)} files · {first.role} · {first.maker}",
        "instance_id": f"{OWN}:{first.request_key if alone else f'{first.role}:{first.maker}'}",
        # A frame is what a clip was made from; it is not itself seen in the film.
        "relationship": "inputTo" if first.role is Role.FRAME else "componentOf",
        "description": "Supplied by a person" if first.supplied else f"Made by {first.maker}",
        "metadata": {MADE: [_record(made, claim.with_prompts) for made in group]},
    }


def _title(made: MadeWith) -> str:
    return " · ".join(filter(None, (made.shot_id, made.role, made.name, f"take {made.take}")))


def _record(made: MadeWith, with_prompt: bool) -> Json:
    record = made.model_dump(mode="json", exclude={"prompt", "used"}, exclude_none=True)
    if made.source:
        record["source"] = made.source.value
    if with_prompt and made.prompt:
        record["prompt"] = made.prompt
    return record


def _labels(ingredients: Iterable[Json], relationship: str) -> list[str]:
    return [i["label"] for i in ingredients if i["relationship"] == relationship]


def _first_action(
    claim: Claim, ingredients: Sequence[Json], signed_at: datetime, opened: bool
) -> Json:
    named = [PARENT] if opened else _labels(ingredients, "inputTo")
    parameters: Json = {"ingredientIds": named} if named else {}
    if claim.itself:
        parameters[MADE] = _record(claim.itself, claim.with_prompts)
    action: Json = {
        "action": "c2pa.opened" if opened else "c2pa.created",
        "when": _moment(signed_at),
        "softwareAgent": {"name": claim.itself.maker} if claim.itself else software(),
    }
    if not opened and claim.source:
        action["digitalSourceType"] = claim.source.value
    return action | ({"parameters": parameters} if parameters else {})


def _placements(ingredients: Sequence[Json]) -> list[Json]:
    return [
        {"action": "c2pa.placed", "parameters": {"ingredientIds": [label]}}
        for label in _labels(ingredients, "componentOf")
    ]


def _approval(approved: Approved) -> Json:
    what = approved.shot_id or "the whole"
    action: Json = {
        "action": APPROVED,
        "description": f"{approved.by or 'A person'} approved {what}",
        "parameters": {f"{OWN}.{k}": v for k, v in _given(approved).items()},
    }
    return action | ({"when": _moment(approved.at)} if approved.at else {})


def _given(approved: Approved) -> dict[str, str]:
    return {
        name: value
        for name, value in (("by", approved.by), ("shot_id", approved.shot_id))
        if value is not None
    }


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
