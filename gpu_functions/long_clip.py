"""Long clips: a model that makes only so many frames at once makes a clip in chunks.

The next chunk is given the last frames of the one before, so that the motion goes on. Each is kept
as soon as it is made: a work that was killed goes on after the last chunk that it has kept.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL.Image import Image

from filmforge.errors import BadInput
from gpu_functions import clip
from gpu_functions.maker import Room
from gpu_functions.raster import Frames, Raster

# The frames that a clip may be given: what it begins and what it ends with.
ROLES = ("frame", "last_frame")
Given = Mapping[str, Image]


@dataclass(frozen=True)
class Chunk:
    """Frames `start` to `end` of a clip of `total`; it begins with `lead` frames that are there."""

    index: int
    start: int
    end: int
    total: int
    lead: int

    @property
    def name(self) -> str:
        """What it is kept as."""
        return f"frames-{self.start}-{self.end}-of-{self.total}"

    @property
    def final(self) -> bool:
        """Whether the clip ends with it."""
        return self.end == self.total

    def made(self, step: int) -> int:
        """Frames that a model makes for it which can make k x `step` + 1, and two at least."""
        gaps = max(1, self.lead + self.end - self.start - 1)
        return gaps + -gaps % step + 1

    def cut(self, made: Frames, *, keep_end: bool) -> Frames:
        """Its own frames out of those made: the lead is cut off, and what is too much at the end.

        Where the end must stay, what is too much is left out evenly on the way.
        """
        new, count = made[self.lead :], self.end - self.start
        if not keep_end:
            return new[:count]
        evenly: Frames = new[np.linspace(len(new) - 1, 0, count).round().astype(int)[::-1]]
        return evenly

    def telling(
        self, room: Room, steps: int
    ) -> Callable[[Any, int, Any, dict[str, Any]], dict[str, Any]]:
        """A diffusers callback that tells the share that is done after each of the steps."""

        def told(_pipeline: Any, step: int, _timestep: Any, kept: dict[str, Any]) -> dict[str, Any]:
            done = (step + 1) / (steps + 1)  # decoding is still to come
            room.tell((self.start + done * (self.end - self.start)) / self.total)
            return kept

        return told


def plan(total: int, most: int, lead: int) -> list[Chunk]:
    """Chunks of about the same length for a clip; for none are more than `most` frames made."""
    count = max(1, -(-(total - lead) // (most - lead)))
    new = -(-(total - lead) // count)
    ends = [min(total, lead + (index + 1) * new) for index in range(count)]
    starts = [0, *ends[:-1]]
    return [
        Chunk(index, start, end, total, lead if index else 0)
        for index, (start, end) in enumerate(zip(starts, ends, strict=True))
    ]


def frames_given(room: Room, raster: Raster) -> Given:
    """The frames given, as the model takes them. Raises BadInput for another role or a bad file.

    They are read before anything is made: a bad file must not cost a chunk.
    """
    for role in room.inputs:
        if role not in ROLES:
            raise BadInput(role, "is not taken", f"Inputs are: {', '.join(ROLES)}.")
    return {role: raster.open(path, role) for role, path in room.inputs.items()}


def make(chunks: list[Chunk], room: Room, one: Callable[[Chunk, Frames | None], Frames]) -> Frames:
    """All frames of a clip; `one` makes a chunk, from the frames that lead into it if there are."""
    frames: Frames | None = None
    for chunk in chunks:
        path = room.folder / chunk.name
        if room.checkpoints.load(chunk.name, path):
            new = clip.kept(path)
        else:
            new = one(chunk, None if frames is None else frames[-chunk.lead :])
            clip.keep(new, path)
            room.checkpoints.save(chunk.name, path)
        frames = new if frames is None else np.concatenate([frames, new])
        room.tell(chunk.end / chunk.total)
    assert frames is not None
    return frames
