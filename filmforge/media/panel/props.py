"""Things a close shot is about: a chest, and what hands hold over a table."""

import math
from collections.abc import Callable

from filmforge.media.panel.canvas import Point
from filmforge.media.panel.chest import BRASS
from filmforge.media.panel.colour import INK, Colour, mix, scaled
from filmforge.media.panel.outline import box, limb, ring, smooth
from filmforge.media.panel.solids import Painter
from filmforge.media.panel.wardrobe import look_of

PAPER: Colour = (236, 220, 184)


def in_hands(p: Painter, thing: str, name: str) -> None:
    """A thing held in two hands, close to the camera, over whatever is behind it."""
    aspect = p.stage.aspect
    size = min(1.0, aspect / 1.1)
    middle = (aspect * 0.5 + p.stage.chance("hold").uniform(-0.05, 0.05), 0.50)
    tilt = p.stage.chance("tilt").uniform(-0.14, 0.14)
    look = look_of(name)
    for side in (-1, 1):
        _fingers_behind(p, middle, side, size, tilt, look.skin)
    {"photo": _photo, "letter": _letter, "book": _book}.get(thing, _small(thing))(
        p, middle, size, tilt
    )
    for side in (-1, 1):
        _hand(p, middle, side, size, tilt, look.skin, look.top)


def turned(middle: Point, points: list[Point], size: float, tilt: float) -> list[Point]:
    """Points around a middle, scaled and tilted."""
    c, s = math.cos(tilt) * size, math.sin(tilt) * size
    return [(middle[0] + x * c - y * s, middle[1] + x * s + y * c) for x, y in points]


def _sheet(p: Painter, middle: Point, half: Point, size: float, tilt: float, fill: Colour) -> None:
    outline = turned(middle, box(-half[0], -half[1], half[0], half[1]), size, tilt)
    shadow = [(x - 0.03 * p.stage.side, y + 0.04) for x, y in outline]
    p.canvas.veil(shadow, (8, 6, 8), 0.6, 0.02)
    p.canvas.shape(outline, p.stage.palette.lit(fill, 0.8), mix(INK, fill, 0.25), 0.003)


def _photo(p: Painter, middle: Point, size: float, tilt: float) -> None:
    chance = p.stage.chance("photo")
    _sheet(p, middle, (0.40, 0.29), size, tilt, PAPER)

    def tone(v: float) -> Colour:
        return p.stage.palette.lit(mix((82, 58, 42), (238, 216, 174), v), 0.8)

    def put(points: list[Point], v: float) -> None:
        p.canvas.shape(turned(middle, points, size, tilt), tone(v))

    put(box(-0.36, -0.25, 0.36, 0.25), 0.82)
    hills = [(-0.36 + 0.09 * i, -0.02 - chance.uniform(0, 0.09)) for i in range(9)]
    put([*smooth(hills, False), (0.36, 0.25), (-0.36, 0.25)], 0.62)
    put([(-0.36, 0.10), (0.36, 0.07), (0.36, 0.25), (-0.36, 0.25)], 0.45)
    put(box(-0.30, -0.10, -0.06, 0.12), 0.34)
    put([(-0.33, -0.09), (-0.18, -0.21), (-0.03, -0.09)], 0.16)
    put(box(-0.21, 0.0, -0.14, 0.12), 0.1)
    put(box(-0.115, -0.04, -0.08, 0.02), 0.75)
    for x, tall in ((0.06, 0.30), (0.15, 0.27), (0.235, 0.18)):
        top = 0.21 - tall
        put(ring((x, top + 0.03), 0.024, 0.031), 0.70)
        put(ring((x, top + 0.017), 0.027, 0.022), 0.08)
        put(_silhouette(x, top), 0.30 if tall == 0.27 else 0.14)
    for _ in range(7):
        a = (chance.uniform(-0.38, 0.38), chance.uniform(-0.27, 0.27))
        b = (a[0] + chance.uniform(-0.1, 0.1), a[1] + chance.uniform(-0.04, 0.04))
        p.canvas.stroke(turned(middle, [a, b], size, tilt), tone(0.95), 0.0014)
    corner = turned(middle, [(0.40, -0.29), (0.33, -0.29), (0.40, -0.21)], size, tilt)
    p.canvas.shape(corner, p.stage.palette.lit(scaled(PAPER, 0.75), 0.5))


