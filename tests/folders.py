"""Folders that somebody else is at work in, as a test looks at them."""

import os
from collections.abc import Iterator
from pathlib import Path


def files_below(folder: Path) -> Iterator[Path]:
    """Every file below a folder; one that goes meanwhile is no error, as in `Path.rglob` it is."""
    for place, _, names in os.walk(folder):
        yield from (Path(place, name) for name in names)
