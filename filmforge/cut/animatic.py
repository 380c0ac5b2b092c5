"""The animatic: the cut as it can be played now, with frames where there are no clips yet."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from math import ceil
from typing import NamedTuple

from filmforge.brief import Brief
from filmforge.cut.cards import cards_of, with_cards
from filmforge.cut.layout import Slot, film_frames, starts
from filmforge.cut.recutting import slots_of_recut
from filmforge.cut.room import LEAD_S, lay_out_film, shown
from filmforge.cut.timeline import DIALOGUE
from filmforge.direction import directed
from filmforge.domain import Shot
from filmforge.fields import Digest, Frozen
from filmforge.interchange.recut import Heard, Recut
from filmforge.ledger import Ledger
from filmforge.ledger.shots import ShotRecord
from filmforge.transition import CUT, Colour, Transition


class Line(Frozen):
    """What is said from the film's second `at_s` on; its voice is heard from `offset_s` on."""

    words: str
    at_s: float
    duration_s: float
    offset_s: float = 0.0
    voice: Digest | None = None


class Played(Frozen):
    """A stretch of the film: a shot, a card or a colour.

    Its clip is shown from `offset_s` on. The next one is seen together with its last `overlap_s`;
    it comes out of `colour` for `fade_in_s` and goes to the one it ends in for `fade_out_s`.
    """

    shot_id: str | None
    start_s: float
    duration_s: float
    offset_s: float
    words: str
    card: bool = False
    colour: Colour | None = None
    frame: Digest | None = None
    clip: Digest | None = None
    lines: tuple[Line, ...] = ()
    style: str = "cut"
    overlap_s: float = 0.0
    fade_in_s: float = 0.0
    fade_in: Colour | None = None
    fade_out_s: float = 0.0
    fade_out: Colour | None = None


class Animatic(Frozen):
    """The whole cut; `is_recut` tells whether somebody cut it in an editor."""

    duration_s: float
    is_recut: bool
    slots: tuple[Played, ...]


def animatic_of(ledger: Ledger, film_id: str) -> Animatic:
    """The cut of a film, as it was recut or else as its shots lie, whatever there is of it yet."""
    film = ledger.films.read(film_id)
    fps = film.brief.output.fps
    records = {each.shot.shot_id: each for each in ledger.shots.of_film(film_id)}
    recut = None if film.recut is None else Recut.model_validate(film.recut)
    pieces = _of_recut(recut, records, film.brief) if recut else _of_shots(records, film.brief)
    if recut is None or recut.heard is None:
        lines = _own_lines(ledger, pieces, fps)
    else:
        lines = _heard_lines(ledger, film_id, recut.heard, records, fps)
    return Animatic(
        duration_s=_seconds(film_frames([piece.slot for piece in pieces]), fps),
        is_recut=recut is not None,
        slots=tuple(_played(pieces, lines, fps)),
    )


class _Piece(NamedTuple):
    """A stretch of the cut before it is told in seconds; cards and colours have no record."""

    slot: Slot
    words: str
    record: ShotRecord | None = None
    clip: Digest | None = None
    colour: Colour | None = None

    @property
    def shot(self) -> Shot | None:
        """The shot as it is asked for by now."""
        record = self.record
        return directed(record.shot, record.direction) if record else None


def _of_shots(records: Mapping[str, ShotRecord], brief: Brief) -> list[_Piece]:
    kept = [directed(each.shot, each.direction) for each in shown([*records.values()])]
    shots = with_cards(kept, brief)
    return [
        _Piece(slot, shot.enhanced_prompt, record, record.video_digest if record else None)
        for slot, shot in zip(lay_out_film(shots, brief), shots, strict=True)
        for record in [records.get(shot.shot_id)]
    ]


def _of_recut(recut: Recut, records: Mapping[str, ShotRecord], brief: Brief) -> list[_Piece]:
    cards = {shot_id: card.text for shot_id, card in cards_of(brief).items()}
    pieces = []
    for part, slot in zip(recut.shown, slots_of_recut(recut), strict=True):
        record = records.get(slot.shot_id)
        words = record.shot.enhanced_prompt if record else cards.get(slot.shot_id, "")
        pieces.append(_Piece(slot, words, record, part.digest if record else None, part.colour))
    return pieces


