"""What a function is tested on: the processor, a scratch room, works and plain pictures."""

import hashlib
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image

from filmforge.domain import Work, WorkInput
from gpu_functions.device import Device
from gpu_functions.maker import Room, Stopped

CPU = Device("cpu", "cpu", 64.0)


@dataclass
class FolderCheckpoints:
    """Checkpoints in a folder; `saved` are their names in the order in which they came."""

    folder: Path
    saved: list[str] = field(default_factory=list)

    def save(self, name: str, path: Path) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, self.folder / name)
        self.saved.append(name)

    def load(self, name: str, path: Path) -> bool:
        if not (self.folder / name).exists():
            return False
        shutil.copyfile(self.folder / name, path)
        return True


@dataclass
class Stage:
    """A room that remembers what it was told, and ends the work once it was told `stop_at`."""

    folder: Path
    checkpoints: FolderCheckpoints
    inputs: dict[str, Path] = field(default_factory=dict)
    stop_at: float | None = None
    told: list[float] = field(default_factory=list)

    @property
    def room(self) -> Room:
        """A room with a new scratch folder and the same checkpoints."""
        scratch = self.folder / f"scratch-{len(list(self.folder.iterdir()))}"
        scratch.mkdir(parents=True)
        return Room(scratch, self.inputs, self.checkpoints, self._tell)

    def _tell(self, share: float) -> None:
        assert 0 <= share <= 1
        self.told.append(share)
        if self.stop_at is not None and share >= self.stop_at:
            raise Stopped("the test ends it here")


def open_stage(folder: Path, **inputs: Path) -> Stage:
    """A stage in a folder with these inputs."""
    folder.mkdir(parents=True, exist_ok=True)
    return Stage(folder, FolderCheckpoints(folder / "checkpoints"), dict(inputs))


def a_work(
    function: str,
    parameters: Mapping[str, Any] | None = None,
    seed: int | None = 7,
    **inputs: Path,
) -> Work:
    """A work with a key of its own, made from these files."""
    parts = tuple(
        WorkInput(
            role=role, digest=hashlib.sha256(path.read_bytes()).hexdigest(), url=path.as_uri()
        )
        for role, path in inputs.items()
    )
    body = repr((function, sorted((parameters or {}).items()), seed, parts)).encode()
    key = hashlib.sha256(body).hexdigest()
    return Work(
        key=key, function=function, parameters=dict(parameters or {}), seed=seed, inputs=parts
    )


def a_picture(path: Path, size: tuple[int, int] = (64, 64), angle: int = 0) -> Path:
    """A picture of a gradient, turned by an angle so that pictures differ."""
    gradient = Image.linear_gradient("L").rotate(angle).resize(size)
    Image.merge(
        "RGB", (gradient, gradient.transpose(Image.Transpose.ROTATE_90).resize(size), gradient)
    ).save(path)
    return path