def _silhouette(x: float, top: float) -> list[Point]:
    """A person in an old photograph, from the neck to the ground."""
    left = [(0.018, top + 0.06), (0.045, top + 0.09), (0.040, 0.16), (0.045, 0.21)]
    return smooth([*[(x - dx, y) for dx, y in left], *[(x + dx, y) for dx, y in left[::-1]]])


def _letter(p: Painter, middle: Point, size: float, tilt: float) -> None:
    chance = p.stage.chance("letter")
    _sheet(p, middle, (0.33, 0.40), size, tilt, PAPER)
    ink = p.stage.palette.lit((74, 58, 74), 0.5)
    for row in range(11):
        y = -0.30 + 0.055 * row
        x, end = -0.26, 0.26 if row % 4 != 3 else chance.uniform(-0.05, 0.15)
        while x < end:
            word = chance.uniform(0.03, 0.10)
            wave = [
                (x + word * i / 8, y + 0.011 * math.sin(i * 2.3 + row) * chance.uniform(0.4, 1.3))
                for i in range(9)
            ]
            p.canvas.stroke(turned(middle, smooth(wave, False, 3), size, tilt), ink, 0.0024)
            x += word + 0.022
    for y in (-0.13, 0.13):
        fold = turned(middle, box(-0.33, y, 0.33, y + 0.012), size, tilt)
        p.canvas.veil(fold, (90, 66, 44), 0.4, 0.003)


def _book(p: Painter, middle: Point, size: float, tilt: float) -> None:
    cover = p.stage.palette.lit((120, 52, 44), 0.5)
    p.canvas.shape(turned(middle, box(-0.54, -0.34, 0.54, 0.36), size, tilt), cover, INK, 0.004)
    ink = p.stage.palette.lit((84, 70, 66), 0.5)
    for side in (-1, 1):
        page = smooth([(0, -0.28), (side * 0.14, -0.315), (side * 0.5, -0.30)], False)
        under = smooth([(side * 0.5, 0.31), (side * 0.14, 0.30), (0, 0.335)], False)
        p.canvas.shape(
            turned(middle, [*page, *under], size, tilt),
            p.stage.palette.lit(PAPER, 0.85 if side == p.stage.side else 0.5),
            INK,
            0.002,
        )
        for row in range(11):
            y = -0.23 + 0.045 * row
            p.canvas.stroke(
                turned(
                    middle,
                    [(side * 0.07, y), (side * 0.25, y - 0.012), (side * 0.44, y - 0.002)],
                    size,
                    tilt,
                ),
                ink,
                0.0018,
            )
    p.canvas.veil(
        turned(middle, box(-0.05, -0.3, 0.05, 0.33), size, tilt), (30, 20, 18), 0.5, 0.015
    )


def _small(thing: str) -> Callable[[Painter, Point, float, float], None]:
    def draw(p: Painter, middle: Point, size: float, tilt: float) -> None:
        shapes = SMALL.get(thing, SMALL["key"])
        for points, surface, light in shapes:
            p.canvas.shape(
                turned(middle, points, size, tilt), p.stage.palette.lit(surface, light), INK, 0.003
            )
        if thing in ("candle", "phone"):
            at = turned(middle, [(0.0, -0.30 if thing == "candle" else 0.0)], size, tilt)[0]
            p.canvas.glow(
                ring(at, 0.22), (230, 160, 70) if thing == "candle" else (90, 130, 190), 0.10
            )

    return draw


