"""Makers of few lines: they draw what they are asked for, and count."""

from pathlib import Path
from typing import ClassVar, Protocol

from PIL import Image

from filmforge.domain import Work
from filmforge.errors import BadInput
from gpu_functions.device import Device
from gpu_functions.maker import Made, Room
from gpu_functions.weights import Source

CHUNKS = 4


class Gate(Protocol):
    """What a painter waits for after two stripes."""

    def wait(self, timeout: float) -> bool:
        """Wait a little; whether it may go on."""
        ...


class Painter:
    """Paints stripes, one a chunk, each kept as a checkpoint; `loads` counts its loadings."""

    name: ClassVar[str] = "painter"
    source: ClassVar[Source] = Source(repos=(), gib=0)
    heavy: ClassVar[bool] = True
    loads: ClassVar[int] = 0
    painted: ClassVar[list[str]] = []
    pause: ClassVar[Gate | None] = None

    def __init__(self, weights: Path, device: Device) -> None:
        self.weights = weights
        type(self).loads += 1

    @classmethod
    def needs_gib(cls, work: Work, device: Device) -> float:
        return float(str(work.parameters.get("gib", 4)))

    def make(self, work: Work, room: Room) -> Made:
        colour = str(work.parameters.get("colour", "red"))
        if colour == "ultraviolet":
            raise BadInput("colour", "nobody can see it", "Choose another.")
        if colour == "broken":
            raise RuntimeError("the brush broke")
        path = room.folder / "picture.png"
        for number in range(CHUNKS):
            stripe = room.folder / f"stripe-{number}.png"
            if not room.checkpoints.load(f"stripe-{number}", stripe):
                Image.new("RGB", (64, 16), colour).save(stripe)
                room.checkpoints.save(f"stripe-{number}", stripe)
                self.paints(f"{work.key[:8]}/{number}")
            room.tell((number + 1) / CHUNKS)
            if type(self).pause is not None and number == 1:
                while not self.pause.wait(0.05):
                    room.tell((number + 1) / CHUNKS)
        whole = Image.new("RGB", (64, 64))
        for number in range(CHUNKS):
            whole.paste(Image.open(room.folder / f"stripe-{number}.png"), (0, 16 * number))
        whole.save(path)
        return Made(path, "image/png", {"colour": colour})

    def close(self) -> None:
        pass

    def paints(self, stripe: str) -> None:
        """Remember a stripe that was painted."""
        self.painted.append(stripe)

    @classmethod
    def reset(cls) -> None:
        cls.loads, cls.painted, cls.pause = 0, [], None


class Sketcher(Painter):
    """Another heavy one."""

    name: ClassVar[str] = "sketcher"


class Sifter(Painter):
    """A light one."""

    name: ClassVar[str] = "sifter"
    heavy: ClassVar[bool] = False


MAKERS: dict[str, type[Painter]] = {m.name: m for m in (Painter, Sketcher, Sifter)}
