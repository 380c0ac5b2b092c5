"""From the options of a command to an open connection; heavy parts are imported when used."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from filmforge.cli.api import Api

_WIDE = 200


@contextmanager
def connect(state: Path | None) -> "Iterator[Api]":
    """The API that the options and the environment name. Raises Unreachable or BadInput."""
    from filmforge.cli.access import find_access
    from filmforge.cli.api import Api

    with Api(find_access(state)) as api:
        yield api


def console(stderr: bool = False) -> "Console":
    """A console that takes text as it is; wide where it is no terminal, so that nothing is cut."""
    from rich.console import Console

    made = Console(stderr=stderr, markup=False, highlight=False, emoji=False)
    if not made.is_terminal:
        made.width = _WIDE
    return made


def tell(document: Any, as_json: bool, render: "Callable[[Any], RenderableType]") -> None:
    """Print an answer: the document itself for machines, what `render` makes of it for people."""
    if as_json:
        print_json(document)
    else:
        console().print(render(document), crop=False)


def print_json(document: Any) -> None:
    """Print one JSON document on stdout."""
    sys.stdout.write(json.dumps(document, ensure_ascii=False, indent=2) + "\n")


def say(*lines: str) -> None:
    """Print lines on stdout, unbroken and without styling."""
    for line in lines:
        sys.stdout.write(f"{line}\n")
