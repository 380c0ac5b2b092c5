"""Captioning: the film's words in each language, shown while they are spoken."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import TypeAlias

from opentimelineio.schema import Timeline
from pydantic import JsonValue, TypeAdapter

from activities.workshop import MadeFile, Workshop, few_at_once
from filmforge.cut.layout import film_frames
from filmforge.cut.overrun import SUBTITLES_EVENT, overruns, within
from filmforge.cut.shown import shots_seen
from filmforge.cut.timeline import DIALOGUE, rate_of, slots_of
from filmforge.cut.tracks import Laid, digest_of, laid_on, named
from filmforge.domain import Ingredient
from filmforge.fields import Frozen
from filmforge.ledger import Ledger
from filmforge.media.captionfile import read_captions
from filmforge.media.captions import Spoken, film_cues
from filmforge.media.voiced import Span, speech_spans
from filmforge.recipe import recipe_of
from filmforge.store import AssetStore
from filmforge.subtitles import Cue, Language, Subtitles, SubtitleTrack

Captions: TypeAlias = dict[Language, tuple[Cue, ...]]

# Part of the recipe of what was heard: raise it when speech_spans answers otherwise.
_LISTENING = 1
_MAX_BYTES = 1_000_000
_SPANS = TypeAdapter(tuple[Span, ...])


class Line(Frozen):
    """What a shot says, and from which frame of the film until before which it may be read.

    `voice` is the digest of its voice, which would begin at second `voice_at` of the film; of its
    file, the seconds `heard` are heard.
    """

    shot_id: str
    dialogue: str
    start: int
    end: int
    voice: str | None = None
    voice_at: Fraction | None = None
    heard: Span | None = None


class Captioning:
    """Makes cues from a timeline, over the workshop, which listens to each voice once."""

    def __init__(self, ledger: Ledger, workshop: Workshop, store: AssetStore) -> None:
        self._ledger = ledger
        self._workshop = workshop
        self._store = store

    async def cues(self, film_id: str, subtitles: Subtitles | None, timeline: Timeline) -> Captions:
        """The cues of every track by its language, none on the screen with another.

        What goes on beyond the film's end is left out, which the event `film.subtitles` tells: no
        paid film is held back by it. Raises BadInput for a shot too short for its text, BadMedia
        for an uploaded file that holds no subtitles.
        """
        if subtitles is None:
            return {}
        lines = lines_of(timeline)
        voices = dict.fromkeys(line.voice for line in lines if line.voice)
        heard = dict(zip(voices, await few_at_once([*map(self._listen, voices)]), strict=True))
        cues = await few_at_once(
            [self._track(track, timeline, lines, heard) for track in subtitles.tracks]
        )
        found = {track.language: of for track, of in zip(subtitles.tracks, cues, strict=True)}
        frames = film_frames(slots_of(timeline))
        await self._tell(film_id, overruns(found, frames, rate_of(timeline)))
        return {language: within(of, frames) for language, of in found.items()}

    async def _track(
        self,
        track: SubtitleTrack,
        timeline: Timeline,
        lines: Sequence[Line],
        heard: Mapping[str, Sequence[Span]],
    ) -> tuple[Cue, ...]:
        fps = rate_of(timeline)
        if track.file is not None:
            return await self._read(track.file, fps)
        spoken = [
            _spoken(line, text, heard.get(line.voice or "", ()))
            for line in lines
            if (text := _text(track, line))
        ]
        return await asyncio.to_thread(film_cues, spoken, fps)

    async def _tell(self, film_id: str, remarks: Sequence[str]) -> None:
        events = self._ledger.events
        last = await asyncio.to_thread(events.last, film_id, SUBTITLES_EVENT)
        if [*remarks] != (last.data["remarks"] if last else []):
            told: dict[str, JsonValue] = {"remarks": [*remarks]}
            await asyncio.to_thread(events.tell, film_id, SUBTITLES_EVENT, told)

    async def _read(self, digest: str, fps: Fraction) -> tuple[Cue, ...]:
        given = recipe_of("captions", {}, [Ingredient(role="captions", digest=digest)])
        async with self._workshop.bench(given) as (_, sources):
            return await asyncio.to_thread(read_captions, sources[0], fps)

    async def _listen(self, digest: str) -> tuple[Span, ...]:
        """The seconds of a voice's file at which somebody speaks; found out once for a voice."""
        inputs = [Ingredient(role="voice", digest=digest)]
        recipe = recipe_of("listen", {"listening": _LISTENING}, inputs)

        async def make(folder: Path, sources: Sequence[Path]) -> list[MadeFile]:
            spans = await asyncio.to_thread(speech_spans, sources[0])
            path = folder / "speech.json"
            path.write_bytes(_SPANS.dump_json(spans))
            return [MadeFile(path.name, path, "application/json")]

        [made] = await self._workshop.made_files(recipe, make)
        return _SPANS.validate_json((await self._store.load(made.digest, _MAX_BYTES)).data)


