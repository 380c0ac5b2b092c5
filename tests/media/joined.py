"""Join pieces as the film does: passages are drawn, the rest is copied."""

import asyncio
from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path

from filmforge.cut.layout import Slot, film_frames
from filmforge.cut.reel import Copied, reel_of
from filmforge.cut.scoring import own_sounds
from filmforge.media.aac import EncodedSpan
from filmforge.media.assemble import Run, assemble
from filmforge.media.loudness import Way
from filmforge.media.passage import Piece, draw_blend, draw_fade
from filmforge.media.sample_clock import samples_at
from filmforge.media.score import Score
from filmforge.media.soundtrack import encode_mixed, mixed_spans
from filmforge.transition import Style


def cut_of(pieces: Sequence[Piece], seams: Sequence[tuple[Style, int, int]]) -> list[Slot]:
    """The slots of pieces that meet in these seams: style, frames that leave, frames that come."""
    heads = [0, *(head for _, _, head in seams)]
    ends: list[tuple[Style, int, int]] = [*seams, ("cut", 0, 0)]
    return [
        Slot(shot_id=f"s{n}", frames=piece.frames, head=head, tail=tail, style=style)
        for n, (piece, head, (style, tail, _)) in enumerate(zip(pieces, heads, ends, strict=True))
    ]


async def join(
    pieces: Sequence[Piece], slots: Sequence[Slot], path: Path, work_dir: Path, fps: Fraction
) -> None:
    """Write the film."""
    runs = []
    for number, each in enumerate(reel_of(slots)):
        if isinstance(each, Copied):
            source = pieces[each.shot]
            runs.append(
                Run(path=source.path, frames=source.frames, start=each.start, stop=each.stop)
            )
            continue
        drawn = work_dir / f"passage-{number}.mov"
        given = [pieces[shot] for shot in (each.leaving, each.coming) if shot is not None]
        if each.colour:
            way = "from" if each.leaving is None else "to"
            await draw_fade(way, each.colour, given[0], each.frames, drawn, fps)
        else:
            await draw_blend(each.look, given[0], given[1], each.frames, drawn, fps)
        runs.append(Run(path=drawn, frames=each.frames, start=0, stop=each.frames))
    score = Score.of(
        own_sounds(slots, [str(n) for n in range(len(pieces))], fps),
        samples_at(film_frames(slots), fps),
    )
    files = {str(n): piece.path for n, piece in enumerate(pieces)}
    spans = await asyncio.to_thread(sound_of, score, files, work_dir)
    await assemble(runs, spans, path, fps)


def sound_of(
    score: Score, files: Mapping[str, Path], folder: Path, way: Way | None = None
) -> list[EncodedSpan]:
    """A film's sound, mixed and encoded span by span."""
    spans = mixed_spans(score)
    # Equal spans are made once, as by the workshop.
    made: dict[str, EncodedSpan] = {}
    for span in spans:
        if (recipe := span.model_dump_json()) not in made:
            path = folder / f"span-{len(made)}.aac"
            encode_mixed(span, files, way or Way(), path, lambda: None)
            made[recipe] = EncodedSpan(path=path, frames=span.frames)
    return [made[span.model_dump_json()] for span in spans]
