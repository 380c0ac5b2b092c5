"""Reads XML of unknown origin: no entities, no DTD is fetched, and everything is bounded."""

from xml.etree.ElementTree import (
    Element,
    TreeBuilder,
)
from xml.parsers import expat

from filmforge.errors import BadInput

MAX_BYTES = 64 << 20
MAX_ELEMENTS = 500_000
MAX_DEPTH = 64
MAX_ATTRIBUTES = 64


def read_markup(data: bytes) -> Element:
    """The root element.

    Raises BadInput for what is no XML, declares an entity, or has more than 64 MiB, 500,000
    elements, 64 levels or 64 attributes on one element.
    """
    if len(data) > MAX_BYTES:
        raise _bad(f"it has {len(data)} bytes, more than {MAX_BYTES}")
    builder = _Builder()
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.EntityDeclHandler = _no_entity
    parser.ExternalEntityRefHandler = _no_entity
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.data
    try:
        parser.Parse(data, True)
    except expat.ExpatError as error:
        raise _bad(f"it is no well-formed XML: {error}") from None
    return builder.root()


class _Builder:
    def __init__(self) -> None:
        self._tree = TreeBuilder()
        self._elements = 0
        self._depth = 0

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        self._elements += 1
        self._depth += 1
        if self._elements > MAX_ELEMENTS or self._depth > MAX_DEPTH:
            raise _bad(f"it has too many elements ({self._elements}) or levels ({self._depth})")
        if len(attributes) > MAX_ATTRIBUTES:
            raise _bad(f"the element {tag[:40]!r} has {len(attributes)} attributes")
        self._tree.start(tag, attributes)

    def end(self, tag: str) -> None:
        self._depth -= 1
        self._tree.end(tag)

    def data(self, text: str) -> None:
        self._tree.data(text)

    def root(self) -> Element:
        return self._tree.close()


def _no_entity(*_: object) -> int:
    raise _bad("it declares an entity")


def _bad(problem: str) -> BadInput:
    return BadInput("fcpxml", problem, "Export the project as FCPXML again.")
