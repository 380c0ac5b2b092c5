"""Write cues as SRT and WebVTT, and read such files that somebody uploads."""

import html
import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

from filmforge.errors import BadInput, BadMedia
from filmforge.media.bidi import embedded, is_rtl
from filmforge.subtitles import MAX_CUE_LINES, MAX_LINE_CHARS, Cue

_MAX_BYTES = 4 * 1024 * 1024
_MAX_CUES = 20_000
_WORD_JOINER = "\u2060"
_TIME = r"(?:(\d{1,3}):)?(\d{1,2}):(\d{1,2})[,.](\d{1,3})"
_TIMING = re.compile(rf"\s*{_TIME}\s*-->\s*{_TIME}(?:\s|$)", re.ASCII)
# Bounded, so that a text full of beginnings costs no more than its length.
_MARKUP = re.compile(r"<[/a-zA-Z0-9][^<>]{0,200}>|\{\\[^{}]{0,200}\}")
_NOT_TEXT = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ufeff]")
_LIKE_MARKUP = re.compile(r"<|\{|--(?=>)")


def srt(cues: Sequence[Cue], fps: Fraction, language: str = "und") -> str:
    """Cues as SubRip text. What a player might take for markup gets an unseen mark inside."""
    blocks = (
        f"{number}\n{_stamp(cue.start, fps, ',')} --> {_stamp(cue.end, fps, ',')}\n"
        + "\n".join(_disarmed(line) for line in shown_lines(cue, language))
        for number, cue in enumerate(cues, 1)
    )
    return "".join(f"{block}\n\n" for block in blocks)


def webvtt(cues: Sequence[Cue], fps: Fraction, language: str = "und") -> str:
    """Cues as WebVTT, with every character of its markup escaped."""
    blocks = (
        f"{_stamp(cue.start, fps, '.')} --> {_stamp(cue.end, fps, '.')}\n"
        + "\n".join(html.escape(line, quote=False) for line in shown_lines(cue, language))
        for cue in cues
    )
    return "WEBVTT\n\n" + "".join(f"{block}\n\n" for block in blocks)


def shown_lines(cue: Cue, language: str) -> list[str]:
    """The lines of a cue, with marks of direction where players need them."""
    return [embedded(line) if is_rtl(cue.text, language) else line for line in cue.lines]


def read_captions(path: Path, fps: Fraction) -> tuple[Cue, ...]:
    """Read an uploaded .srt or .vtt for a film of a rate, as plain text.

    Markup, styles and notes are dropped; cues that stand at the same time become one of all their
    lines. Raises BadMedia for what is no such file, BadInput for more text than can be shown.
    """
    timed = [cue for block in _blocks(_text(path)) if (cue := _cue(block, fps))]
    if not timed:
        raise BadMedia("the file holds no subtitles: give an .srt or .vtt with times and text")
    if len(timed) > _MAX_CUES:
        raise BadMedia(f"the file holds {len(timed):,} subtitles; {_MAX_CUES:,} are allowed")
    return tuple(_flat(sorted(timed, key=lambda cue: (cue.start, cue.end))))


def _stamp(frame: int, fps: Fraction, point: str) -> str:
    # Rounded down: a frame is shown from its time on, so that it falls just inside or outside.
    seconds, ms = divmod(frame * 1000 // fps, 1000)
    minutes, second = divmod(seconds, 60)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{second:02d}{point}{ms:03d}"


def _disarmed(line: str) -> str:
    return _LIKE_MARKUP.sub(rf"\g<0>{_WORD_JOINER}", line)


def _text(path: Path) -> str:
    with path.open("rb") as file:
        content = file.read(_MAX_BYTES + 1)
    if len(content) > _MAX_BYTES:
        raise BadMedia(f"the subtitles have more than {_MAX_BYTES:,} bytes, which are allowed")
    encoding = "utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        raise BadMedia(f"the subtitles are not UTF-8 (byte {error.start}): save them so") from None
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _blocks(text: str) -> Iterator[list[str]]:
    block: list[str] = []
    for line in text.split("\n"):
        if line.strip():
            block.append(line)
        elif block:
            yield block
            block = []
    if block:
        yield block


def _cue(block: Sequence[str], fps: Fraction) -> Cue | None:
    """The cue of a block, whose timing is its first line or follows a number or name."""
    found = next(
        ((place, match) for place, line in enumerate(block[:2]) if (match := _TIMING.match(line))),
        None,
    )
    if found is None:
        return None
    place, match = found
    lines = [plain for line in block[place + 1 :] if (plain := _plain(line))]
    start, end = (_frame(match.groups()[part : part + 4], fps) for part in (0, 4))
    if not lines or end < start:
        return None
    return Cue(start=start, end=max(end, start + 1), lines=tuple(_bounded(lines)))


def _frame(parts: Sequence[str | None], fps: Fraction) -> int:
    hours, minutes, seconds = (int(part or 0) for part in parts[:3])
    ms = int((parts[3] or "0").ljust(3, "0"))
    return round(Fraction((hours * 60 + minutes) * 60_000 + seconds * 1000 + ms, 1000) * fps)


def _plain(line: str) -> str:
    # Unescaped last and once, so that no markup comes out of it that is not plain text.
    bare = html.unescape(_MARKUP.sub("", line))
    return " ".join(_NOT_TEXT.sub("", bare).split())


def _bounded(lines: Sequence[str]) -> Sequence[str]:
    if len(lines) > MAX_CUE_LINES or any(len(line) > MAX_LINE_CHARS for line in lines):
        raise BadInput(
            "subtitles.tracks.file",
            f"the subtitle {lines[0][:40]!r} has {len(lines)} lines and up to "
            f"{max(map(len, lines))} characters in one",
            f"Show at most {MAX_CUE_LINES} lines of {MAX_LINE_CHARS} characters at a time.",
        )
    return lines


def _flat(cues: Sequence[Cue]) -> Iterator[Cue]:
    """The cues with none at the same time as another: each moment shows all lines of its own."""
    edges = sorted({edge for cue in cues for edge in (cue.start, cue.end)})
    shown: list[list[str]] = [[] for _ in edges]
    for cue in cues:
        for place in range(bisect_left(edges, cue.start), bisect_right(edges, cue.end) - 1):
            shown[place].extend(cue.lines)
            _bounded(shown[place])
    held: Cue | None = None
    for (start, end), lines in zip(pairwise(edges), shown[:-1], strict=True):
        if held and held.end == start and held.lines == tuple(lines):
            held = held.model_copy(update={"end": end})
            continue
        if held:
            yield held
        held = Cue(start=start, end=end, lines=tuple(lines)) if lines else None
    if held:
        yield held