SMALL: dict[str, list[tuple[list[Point], Colour, float]]] = {
    "key": [
        (ring((0, -0.16), 0.12), BRASS, 0.7),
        (ring((0, -0.16), 0.06), (46, 34, 30), 0.2),
        (box(-0.024, -0.05, 0.024, 0.28), BRASS, 0.6),
        (box(0.02, 0.18, 0.11, 0.215), BRASS, 0.6),
        (box(0.02, 0.245, 0.09, 0.28), BRASS, 0.6),
    ],
    "candle": [
        (box(-0.06, -0.16, 0.06, 0.3), (240, 228, 200), 0.7),
        ([(-0.03, -0.18), (0.0, -0.34), (0.03, -0.18)], (255, 220, 130), 1.0),
    ],
    "watch": [
        (ring((0, -0.24), 0.05), BRASS, 0.5),
        (ring((0, 0.02), 0.23), BRASS, 0.65),
        (ring((0, 0.02), 0.19), (244, 238, 222), 0.8),
        (limb([(0, 0.02, 0.008), (0, -0.12, 0.004)]), INK, 0.2),
        (limb([(0, 0.02, 0.010), (0.09, 0.06, 0.005)]), INK, 0.2),
    ],
    "cup": [
        (ring((0.21, 0.0), 0.10), (206, 196, 180), 0.5),
        (ring((0.21, 0.0), 0.06), (60, 44, 40), 0.2),
        (
            smooth(
                [
                    (-0.2, -0.16),
                    (0.2, -0.16),
                    (0.17, 0.14),
                    (0.08, 0.22),
                    (-0.08, 0.22),
                    (-0.17, 0.14),
                ]
            ),
            (226, 216, 200),
            0.7,
        ),
        (ring((0, -0.15), 0.19, 0.05), (74, 46, 32), 0.4),
    ],
    "flower": [
        (limb([(0, 0.0, 0.014), (0.03, 0.34, 0.010)]), (74, 112, 64), 0.5),
        (ring((-0.09, -0.08), 0.10, 0.08), (186, 48, 62), 0.5),
        (ring((0.09, -0.08), 0.10, 0.08), (186, 48, 62), 0.7),
        (ring((0, -0.15), 0.11, 0.10), (206, 62, 72), 0.7),
        (ring((0, -0.07), 0.08, 0.07), (160, 36, 52), 0.6),
    ],
    "phone": [
        (box(-0.15, -0.28, 0.15, 0.28), (36, 38, 44), 0.4),
        (box(-0.13, -0.24, 0.13, 0.24), (150, 190, 230), 0.95),
    ],
}


def _fingers_behind(
    p: Painter, middle: Point, side: int, size: float, tilt: float, skin: Colour
) -> None:
    for i in range(4):
        spine = turned(
            middle, [(side * 0.52, 0.10 + 0.075 * i), (side * 0.34, 0.04 + 0.08 * i)], size, tilt
        )
        p.canvas.shape(
            limb([(*spine[0], 0.036 * size), (*spine[1], 0.026 * size)]),
            p.stage.palette.lit(skin, 0.4),
            scaled(skin, 0.3),
            0.003,
        )


def _hand(
    p: Painter, middle: Point, side: int, size: float, tilt: float, skin: Colour, sleeve: Colour
) -> None:
    palette = p.stage.palette
    light = 0.7 if side == p.stage.side else 0.42
    ink = mix(scaled(palette.lit(skin, 0.3), 0.35), INK, 0.3)

    def put(points: list[tuple[float, float, float]], surface: Colour, lit: float) -> None:
        line = [(*turned(middle, [(side * x, y)], size, tilt)[0], w * size) for x, y, w in points]
        p.canvas.shape(limb(line), palette.lit(surface, lit), ink, 0.0035)

    put([(0.62, 0.95, 0.125), (0.55, 0.55, 0.088), (0.505, 0.40, 0.072)], skin, light)
    put(
        [(0.52, 0.52, 0.080), (0.485, 0.30, 0.105), (0.47, 0.14, 0.085), (0.475, 0.06, 0.04)],
        skin,
        light,
    )
    put(
        [(0.50, 0.34, 0.062), (0.40, 0.235, 0.054), (0.315, 0.175, 0.042), (0.27, 0.15, 0.026)],
        skin,
        light + 0.15,
    )
    put(
        [(0.305, 0.158, 0.021), (0.272, 0.145, 0.017)], mix(skin, (255, 226, 220), 0.5), light + 0.2
    )
    put([(0.78, 1.15, 0.19), (0.63, 0.78, 0.165), (0.585, 0.62, 0.135)], sleeve, light - 0.1)
    put([(0.60, 0.655, 0.14), (0.572, 0.585, 0.135)], scaled(sleeve, 0.82), light - 0.1)
