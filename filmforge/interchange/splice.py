"""Splicing: clips cut end to end, with transitions laid over the cuts, become what is shown.

Editors keep a clip's range without its transitions and say how far a transition reaches to either
side of the cut. What a film shows of each take includes the frames inside transitions.
"""

from collections.abc import Sequence
from typing import NamedTuple

from filmforge.errors import BadInput
from filmforge.interchange.recut import Passage, Shown, colour_of, overlaps
from filmforge.transition import Style

_FADES: dict[tuple[bool, str], Style] = {
    (True, "black"): "fade_to_black",
    (True, "white"): "fade_to_white",
    (False, "black"): "fade_from_black",
    (False, "white"): "fade_from_white",
}
_DIPS: dict[str, Style] = {"black": "dip_to_black", "white": "dip_to_white"}


class Joint(NamedTuple):
    """A transition over a cut, reaching `before` and `after` frames to its sides."""

    style: Style
    before: int
    after: int


def splice(
    strips: Sequence[Shown], joints: Sequence[Joint | None]
) -> tuple[Passage | None, tuple[Shown, ...]]:
    """What is shown, and the opening. `joints` has one more than `strips`: both ends are cuts too.

    A dissolve from or to plain black is a fade. Raises BadInput where transitions take more of a
    clip than it has, or a wipe has only one side.
    """
    joints = [joint if joint and joint.before + joint.after else None for joint in joints]
    opening = _end(joints[0], leaving=False)
    spliced = [
        _widened(strip, joints[i] if i else None, joints[i + 1] if i + 1 < len(strips) else None)
        for i, strip in enumerate(strips)
    ]
    passages = [*map(_passage, joints[1:-1]), _end(joints[-1], leaving=True)]
    return _without_black(opening, spliced, passages)


def _passage(joint: Joint | None) -> Passage | None:
    if joint is None:
        return None
    both = joint.before + joint.after
    if overlaps(joint.style):
        return Passage(style=joint.style, tail=both, head=both)
    colour = colour_of(joint.style)
    if joint.before and joint.after:
        return Passage(style=_DIPS[colour], tail=joint.before, head=joint.after)
    return _fade(both, colour, leaving=joint.before > 0)


def _end(joint: Joint | None, *, leaving: bool) -> Passage | None:
    """A transition at the film's beginning or end fades from or to a colour."""
    if joint is None:
        return None
    if joint.style.startswith("wipe_"):
        raise BadInput(
            "transition",
            "a wipe stands at the film's beginning or end",
            "Use a fade there.",
        )
    return _fade(joint.before + joint.after, colour_of(joint.style), leaving=leaving)


def _fade(frames: int, colour: str, *, leaving: bool) -> Passage:
    return Passage(
        style=_FADES[leaving, colour],
        tail=frames if leaving else 0,
        head=0 if leaving else frames,
    )


def _widened(strip: Shown, into: Joint | None, out: Joint | None) -> Shown:
    """The strip with the frames it shows beyond its cuts."""
    before = into.before if into and overlaps(into.style) else 0
    after = out.after if out and overlaps(out.style) else 0
    frames = strip.frames + before + after
    if not strip.colour:
        return strip.model_copy(update={"start": strip.start - before, "frames": frames})
    shift = before - strip.start
    marks = [mark.model_copy(update={"frame": mark.frame + shift}) for mark in strip.marks]
    return strip.model_copy(update={"start": 0, "frames": frames, "marks": tuple(marks)})


def _without_black(
    opening: Passage | None, strips: list[Shown], passages: list[Passage | None]
) -> tuple[Passage | None, tuple[Shown, ...]]:
    """Fades in place of dissolves with plain black, of which what was dissolved away is dropped."""
    shown: list[Shown] = []
    ways: list[Passage | None] = []
    into = opening
    for strip, given in zip(strips, passages, strict=True):
        frames, out = strip.frames, given
        if strip.plain:
            if into and into.style == "crossfade":
                frames -= into.tail
                into = _fade(into.tail, strip.plain, leaving=True)
            if out and out.style == "crossfade":
                frames -= out.head
                out = _fade(out.head, strip.plain, leaving=False)
            if frames == 0:
                into = _joined(into, out)
                continue
        if not shown:
            opening = into
        _fits(strip, frames, into, out)
        shown.append(strip.model_copy(update={"frames": frames}))
        ways.append(into)
        into = out
    leading = zip(shown, [*ways[1:], into], strict=True)
    return opening, tuple(part.model_copy(update={"transition": way}) for part, way in leading)


def _joined(into: Passage | None, out: Passage | None) -> Passage | None:
    """The passage through black that lasts no frame of its own."""
    if into is None or out is None:
        return into or out
    return Passage(style=_DIPS[colour_of(into.style)], tail=into.tail, head=out.head)


def _fits(strip: Shown, frames: int, into: Passage | None, out: Passage | None) -> None:
    taken = (into.head if into else 0) + (out.tail if out else 0)
    if frames < 1 or taken > frames:
        raise BadInput(
            strip.shot_id or "gap",
            f"its transitions take {taken} frames of the {max(frames, 0)} that are shown",
            "Make the clip longer or its transitions shorter.",
        )
