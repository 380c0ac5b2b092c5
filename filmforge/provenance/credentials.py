"""What was found in a file, in words of our own: every text of it was written by strangers."""

import unicodedata
from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic import TypeAdapter, ValidationError

from filmforge.fields import Frozen
from filmforge.provenance.manifest import MADE, OWN

_LONGEST = 500
_MOMENT = TypeAdapter(datetime)


class State(StrEnum):
    """What may be believed of a file.

    `trusted`: unchanged since it was signed, by a signer under one of the roots that were given;
    `untrusted`: unchanged, by a signer under none of them; `development`: unchanged, signed with
    a development certificate; `tampered`: changed after it was signed; `invalid`: signed against
    the rules, or its certificate has expired; `damaged`: cannot be read as what it claims to be;
    `none`: carries no credentials, because it never had any or they were taken out.
    """

    TRUSTED = "trusted"
    UNTRUSTED = "untrusted"
    DEVELOPMENT = "development"
    TAMPERED = "tampered"
    INVALID = "invalid"
    DAMAGED = "damaged"
    NONE = "none"

    @property
    def intact(self) -> bool:
        """Whether the file is as it was when it was signed, by whomever."""
        return self in (State.TRUSTED, State.UNTRUSTED, State.DEVELOPMENT)


class SignedBy(Frozen):
    """What the certificate says about the signer."""

    organisation: str | None = None
    name: str | None = None
    algorithm: str | None = None
    serial: str | None = None


class Made(Frozen):
    """One file and the model that made it, as FilmForge wrote it down."""

    role: str | None = None
    provider: str | None = None
    model: str | None = None
    shot_id: str | None = None
    take: str | None = None
    name: str | None = None
    digest: str | None = None
    request_key: str | None = None
    source: str | None = None
    prompt: str | None = None


class Part(Frozen):
    """An ingredient: what the file was made from."""

    title: str | None = None
    relationship: str | None = None
    description: str | None = None
    instance_id: str | None = None
    made: tuple[Made, ...] = ()
    has_credentials: bool = False


class Action(Frozen):
    """What was done; `parts` are the titles of the ingredients it was done with."""

    action: str
    when: datetime | None = None
    description: str | None = None
    software: str | None = None
    source: str | None = None
    parts: tuple[str, ...] = ()
    made: Made | None = None


class Credentials(Frozen):
    """The content credentials of a file, and whether they hold.

    `claimed_at` is the signer's own word; `timestamp` an authority's. `problems` are the codes of
    C2PA that failed; `elsewhere` the address the file gives for its credentials, never fetched.
    """

    state: State
    title: str | None = None
    software: str | None = None
    signer: SignedBy | None = None
    claimed_at: datetime | None = None
    timestamp: datetime | None = None
    timestamp_trusted: bool = False
    actions: tuple[Action, ...] = ()
    ingredients: tuple[Part, ...] = ()
    problems: tuple[str, ...] = ()
    elsewhere: str | None = None


def clean(value: Any) -> str | None:
    """A stranger's text on one bounded line, without anything that steers a terminal."""
    if not isinstance(value, str | int | float) or value == "":
        return None
    text = "".join(
        c
        for c in str(value)[: 4 * _LONGEST]
        if not unicodedata.category(c).startswith(("C", "Zl", "Zp"))
    )
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def moment(value: Any) -> datetime | None:
    """A stranger's time, or None where it is none."""
    try:
        return _MOMENT.validate_python(value) if isinstance(value, str) else None
    except ValidationError:
        return None


def mapping(value: Any) -> Mapping[str, Any]:
    """The value if it is a mapping, otherwise an empty one."""
    return value if isinstance(value, Mapping) else {}


def mappings(value: Any) -> list[Mapping[str, Any]]:
    """The mappings of a list; nothing where it is no list."""
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []


def parts_of(manifest: Mapping[str, Any]) -> dict[str, Part]:
    """The ingredients of a manifest under their labels."""
    return {
        str(item.get("label", index)): Part(
            title=clean(item.get("title")),
            relationship=clean(item.get("relationship")),
            description=clean(item.get("description")),
            instance_id=clean(item.get("instance_id")),
            made=tuple(map(made_of, mappings(mapping(item.get("metadata")).get(MADE)))),
            has_credentials="active_manifest" in item,
        )
        for index, item in enumerate(mappings(manifest.get("ingredients")))
    }


def made_of(record: Mapping[str, Any]) -> Made:
    """One record of what made a file."""
    return Made(**{name: clean(record.get(name)) for name in Made.model_fields})


def actions_of(manifest: Mapping[str, Any], parts: Mapping[str, Part]) -> tuple[Action, ...]:
    """The actions of a manifest, in the order in which they were written."""
    return tuple(
        _action(item, parts)
        for assertion in mappings(manifest.get("assertions"))
        if str(assertion.get("label", "")).startswith("c2pa.actions")
        for item in mappings(mapping(assertion.get("data")).get("actions"))
    )


def _action(item: Mapping[str, Any], parts: Mapping[str, Part]) -> Action:
    parameters = mapping(item.get("parameters"))
    return Action(
        action=clean(item.get("action")) or "unnamed",
        when=moment(item.get("when")),
        description=clean(item.get("description")),
        software=software_of([item.get("softwareAgent")]),
        source=clean(item.get("digitalSourceType")),
        parts=tuple(_titles(mappings(parameters.get("ingredients")), parts)),
        made=made_of(mapping(parameters[MADE])) if MADE in parameters else None,
    )


def _titles(references: Iterable[Mapping[str, Any]], parts: Mapping[str, Part]) -> Iterable[str]:
    for reference in references:
        label = str(reference.get("url", "")).rpartition("/")[2]
        yield (parts[label].title if label in parts else None) or f"{OWN}: unnamed"


def software_of(agents: Any) -> str | None:
    """The first of a list of programs, with its version."""
    agent = agents[0] if isinstance(agents, list) and agents else None
    if isinstance(agent, str):
        return clean(agent)
    named = [clean(mapping(agent).get(key)) for key in ("name", "version")]
    return " ".join(filter(None, named)) or None