def lines_of(timeline: Timeline) -> list[Line]:
    """What each shot says, once, in the order of the shots; cards say nothing.

    It may be read while its shot is shown or its voice is heard.
    """
    voices = _voices(timeline)
    return [
        _voiced(line, voices.get(line.shot_id, ()), rate_of(timeline)) for line in _seen(timeline)
    ]


def _seen(timeline: Timeline) -> Iterator[Line]:
    """The line of each shot while the shot is shown, were it silent."""
    found: dict[str, Line] = {}
    for seen in shots_seen(timeline):
        earlier = found.get(seen.shot_id)
        if earlier and earlier.end == seen.start:  # one shot that an editor cut in two
            found[seen.shot_id] = earlier.model_copy(update={"end": seen.end})
        elif not earlier:
            found[seen.shot_id] = Line(
                shot_id=seen.shot_id,
                dialogue=seen.told.get("dialogue") or "",
                start=seen.start,
                end=seen.end,
            )
    return (line for line in found.values() if line.dialogue)


def _voices(timeline: Timeline) -> dict[str, list[Laid]]:
    """Where each shot's voice is heard."""
    found: dict[str, list[Laid]] = {}
    for track in named(timeline, DIALOGUE):
        for at, clip in laid_on(track):
            found.setdefault(clip.name, []).append(Laid(at, clip))
    return found


def _voiced(line: Line, laid: Sequence[Laid], fps: Fraction) -> Line:
    """The line with its voice; pieces that an editor has put elsewhere are not waited for."""
    if not laid:
        return line
    first = laid[0]
    together = [each for each in laid if _begins(each) == _begins(first)]
    shown = [each.clip.source_range for each in together]
    stop = max(int(part.end_time_exclusive().value) for part in shown)
    return line.model_copy(
        update={
            "start": min(line.start, first.at),
            "end": max(line.end, _begins(first) + stop),
            "voice": digest_of(first.clip),
            "voice_at": _begins(first) / fps,
            "heard": (int(shown[0].start_time.value) / fps, stop / fps),
        }
    )


def _begins(laid: Laid) -> int:
    """The frame of the film at which the file of a sound would begin."""
    return laid.at - int(laid.clip.source_range.start_time.value)


def _text(track: SubtitleTrack, line: Line) -> str:
    return line.dialogue if track.lines is None else track.lines.get(line.shot_id, "")


def _spoken(line: Line, text: str, speech: Sequence[Span]) -> Spoken:
    heard = line.heard or (Fraction(0), Fraction(0))
    within = [(max(begin, heard[0]), min(end, heard[1])) for begin, end in speech]
    return Spoken(
        shot_id=line.shot_id,
        text=text,
        start=line.start,
        end=line.end,
        voice_at=line.voice_at,
        speech=tuple((begin, end) for begin, end in within if begin < end),
    )
