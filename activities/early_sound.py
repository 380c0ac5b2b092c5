"""Early sound: a film that only joins its clips' own sounds has them encoded as they land."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from activities.sound_spans import SoundSpans, copied_span
from filmforge.brief import Brief
from filmforge.cut.cards import with_cards
from filmforge.cut.room import lay_out_film, shown
from filmforge.cut.scoring import own_sounds
from filmforge.direction import directed
from filmforge.ledger import Ledger
from filmforge.ledger.films import FilmRecord
from filmforge.ledger.shots import ShotRecord
from filmforge.media.aac import span_spec
from filmforge.media.sample_clock import samples_at
from filmforge.media.score import Score
from filmforge.media.sound_spans import Extract, SoundSpan, heard_in, shot_spans
from filmforge.media.soundtrack import as_extracts

# A long film is laid out once in a while, not at every clip: a guess that is late is only no help.
_FRESH_S = 30.0


@dataclass(frozen=True)
class _Layout:
    """The film as it would be joined now: its shots, what each would sound, and all spans."""

    at: float
    shots: Sequence[str]
    extracts: Sequence[Extract]
    spans: Sequence[SoundSpan]


class EarlySound:
    """Encodes what the assembly will ask for, as far as it can be told yet."""

    def __init__(self, ledger: Ledger, spans: SoundSpans) -> None:
        self._ledger = ledger
        self._spans = spans
        self._layouts: dict[str, _Layout] = {}

    async def of_shot(self, film: FilmRecord, shot_id: str, position: int) -> None:
        """Encode the sound of a shot that has just landed, and its seams with those that have."""
        if film.recut or not _may_be_plain(film.brief):
            return
        layout = await asyncio.to_thread(self._layout, film)
        if shot_id not in layout.shots or not layout.spans:
            return
        start = max(0, position - 1)
        near = await asyncio.to_thread(self._ledger.shots.of_film, film.film_id, start, 3)
        landed = {each.shot.shot_id: each.conformed_digest or "" for each in near}
        await self._spans.encoded(
            [
                copied_span(span_spec(span, heard))
                for span, heard in _heard_near(layout, shot_id, landed)
                if all(extract.source in landed.values() for extract in heard)
            ]
        )

    def _layout(self, film: FilmRecord) -> _Layout:
        known = self._layouts.get(film.film_id)
        if known and time.monotonic() - known.at < _FRESH_S:
            return known
        self._layouts = {film.film_id: _laid_out(self._ledger.shots.of_film(film.film_id), film)}
        return self._layouts[film.film_id]


def _may_be_plain(brief: Brief) -> bool:
    sound = brief.sound
    cues = (*sound.music, *sound.ambience, *sound.effects)
    return sound.loudness is None and not cues


def _laid_out(records: Sequence[ShotRecord], film: FilmRecord) -> _Layout:
    shots = [directed(record.shot, record.direction) for record in shown(records)]
    rows = with_cards(shots, film.brief)
    names = [shot.shot_id for shot in rows]
    slots, fps = lay_out_film(rows, film.brief), film.brief.output.fps
    # Each goes by its shot's name until its piece is known.
    length = samples_at(sum(slot.frames for slot in slots), fps)
    plain = not any(shot.dialogue for shot in shots) and length
    extracts = as_extracts(Score.of(own_sounds(slots, names, fps), length)) if plain else None
    spans = shot_spans([extract.samples for extract in extracts]) if extracts else []
    return _Layout(time.monotonic(), names, extracts or [], spans)


def _heard_near(
    layout: _Layout, shot_id: str, landed: Mapping[str, str]
) -> list[tuple[SoundSpan, list[Extract]]]:
    """The spans in which a shot is heard, with what is heard of pieces that are known."""
    sounds = [
        extract.model_copy(update={"source": landed.get(extract.source) or extract.source})
        for extract in layout.extracts
    ]
    place = layout.shots.index(shot_id)
    begins = sum(extract.samples for extract in sounds[:place])
    ends = begins + sounds[place].samples
    return [
        (span, heard_in(span, sounds))
        for span in layout.spans
        if span.heard[0] < ends and span.heard[1] > begins
    ]
