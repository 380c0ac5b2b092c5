"""What is asked of a take and of the cut film, so that what is measured can be held against it."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from fractions import Fraction

from opentimelineio.schema import Timeline

from filmforge.brief import Brief
from filmforge.cut.cards import cards_of
from filmforge.cut.layout import Slot, film_frames, starts
from filmforge.cut.timeline import COLOUR, DIALOGUE, slots_of, sources_of
from filmforge.cut.tracks import laid_on, named
from filmforge.domain import Kind, Shot
from filmforge.interchange.timeline import OURS
from filmforge.look import Look
from filmforge.media.findings import asks_for_still
from filmforge.quality import FilmExpectation, Span, TakeExpectation
from filmforge.sound import MAX_TRUE_PEAK_DBTP, target_lufs
from filmforge.transition import Transition

Excused = Mapping[str, Collection[Kind]]


def expected_of_take(brief: Brief, shot: Shot, kind: Kind) -> TakeExpectation:
    """What a shot asks of its frame, its clip or its voice."""
    if kind is Kind.AUDIO:
        return TakeExpectation(kind="audio", duration_s=shot.duration)
    output = brief.output
    frame = TakeExpectation(
        kind="image" if kind is Kind.IMAGE else "video",
        width=output.width,
        height=output.height,
        letterbox=_shape(brief.look_of(shot.scene_id)),
    )
    if kind is Kind.IMAGE:
        return frame
    moving = {"fps": output.fps, "duration_s": shot.duration, "still": asks_for_still(shot.camera)}
    return frame.model_copy(update=moving)


def expected_of_film(
    brief: Brief, timeline: Timeline, shots: Sequence[Shot], excused: Excused
) -> FilmExpectation:
    """What the cut asks of the assembled film.

    `excused` are the kinds of take, by shot, that people gave or accepted: no more is asked of
    them here than was asked of the takes.
    """
    slots, output, loudness = slots_of(timeline), brief.output, brief.sound.loudness
    spans = _spans(slots)
    still = {shot.shot_id for shot in shots if asks_for_still(shot.camera)}
    given = {shot_id for shot_id, kinds in excused.items() if Kind.VIDEO in kinds}
    return FilmExpectation(
        width=output.width,
        height=output.height,
        fps=output.fps,
        frames=film_frames(slots),
        shots=spans,
        stills=_of(slots, spans, still),
        dark=(
            *_of(slots, spans, {*cards_of(brief), *given}),
            *_plain(timeline, spans),
            *_fades(slots, spans),
        ),
        voices=tuple(_voices(timeline, excused)),
        letterbox=_widest_bars(brief, Fraction(output.width, output.height)),
        lufs=None if loudness is None else target_lufs(loudness),
        peak_dbtp=None if loudness is None else MAX_TRUE_PEAK_DBTP,
    )


def _shape(look: Look) -> float | None:
    return float(look.letterbox) if isinstance(look.letterbox, Fraction) else None


def _widest_bars(brief: Brief, shape: Fraction) -> float | None:
    """The picture inside the widest bars that any scene of the film has."""
    looks = [brief.look, *map(brief.look_of, brief.scenes)]
    asked = [inside for inside in map(_shape, looks) if inside]
    return max(asked, key=lambda inside: max(inside / shape, shape / inside), default=None)


def _spans(slots: Sequence[Slot]) -> tuple[Span, ...]:
    return tuple(
        Span(start=start, end=start + slot.frames)
        for slot, start in zip(slots, starts(slots), strict=False)
    )


def _of(slots: Sequence[Slot], spans: Sequence[Span], ids: Collection[str]) -> tuple[Span, ...]:
    return tuple(span for slot, span in zip(slots, spans, strict=True) if slot.shot_id in ids)


def _plain(timeline: Timeline, spans: Sequence[Span]) -> Iterator[Span]:
    """Where a recut shows a plain colour."""
    for source, span in zip(sources_of(timeline), spans, strict=True):
        if source.startswith(COLOUR):
            yield span


def _fades(slots: Sequence[Slot], spans: Sequence[Span]) -> Iterator[Span]:
    """Where pictures go to a colour or come out of one."""
    arriving = slots[0].opening if slots else "cut"
    for slot, span in zip(slots, spans, strict=True):
        if slot.head and not Transition(type=arriving).overlaps:
            yield Span(start=span.start, end=span.start + slot.head)
        if slot.tail and not Transition(type=slot.style).overlaps:
            yield Span(start=span.end - slot.tail, end=span.end)
        arriving = slot.style


def _voices(timeline: Timeline, excused: Excused) -> Iterator[Span]:
    for track in named(timeline, DIALOGUE):
        for at, clip in laid_on(track):
            shot_id = clip.metadata.get(OURS, {}).get("shot_id")
            if Kind.AUDIO not in excused.get(shot_id, ()):
                yield Span(start=at, end=at + int(clip.source_range.duration.value))
