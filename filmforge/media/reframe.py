"""Put a film into another shape: where to cut it, and the filters that do."""

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from typing import NamedTuple

from filmforge.delivery import Centre, Delivery, FilmFacts, Fit
from filmforge.errors import BadInput
from filmforge.media.picture import TAGGED

_LEAST, _MOST = 64, 4096
_BLUR_SCALE = 8


class Size(NamedTuple):
    """A picture's size in pixels."""

    width: int
    height: int


class Focus(NamedTuple):
    """From frame `frame` on, what is cropped is cropped around `centre`."""

    frame: int
    centre: Centre


CENTRED = (Focus(0, Centre()),)


def delivered_size(delivery: Delivery, film: Size) -> Size:
    """The size in pixels of what is delivered, both sides even.

    Without a size the shorter side stays as long as the film's: 1280 x 720 becomes 720 x 1280.
    Raises BadInput when a side that follows from the others is under 64 or over 4096.
    """
    shape = _shape(delivery, film)
    if delivery.width and delivery.height:
        return Size(delivery.width, delivery.height)
    if delivery.width:
        size = Size(delivery.width, even(delivery.width / shape))
    elif delivery.height:
        size = Size(even(delivery.height * shape), delivery.height)
    elif not delivery.aspect:
        return film
    else:
        short = min(film)
        size = Size(even(short * max(shape, Fraction(1))), even(short / min(shape, Fraction(1))))
    if not _LEAST <= min(size) <= max(size) <= _MOST:
        raise BadInput(
            delivery.stem,
            f"its picture would be {size.width} x {size.height} pixels",
            f"Give a width and height between {_LEAST} and {_MOST}.",
        )
    return size


def focus_of(facts: FilmFacts) -> tuple[Focus, ...]:
    """Where the film is looked at: each shot's centre, changing in the middle of a transition."""
    if not facts.shots:
        return CENTRED
    focus = [Focus(0, facts.shots[0].centre)]
    for leaving, coming in pairwise(facts.shots):
        overlap = max(0, leaving.start + leaving.frames - coming.start)
        if coming.centre != focus[-1].centre:
            focus.append(Focus(coming.start + overlap // 2, coming.centre))
    return tuple(focus)


def seen_from(focus: Sequence[Focus], frame: int) -> tuple[Focus, ...]:
    """The same, of the film without its first `frame` frames."""
    before = [each for each in focus if each.frame <= frame]
    later = (Focus(each.frame - frame, each.centre) for each in focus if each.frame > frame)
    return (Focus(0, before[-1].centre), *later)


def reframed(
    film: Size, size: Size, fit: Fit, focus: Sequence[Focus] = CENTRED, mark: str = ""
) -> str:
    """The ffmpeg filters, one input and one output, that bring the film to `size`, tagged BT.709.

    Only what the shape takes is cut away or added; proportions are kept to within the rounding
    of each side to an even number. `mark` tells the labels of two of them in one graph apart.
    """
    kept = crop_size(film, size)
    if kept == film:
        filters = [] if size == film else [_scaled(size)]
    elif fit == "crop":
        filters = [_cropped(film, kept, focus), *([] if kept == size else [_scaled(size)])]
    elif fit == "pad":
        filters = [_scaled(_inside(film, size)), f"pad={size.width}:{size.height}:{_CENTRED}"]
    else:
        filters = [_before_a_blur(film, size, kept, mark)]
    return ",".join([*filters, TAGGED, "setsar=1"])


def crop_size(film: Size, size: Size) -> Size:
    """The largest part of the film that has the shape of `size`."""
    # Rounding each side of `size` to an even number may move its shape; that is no reason to cut.
    if abs(film.width * size.height - film.height * size.width) <= 2 * max(film):
        return film
    shape = Fraction(size.width, size.height)
    return Size(
        min(film.width, even(film.height * shape)), min(film.height, even(film.width / shape))
    )


def crop_corner(film: Size, kept: Size, centre: Centre) -> tuple[int, int]:
    """Left and top of the part around a centre, inside the film, even as chroma needs it."""
    return (
        _corner(film.width, kept.width, centre.x),
        _corner(film.height, kept.height, centre.y),
    )


def even(length: float | Fraction) -> int:
    """The nearest even number, at least 2."""
    return max(2, 2 * round(length / 2))


_CENTRED = "2*trunc((ow-iw)/4):2*trunc((oh-ih)/4)"


def _shape(delivery: Delivery, film: Size) -> Fraction:
    if not delivery.aspect:
        return Fraction(film.width, film.height)
    across, down = map(int, delivery.aspect.split(":"))
    return Fraction(across, down)


def _inside(film: Size, size: Size) -> Size:
    scale = min(Fraction(size.width, film.width), Fraction(size.height, film.height))
    return Size(
        min(size.width, even(film.width * scale)), min(size.height, even(film.height * scale))
    )


def _scaled(size: Size, flags: str = "lanczos") -> str:
    return f"scale={size.width}:{size.height}:flags={flags}"


def _corner(length: int, kept: int, at: float) -> int:
    return min(length - kept, max(0, _near(length * at - kept / 2)))


def _near(length: float) -> int:
    """The nearest even number, also 0 and below."""
    return 2 * round(length / 2)


def _cropped(film: Size, kept: Size, focus: Sequence[Focus]) -> str:
    corners = [(each.frame, crop_corner(film, kept, each.centre)) for each in focus]
    x = _stepped([(frame, corner[0]) for frame, corner in corners])
    y = _stepped([(frame, corner[1]) for frame, corner in corners])
    return f"crop={kept.width}:{kept.height}:x='{x}':y='{y}'"


def _stepped(steps: Sequence[tuple[int, int]]) -> str:
    """An expression of the frame number n that is constant between steps.

    A balanced tree, so that thousands of shots are looked up in a dozen comparisons.
    """
    changes = [steps[0], *(b for a, b in pairwise(steps) if a[1] != b[1])]
    if len(changes) == 1:
        return str(changes[0][1])
    half = len(changes) // 2
    return f"if(lt(n,{changes[half][0]}),{_stepped(changes[:half])},{_stepped(changes[half:])})"


def _before_a_blur(film: Size, size: Size, kept: Size, mark: str) -> str:
    small = Size(even(Fraction(size.width, _BLUR_SCALE)), even(Fraction(size.height, _BLUR_SCALE)))
    darker = "lutyuv=y=(val-16)*0.7+16:u=(val-128)*0.7+128:v=(val-128)*0.7+128"
    left, top = crop_corner(film, kept, Centre())
    return (
        f"split[behind{mark}][before{mark}];"
        f"[behind{mark}]crop={kept.width}:{kept.height}:{left}:{top},{_scaled(small, 'area')},"
        f"gblur=sigma={max(1.0, min(small) / 16):.2f},{darker},"
        f"{_scaled(size, 'bicubic')}[blurred{mark}];"
        f"[before{mark}]{_scaled(_inside(film, size))}[whole{mark}];"
        f"[blurred{mark}][whole{mark}]overlay=2*trunc((W-w)/4):2*trunc((H-h)/4):format=yuv420"
    )
