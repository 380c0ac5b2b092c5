"""What every function is: a maker that loads once and then makes one work after another."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Protocol

from pydantic import JsonValue

from filmforge.domain import Work
from filmforge.errors import BadInput, FilmError
from gpu_functions.device import Device
from gpu_functions.weights import Source


class Stopped(FilmError):
    """The work was cancelled, or another call took it over; nothing more is to be done."""

    code = "work_stopped"


class TooLarge(FilmError):
    """The work needs more memory than the GPU, or its declared budget, has."""

    code = "too_large"

    def __init__(self, needs_gib: float, budget_gib: float, remedy: str) -> None:
        super().__init__(
            f"needs {needs_gib:.1f} GiB of GPU memory, {budget_gib:.1f} GiB is the budget. {remedy}"
        )
        self.needs_gib = needs_gib
        self.budget_gib = budget_gib


class Checkpoints(Protocol):
    """Files that outlive the call: a work that is begun again goes on from them."""

    def save(self, name: str, path: Path) -> None:
        """Keep a file under a name, in place of an earlier one."""
        ...

    def load(self, name: str, path: Path) -> bool:
        """Write what was kept under a name to a path; False where there is nothing."""
        ...


@dataclass(frozen=True)
class Room:
    """Where one work is made.

    `folder` is scratch of its own; `inputs` are local files by role; `tell` takes the share that
    is done (0 to 1) and raises Stopped when the work is to end: call it between steps.
    """

    folder: Path
    inputs: Mapping[str, Path]
    checkpoints: Checkpoints
    tell: Callable[[float], None]

    def input(self, role: str) -> Path:
        """The input of that role. Raises BadInput when it is missing."""
        if role not in self.inputs:
            raise BadInput(role, "is missing", f"Give a {role.replace('_', ' ')}.")
        return self.inputs[role]

    def all(self, role: str) -> list[Path]:
        """The inputs `role_1`, `role_2` … in order."""
        found = (name for name in self.inputs if name.startswith(f"{role}_"))
        return [self.inputs[name] for name in sorted(found)]


@dataclass(frozen=True)
class Made:
    """A file that was made; `facts` are what was measured or chosen on the way."""

    path: Path
    media_type: str
    facts: Mapping[str, JsonValue] = field(default_factory=dict)


class Maker(Protocol):
    """A model that is loaded when it is made, and makes until it is closed.

    `source` is what its weights are; `heavy` tells that no other heavy maker may be resident
    beside it.
    """

    name: ClassVar[str]
    source: ClassVar[Source]
    heavy: ClassVar[bool]

    def __init__(self, weights: Path, device: Device) -> None: ...

    @classmethod
    def needs_gib(cls, work: Work, device: Device) -> float:
        """GiB of GPU memory that a work takes, the weights as placed on the device included."""
        ...

    def make(self, work: Work, room: Room) -> Made:
        """Make it. Raises BadInput naming a parameter, TooLarge, or Stopped."""
        ...

    def close(self) -> None:
        """Give the memory back."""
        ...
