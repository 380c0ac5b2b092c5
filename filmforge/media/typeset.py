"""Lay out text for libass: a script whose every run names its own font."""

import re
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

from filmforge.media.bidi import RTL_MARK, is_rtl
from filmforge.media.fonts import LINE_HEIGHT, Lettering

_WORD_JOINER = "\u2060"
_MOST_EXACT_FPS = 100
_COMMAND = re.compile(r"\{(?=\\)|\\(?=[nN])")
_STYLE_FIELDS = (
    "Name, Fontname, Fontsize, PrimaryColour, SecondaryColour, OutlineColour, BackColour, Bold, "
    "Italic, Underline, StrikeOut, ScaleX, ScaleY, Spacing, Angle, BorderStyle, Outline, Shadow, "
    "Alignment, MarginL, MarginR, MarginV, Encoding"
)
_EVENT_FIELDS = "Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text"


class Style(NamedTuple):
    """How a text looks: lengths in pixels, `place` as on a keypad (2 bottom, 5 middle)."""

    name: str
    lettering: Lettering
    em: float
    colour: str
    place: int
    margin: int = 0
    outline: float = 0
    shadow: float = 0


class Event(NamedTuple):
    """Text from frame `start` until before frame `end`, marked up."""

    start: int
    end: int
    style: str
    text: str


def script(
    size: tuple[int, int],
    rate: Fraction,
    styles: Sequence[Style],
    events: Sequence[Event],
    language: str,
) -> str:
    """The ASS script that shows these events, at `rate` frames a second, on `size` in pixels."""
    lines = [
        *("[Script Info]", "ScriptType: v4.00+", "WrapStyle: 2", "ScaledBorderAndShadow: yes"),
        *(f"PlayResX: {size[0]}", f"PlayResY: {size[1]}", f"Language: {language}"),
        *("YCbCr Matrix: TV.709", "", "[V4+ Styles]", f"Format: {_STYLE_FIELDS}"),
        *map(_style, styles),
        *("", "[Events]", f"Format: {_EVENT_FIELDS}"),
        *(_dialogue(event, rate) for event in events),
    ]
    return "\n".join(lines) + "\n"


def marked_up(
    lines: Sequence[str], lettering: Lettering, language: str, em: float | None = None
) -> str:
    """Lines with the font of every run named; `em` in pixels, where it is not the style's."""
    mark = RTL_MARK if is_rtl(" ".join(lines), language) else ""
    size = f"{{\\fs{em * LINE_HEIGHT:.2f}}}" if em else ""
    return size + r"\N".join(_runs(mark + line, lettering) for line in lines)


def drawing_rate(fps: Fraction) -> Fraction:
    """The rate that a script is written at to be drawn on a picture of `fps`."""
    # A script counts hundredths of a second: faster pictures are drawn on a slower clock.
    return fps if fps <= _MOST_EXACT_FPS else fps / 2


def drawing_filter(path: Path, fonts: Path, fps: Fraction) -> str:
    """The filter that draws a script, for a chain whose first picture is the script's frame 0."""
    drawn = f"ass=filename={_quoted(path)}:fontsdir={_quoted(fonts)}"
    slower = fps / drawing_rate(fps)
    return drawn if slower == 1 else f"setpts=PTS*{slower},{drawn},setpts=PTS/{slower}"


def plain(lines: Sequence[str]) -> str:
    """Lines as the text of an event whose look is left to the player."""
    guarded = (_COMMAND.sub(rf"\g<0>{_WORD_JOINER}", line) for line in lines)
    return r"\N".join(guarded)


def _dialogue(event: Event, rate: Fraction) -> str:
    start, end = _time(event.start, rate), _time(event.end, rate)
    return f"Dialogue: 0,{start},{end},{event.style},,0,0,0,,{event.text}"


def _time(frame: int, rate: Fraction) -> str:
    # Rounded down: at most one picture falls into each hundredth.
    seconds, hundredths = divmod(frame * 100 // rate, 100)
    minutes, second = divmod(seconds, 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{second:02d}.{hundredths:02d}"


def _style(style: Style) -> str:
    red, green, blue = style.colour[1:3], style.colour[3:5], style.colour[5:7]
    ink = f"&H00{blue}{green}{red}".upper()
    # Encoding -1: libass lays out each line as a whole, its direction told by its first letter.
    return (
        f"Style: {style.name},{style.lettering.family(0)},{style.em * LINE_HEIGHT:.2f},{ink},{ink},"
        f"&H00101010,&H80000000,0,0,0,0,100,100,0,0,1,{style.outline:.2f},{style.shadow:.2f},"
        f"{style.place},0,0,{style.margin},-1"
    )


def _runs(line: str, lettering: Lettering) -> str:
    return "".join(
        f"{{\\fn{lettering.family(run.font)}}}{_escaped(run.text)}" for run in lettering.runs(line)
    )


def _escaped(text: str) -> str:
    # A backslash is itself, unless what follows makes it a command.
    guarded = text.replace("\\", f"\\{_WORD_JOINER}")
    return guarded.replace("{", r"\{").replace("}", r"\}")


def _quoted(path: Path) -> str:
    """A path as the value of a filter's option, inside a graph."""
    value = "".join(f"\\{char}" if char in "\\':" else char for char in str(path))
    return "".join(f"\\{char}" if char in "\\'[],; " else char for char in value)