def _played(
    pieces: Sequence[_Piece], lines: Iterable[tuple[int, Line]], fps: Fraction
) -> Iterator[Played]:
    begins = list(starts([piece.slot for piece in pieces]))
    said: dict[int, list[Line]] = {}
    for at, line in lines:
        said.setdefault(max(0, bisect_right(begins, at, hi=len(pieces)) - 1), []).append(line)
    before = Transition(type=pieces[0].slot.opening) if pieces else CUT
    for index, (piece, at) in enumerate(zip(pieces, begins, strict=False)):
        slot, after = piece.slot, Transition(type=piece.slot.style)
        yield Played(
            shot_id=slot.shot_id or None,
            start_s=_seconds(at, fps),
            duration_s=_seconds(slot.frames, fps),
            offset_s=_seconds(slot.start, fps),
            words=piece.words,
            card=piece.record is None and piece.colour is None,
            colour=piece.colour,
            frame=piece.record.image_digest if piece.record else None,
            clip=piece.clip,
            lines=tuple(said.get(index, ())),
            style=slot.style,
            overlap_s=_seconds(slot.overlap, fps),
            fade_in_s=0.0 if before.overlaps else _seconds(slot.head, fps),
            fade_in=before.colour,
            fade_out_s=0.0 if after.overlaps else _seconds(slot.tail, fps),
            fade_out=after.colour,
        )
        before = after


def _own_lines(
    ledger: Ledger, pieces: Sequence[_Piece], fps: Fraction
) -> Iterator[tuple[int, Line]]:
    """Each shot's line once, where the film has it; one without a voice yet lasts its shot."""
    voices = [each.record.audio_digest for each in pieces if each.record]
    assets = ledger.assets.several([digest for digest in voices if digest])
    lead, heard, seen = round(LEAD_S * fps), 0, set[str]()
    for piece, start in zip(pieces, starts([each.slot for each in pieces]), strict=False):
        shot, frames = piece.shot, piece.slot.frames
        if shot is None or not shot.dialogue or shot.shot_id in seen:
            continue
        seen.add(shot.shot_id)
        voice = assets.get((piece.record and piece.record.audio_digest) or "")
        length = ceil(Fraction(voice.duration_s or 0) * fps) if voice else max(1, frames - lead)
        at = start + (lead if length <= frames - lead else 0)
        begin, end = max(heard, at), min(at + max(length, 1), start + frames)
        if begin < end:
            yield (
                begin,
                _line(shot.dialogue, begin, end, begin - at, voice.digest if voice else None, fps),
            )
            heard = end if voice else heard


def _heard_lines(
    ledger: Ledger,
    film_id: str,
    heard: Sequence[Heard],
    records: Mapping[str, ShotRecord],
    fps: Fraction,
) -> Iterator[tuple[int, Line]]:
    """The lines as somebody laid them in an editor; a voice that is no take of the film is told."""
    takes = ledger.takes.of_film(film_id)
    spoken = {take.digest: shot_id for shot_id, mine in takes.items() for take in mine}
    for each in sorted(heard, key=lambda sound: sound.at):
        if each.track.partition(" ")[0] != DIALOGUE:
            continue
        record = records.get(spoken.get(each.digest or "", ""))
        shot = directed(record.shot, record.direction) if record else None
        words = (shot.dialogue if shot else None) or each.name
        voice = each.digest if each.digest in spoken else None
        yield each.at, _line(words, each.at, each.at + each.frames, each.start, voice, fps)


def _line(
    words: str, begin: int, end: int, offset: int, voice: Digest | None, fps: Fraction
) -> Line:
    return Line(
        words=words,
        at_s=_seconds(begin, fps),
        duration_s=_seconds(end - begin, fps),
        offset_s=_seconds(offset, fps),
        voice=voice,
    )


def _seconds(frames: int, fps: Fraction) -> float:
    return round(float(frames / fps), 4)
