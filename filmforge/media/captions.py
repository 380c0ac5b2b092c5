"""Turn what is said into cues: readable lines, shown while they are spoken."""

from collections.abc import Iterable, Sequence
from fractions import Fraction
from itertools import accumulate, pairwise
from math import ceil, floor
from typing import Annotated, Self

from pydantic import Field, model_validator

from filmforge.errors import BadInput
from filmforge.fields import Frozen
from filmforge.media.phrasing import DEFAULT_READING, Phrase, Reading, phrases
from filmforge.media.voiced import Span
from filmforge.media.wrapping import CLAUSE, NARROW, SENTENCE
from filmforge.subtitles import Cue

_LEAD_S = Fraction(1, 4)
# How far from its place by length a break is moved to meet a pause, in seconds of speech.
_REACH_S = {SENTENCE: Fraction(6, 5), CLAUSE: Fraction(4, 5)}
_WORD_REACH_S = Fraction(3, 10)


class Spoken(Frozen):
    """What is said in a shot that the film shows from frame `start` until before frame `end`.

    `voice_at` is the second of the film at which the voice's file begins; `speech` are the seconds
    of that file at which somebody speaks. Without speech the text is read from the shot's start.
    """

    shot_id: str
    text: str
    start: Annotated[int, Field(ge=0)]
    end: Annotated[int, Field(ge=1)]
    voice_at: Fraction | None = None
    speech: tuple[Span, ...] = ()

    @model_validator(mode="after")
    def _lasts(self) -> Self:
        if self.end <= self.start:
            raise ValueError(f"ends at frame {self.end} and begins at {self.start}: end it later")
        return self


def film_cues(
    spoken: Iterable[Spoken], fps: Fraction, reading: Reading = DEFAULT_READING
) -> tuple[Cue, ...]:
    """The cues of a film in order, none on the screen with another.

    Where two shots overlap, the earlier one's cue gives way. Raises BadInput naming a shot that
    is too short for its text.
    """
    cues = [cue for said in spoken for cue in shot_cues(said, fps, reading)]
    cues.sort(key=lambda cue: cue.start)
    settled: list[Cue] = []
    for cue in cues:
        if settled and settled[-1].end > cue.start - reading.gap_frames:
            settled[-1:] = _apart(settled[-1], cue, reading.gap_frames)
        else:
            settled.append(cue)
    return tuple(settled)


def shot_cues(said: Spoken, fps: Fraction, reading: Reading = DEFAULT_READING) -> tuple[Cue, ...]:
    """The cues of one shot, inside it. Raises BadInput when it is too short for its text."""
    parts = phrases(said.text, reading)
    if not parts:
        return ()
    _check_room(said, len(parts), reading)
    times = _frames(said, parts, fps, reading)
    return tuple(
        Cue(start=start, end=end, lines=phrase.lines)
        for (start, end), phrase in zip(times, parts, strict=True)
    )


def text_spans(cues: Sequence[Cue], join_frames: int = 0) -> list[tuple[int, int]]:
    """Frames at which text stands, as ordered spans; those at most `join_frames` apart are one."""
    spans: list[tuple[int, int]] = []
    for start, end in sorted((cue.start, cue.end) for cue in cues):
        if spans and start - spans[-1][1] <= join_frames:
            spans[-1] = (spans[-1][0], max(end, spans[-1][1]))
        else:
            spans.append((start, end))
    return spans


def _apart(earlier: Cue, later: Cue, gap: int) -> tuple[Cue, Cue]:
    end = min(earlier.end, max(earlier.start + 1, later.start - gap))
    start = max(later.start, end + gap)
    return (
        earlier.model_copy(update={"end": end}),
        later.model_copy(update={"start": start, "end": max(later.end, start + 1)}),
    )


def _check_room(said: Spoken, cues: int, reading: Reading) -> None:
    needed = cues * (reading.gap_frames + 1)
    if said.end - said.start < needed:
        raise BadInput(
            f"shots.{said.shot_id}",
            f"its text makes {cues} subtitles and it lasts {said.end - said.start} frames",
            f"Make it at least {needed} frames long, or its text shorter.",
        )


