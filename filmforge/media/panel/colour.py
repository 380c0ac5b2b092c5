"""Colours as floats from 0 to 255, and the few sums a painter does with them."""

Colour = tuple[float, float, float]
Pixel = tuple[int, int, int]

INK: Colour = (22, 18, 24)
WHITE: Colour = (255, 255, 255)


def mix(a: Colour, b: Colour, share: float) -> Colour:
    """`a` with `share` (0 to 1) of `b`."""
    t = min(1.0, max(0.0, share))
    return (a[0] + (b[0] - a[0]) * t, a[1] + (b[1] - a[1]) * t, a[2] + (b[2] - a[2]) * t)


def times(a: Colour, b: Colour) -> Colour:
    """A surface of colour `a` under light of colour `b`."""
    return (a[0] * b[0] / 255, a[1] * b[1] / 255, a[2] * b[2] / 255)


def scaled(a: Colour, factor: float) -> Colour:
    """`a` made darker or brighter."""
    return (a[0] * factor, a[1] * factor, a[2] * factor)


def pixel(a: Colour) -> Pixel:
    """The colour as Pillow takes it, cut off at 0 and 255."""
    return (
        min(255, max(0, round(a[0]))),
        min(255, max(0, round(a[1]))),
        min(255, max(0, round(a[2]))),
    )
