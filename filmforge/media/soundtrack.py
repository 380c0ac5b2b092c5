"""The film's sound: mixed from its score, brought to a loudness, encoded in spans."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from threading import Event

from filmforge.errors import MediaToolFailed
from filmforge.fields import Frozen
from filmforge.media.aac import EncodedSpan, encode_span, span_spec
from filmforge.media.loudness import Normalised, normalise
from filmforge.media.mix import Bus, mix
from filmforge.media.score import STEMS, Score
from filmforge.media.sound_spans import Extract, SoundSpan, even_spans
from filmforge.sound import Target

# AAC raises peaks a little: what is delivered is to stay under -1 dBTP (EBU R128 s2).
_ENCODED_PEAK_DBTP = -1.5
_AT_ONCE = 2
_MIX = "mix"


class Soundtrack(Frozen):
    """A film's sound, ready to be joined with its picture; `stems` are files by their name."""

    spans: tuple[EncodedSpan, ...]
    loudness: Normalised | None
    stems: dict[str, Path] = {}


async def render_sound(
    score: Score,
    files: Mapping[str, Path],
    folder: Path,
    target: Target | None,
    *,
    stems: bool = False,
) -> Soundtrack:
    """Mix a score, bring it to a loudness and encode it; `files` has the file of every source.

    Without a target the loudness stays as it was mixed.
    All it writes lies in `folder`. Raises BadMedia and MediaToolFailed; told to stop within a
    block's time when it is cancelled.
    """
    stop = Event()
    work = asyncio.ensure_future(
        asyncio.to_thread(_render, score, files, folder, target, stems, stop)
    )
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        stop.set()
        with suppress(Exception):
            await work
        raise


def _render(
    score: Score,
    files: Mapping[str, Path],
    folder: Path,
    target: Target | None,
    stems: bool,
    stop: Event,
) -> Soundtrack:
    def going_on(_samples: int) -> None:
        if stop.is_set():
            raise MediaToolFailed("the sound was given up")

    wanted: list[Bus] = ["mix", *(STEMS if stems else ())]
    sounds = {bus: folder / f"{bus}.wav" for bus in wanted}
    mix(score, files, sounds, going_on)
    loudness = None
    if target is not None:
        loud = {bus: folder / f"{bus}.loud.wav" for bus in wanted}
        stems_too = {sounds[bus]: loud[bus] for bus in wanted[1:]}
        loudness = normalise(
            sounds["mix"], loud["mix"], target, _ENCODED_PEAK_DBTP, stems_too, going_on
        )
        for bus in wanted:
            loud[bus].replace(sounds[bus])
    spans = _encode(sounds["mix"], even_spans(score.length), folder, going_on)
    return Soundtrack(
        spans=tuple(spans), loudness=loudness, stems={bus: sounds[bus] for bus in wanted[1:]}
    )


def _encode(
    sound: Path, spans: Sequence[SoundSpan], folder: Path, going_on: Callable[[int], None]
) -> list[EncodedSpan]:
    def one(span: SoundSpan) -> EncodedSpan:
        start, stop = span.heard
        spec = span_spec(span, [Extract(source=_MIX, offset=start, samples=stop - start)])
        path = folder / f"span-{span.first:07d}.aac"
        encode_span(spec, {_MIX: sound}, path, going_on)
        return EncodedSpan(path=path, frames=span.frames)

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return list(pool.map(one, spans))