def _frames(
    said: Spoken, parts: Sequence[Phrase], fps: Fraction, reading: Reading
) -> list[tuple[int, int]]:
    """When each cue begins and ends, in frames of the film."""
    heard = _heard(said, parts, fps, reading)
    gap, count = reading.gap_frames, len(parts)
    starts: list[int] = []
    for index, (begin, _) in enumerate(heard):
        earliest = starts[-1] + gap + 1 if starts else said.start
        latest = said.end - (count - index) * (gap + 1)
        starts.append(min(max(floor(begin * fps), earliest), latest))
    wanted = [
        max(ceil(end * fps), start + ceil(_reading_s(phrase, reading) * fps))
        for (_, end), start, phrase in zip(heard, starts, parts, strict=True)
    ]
    limits = [*(start - gap for start in starts[1:]), said.end]
    closed = floor(reading.closed_s * fps)
    ends = [
        limit if wish + closed > limit and index < count - 1 else min(wish, limit)
        for index, (wish, limit) in enumerate(zip(wanted, limits, strict=True))
    ]
    return _lengthened(starts, ends, said.start, ceil(reading.least_s * fps), gap)


def _lengthened(
    starts: Sequence[int], ends: Sequence[int], first: int, least: int, gap: int
) -> list[tuple[int, int]]:
    """Let a cue that is too short begin earlier, where the one before it leaves room."""
    times: list[tuple[int, int]] = []
    for start, end in zip(starts, ends, strict=True):
        earliest = times[-1][1] + gap if times else first
        times.append((min(start, max(earliest, end - least)), end))
    return times


def _reading_s(phrase: Phrase, reading: Reading) -> Fraction:
    return max(reading.least_s, Fraction(phrase.weight, NARROW * reading.chars_s))


def _heard(said: Spoken, parts: Sequence[Phrase], fps: Fraction, reading: Reading) -> list[Span]:
    """When each cue is spoken, in seconds of the film: by its share of the text, at pauses."""
    weights = [max(1, phrase.weight) for phrase in parts]
    spans = _spans(said, sum(weights), fps, reading)
    voiced_s = sum((end - begin for begin, end in spans), Fraction(0))
    pauses = list(accumulate(end - begin for begin, end in spans[:-1]))
    breaks: list[tuple[Fraction, Fraction]] = []
    for index, passed in enumerate(list(accumulate(weights))[:-1]):
        place = voiced_s * passed / sum(weights)
        reach = _REACH_S.get(parts[index].rank, _WORD_REACH_S)
        near = [at for at in pauses if abs(at - place) <= reach]
        if near:
            met = min(near, key=lambda at: abs(at - place))
            pauses = [at for at in pauses if at > met]
            breaks.append(_at_pause(spans, met))
        else:
            breaks.append((_unvoiced(spans, place),) * 2)
    edges = [spans[0][0], *(at for pair in breaks for at in pair), spans[-1][1]]
    return list(zip(edges[::2], edges[1::2], strict=True))


def _spans(said: Spoken, total: int, fps: Fraction, reading: Reading) -> list[Span]:
    """When somebody speaks, in seconds of the film; as long as reading takes if nobody does."""
    begin, end = said.start / fps, said.end / fps
    if said.speech and said.voice_at is not None:
        placed = [(a + said.voice_at, b + said.voice_at) for a, b in said.speech]
        inside = [(max(a, begin), min(b, end)) for a, b in placed if a < end and b > begin]
        if inside:
            return inside
    begin += min(_LEAD_S, (end - begin) / 4)
    return [(begin, min(end, begin + Fraction(total, NARROW * reading.chars_s)))]


def _at_pause(spans: Sequence[Span], voiced: Fraction) -> Span:
    """The pause that comes when `voiced` seconds have been spoken."""
    spoken = Fraction(0)
    for (begin, end), (following, _) in pairwise(spans):
        spoken += end - begin
        if spoken == voiced:
            return end, following
    raise AssertionError("pauses are taken from these spans")


def _unvoiced(spans: Sequence[Span], voiced: Fraction) -> Fraction:
    """The second of the film at which `voiced` seconds have been spoken."""
    for begin, end in spans:
        if voiced <= end - begin:
            return begin + voiced
        voiced -= end - begin
    return spans[-1][1]
