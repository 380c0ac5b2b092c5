"""Sets under the sky: forest, fields, mountains, desert, sea and space."""

import math
import random

from filmforge.media.panel.canvas import Point
from filmforge.media.panel.colour import Colour, mix, scaled
from filmforge.media.panel.ground import SNOW, ground, ground_colour, tufts
from filmforge.media.panel.outline import blob, box, ridge, ring
from filmforge.media.panel.sky import sky
from filmforge.media.panel.solids import Painter
from filmforge.media.panel.woods import tree


def _layer(
    p: Painter,
    base: float,
    height: float,
    surface: Colour,
    light: float,
    depth: float,
    chance: random.Random,
    rough: float = 0.45,
) -> list[Point]:
    line = [
        (x, base - height * 0.5 - y * 0.5)
        for x, y in ridge(-0.1, p.stage.aspect + 0.1, height, chance, 6, rough)
    ]
    p.canvas.shape(
        [*line, (p.stage.aspect + 0.1, 1.1), (-0.1, 1.1)],
        p.stage.palette.lit(surface, light, depth),
    )
    return line


def mountain(p: Painter) -> None:
    """Ranges behind ranges, snow on the lit side, a dark near slope with pines."""
    sky(p)
    chance, y = p.stage.chance("mountain"), p.stage.camera.horizon
    for i, (height, depth) in enumerate(((0.30, 0.72), (0.24, 0.5), (0.14, 0.28))):
        for _ in range(2 + i):
            _peak(
                p,
                chance.uniform(0, p.stage.aspect),
                y + 0.06 * i,
                height * chance.uniform(0.7, 1.4) * (0.6 + 0.8 * y),
                depth,
                chance,
            )
        _layer(p, y + 0.07 * i, 0.05, (96, 104, 110), 0.4, depth, chance)
    ground(p, (104, 112, 78))
    for z in (26, 18, 12):
        for _ in range(9):
            _pine(p, chance.uniform(-1.1, 1.1) * z, z + chance.uniform(-2, 2), chance)
    tufts(p, chance)


def _peak(
    p: Painter, x: float, base: float, height: float, depth: float, chance: random.Random
) -> None:
    palette, side = p.stage.palette, p.stage.side
    half = height * chance.uniform(0.9, 1.4)
    line = [(dx, dy * (1 - abs(dx) / half)) for dx, dy in ridge(-half, half, height * 0.10, chance)]
    top = [(x + dx, base - height * max(0.0, 1 - abs(dx) / half) ** 1.1 + dy) for dx, dy in line]
    p.canvas.shape(
        [*top, (x + half, base + 0.2), (x - half, base + 0.2)],
        palette.lit((104, 106, 122), 0.2, depth),
    )
    middle = len(top) // 2
    spine = [
        (x + chance.uniform(-0.2, 0.2) * height * i / 6, base - height * (1 - i / 6))
        for i in range(1, 7)
    ]
    lit = top[middle:] if side > 0 else top[: middle + 1][::-1]
    foot = (x + side * half, base + 0.2)
    p.canvas.shape([*lit, foot, *spine[::-1]], palette.lit((150, 146, 146), 0.85, depth))
    cap = [(a, b) for a, b in lit if b < base - height * 0.55]
    if len(cap) > 2:
        low = [
            (
                cap[-1][0] + (x - cap[-1][0]) * t,
                cap[-1][1] + chance.uniform(-0.3, 0.25) * height * 0.3,
            )
            for t in (0.2, 0.4, 0.6, 0.8, 1.0)
        ]
        p.canvas.shape([*cap, *low], palette.lit(SNOW, 0.9, depth * 0.8))


def _pine(p: Painter, x: float, z: float, chance: random.Random) -> None:
    foot = p.stage.camera.at((x, 0, z))
    tall = chance.uniform(3.5, 6.5) * p.stage.camera.scale(z)
    depth = min(0.75, z / 42)
    colour = mix((52, 78, 66), SNOW, 0.5 if "snow" in p.stage.weather else 0.0)
    for i in range(5):
        t = i / 5
        wide = tall * 0.20 * (1.1 - t)
        y = foot[1] - tall * (0.1 + 0.72 * t)
        p.canvas.shape(
            [(foot[0] - wide, y), (foot[0], y - tall * 0.32), (foot[0] + wide, y)],
            p.stage.palette.lit(colour, 0.15 + 0.1 * t, depth),
        )
        side = p.stage.side
        p.canvas.shape(
            [
                (foot[0] + side * wide, y),
                (foot[0], y - tall * 0.32),
                (foot[0] + side * wide * 0.35, y),
            ],
            p.stage.palette.lit(colour, 0.75, depth),
        )


def field(p: Painter) -> None:
    """Rolling country: far hills, a line of trees, a house, grass, a path."""
    sky(p)
    chance, y = p.stage.chance("field"), p.stage.camera.horizon
    for i, depth in enumerate((0.72, 0.52, 0.34)):
        _layer(p, y + 0.015 * i + 0.02, 0.08 - 0.02 * i, (110, 128, 84), 0.6, depth, chance, 0.4)
    ground(p, (146, 150, 84))
    _path(p, chance)
    house(p, chance.uniform(-9, 9), 24 + chance.uniform(0, 6))
    for _ in range(16):
        z = chance.uniform(14, 38)
        tree(p, chance.uniform(-1.1, 1.1) * z, z, chance, 4.5)
    tree(p, p.stage.side * chance.uniform(3.0, 4.2), 6.4, chance, 5.5)
    tufts(p, chance, (150, 150, 78))


def _path(p: Painter, chance: random.Random) -> None:
    bend = chance.uniform(-3, 3)
    left = [(-0.7 + bend * math.sin(z / 9), 0.0, z) for z in (0.4, 2, 4, 8, 16, 34)]
    right = [(x + 1.5, 0.0, z) for x, _, z in left][::-1]
    p.face([*left, *right], ground_colour(p, (188, 164, 122)), 0.7, 0.12, ink=False)


def house(p: Painter, x: float, z: float) -> None:
    """A small house with a gable roof and lit windows after dark."""
    depth = min(0.6, z / 60)
    wall: Colour = (206, 190, 166)
    p.block(x, 0, z, (4.4, 2.6, 4.0), wall, depth)
    p.face([(x - 2.5, 2.5, z - 0.1), (x, 4.6, z - 0.1), (x + 2.5, 2.5, z - 0.1)], wall, 0.4, depth)
    for side in (-1, 1):
        p.face(
            [
                (x + side * 2.7, 2.4, z - 0.2),
                (x, 4.8, z - 0.2),
                (x, 4.8, z + 4.2),
                (x + side * 2.7, 2.4, z + 4.2),
            ],
            (136, 74, 58),
            0.8 if side == p.stage.side else 0.25,
            depth,
        )
    glass: Colour = (255, 206, 120) if p.stage.palette.hour.lamps else (92, 104, 120)
    for dx in (-1.2, 1.2):
        corners = p.stage.camera.face(
            [
                (x + dx - 0.4, 1.9, z - 0.02),
                (x + dx + 0.4, 1.9, z - 0.02),
                (x + dx + 0.4, 1.0, z - 0.02),
                (x + dx - 0.4, 1.0, z - 0.02),
            ]
        )
        p.canvas.shape(corners, glass)
        if p.stage.palette.hour.lamps:
            p.canvas.glow(corners, (220, 150, 60), 0.012)


def desert(p: Painter) -> None:
    """Dunes with a knife edge between sun and shade, rippled sand, a few stones."""
    sky(p)
    chance, y, aspect = p.stage.chance("desert"), p.stage.camera.horizon, p.stage.aspect
    _layer(p, y + 0.01, 0.10, (186, 132, 104), 0.45, 0.66, chance, 0.42)
    ground(p, (226, 178, 118))
    for i in range(6):
        t = i / 5
        _dune(
            p,
            chance.uniform(-0.1, 1.1) * aspect,
            y + 0.015 + 0.30 * t * t,
            0.045 + 0.13 * t,
            0.55 * (1 - t),
            chance,
        )
    for _ in range(150):
        t = chance.random()
        x, y0 = chance.uniform(0, aspect), y + 0.14 + (0.9 - y) * t
        wide, high = 0.03 + 0.16 * t * chance.random(), 0.002 + 0.005 * t
        p.canvas.veil(
            [(x - wide, y0), (x, y0 - high), (x + wide, y0 + high), (x, y0 + high)],
            p.stage.palette.lit((150, 104, 74), 0.3),
            0.28,
            0.001,
        )


def _dune(
    p: Painter, x: float, base: float, height: float, depth: float, chance: random.Random
) -> None:
    wide, side = height * chance.uniform(4.5, 7.0), p.stage.side
    steps = 24
    crest = [
        (
            x + wide * (i / steps - 0.5) * 2,
            base - height * math.cos((i / steps - 0.5) * math.pi) ** 1.5,
        )
        for i in range(steps + 1)
    ]
    palette = p.stage.palette
    p.canvas.shape([*crest, (x, base + height)], palette.lit((236, 188, 124), 0.9, depth))
    top = crest[steps // 2]
    knife = [
        (top[0] + side * height * 0.55 * math.sin(t * 2.6), top[1] + (base + height - top[1]) * t)
        for t in (0.0, 0.25, 0.5, 0.75, 1.0)
    ]
    away = crest[: steps // 2 + 1][::-1] if side > 0 else crest[steps // 2 :]
    p.canvas.shape([*away, *knife[::-1]], palette.lit((206, 142, 104), 0.22, depth))


def space(p: Painter) -> None:
    """Stars, a nebula and a great planet with its night side."""
    palette, chance, aspect = p.stage.palette, p.stage.chance("space"), p.stage.aspect
    p.canvas.ramp(0, 1, (6, 8, 22), (22, 16, 44))
    for _ in range(9):
        tint = chance.choice(((70, 34, 96), (24, 60, 110), (110, 50, 60), (20, 84, 92)))
        p.canvas.glow(
            blob((chance.uniform(0, aspect), chance.uniform(0.1, 0.8)), 0.26, 0.12, chance),
            scaled(tint, 0.55),
            0.10,
        )
    p.canvas.settle()
    for _ in range(420):
        tone = mix((190, 205, 255), (255, 226, 190), chance.random())
        p.canvas.disc(
            (chance.uniform(0, aspect), chance.random()),
            0.0007 + 0.0018 * chance.random() ** 5,
            scaled(tone, chance.uniform(0.4, 1)),
        )
    x, y, r = aspect * (0.5 + 0.26 * p.stage.side), 0.5, 0.34
    colour = chance.choice(((204, 142, 98), (98, 142, 178), (164, 120, 150)))
    p.canvas.glow(ring((x, y), r * 1.02), scaled(colour, 0.4), 0.03)
    p.canvas.settle()
    p.canvas.disc((x, y), r, palette.lit(colour, 0.9))
    for i in range(14):
        t = -0.9 + 1.8 * i / 13
        half = r * math.sqrt(1 - t * t)
        p.canvas.veil(
            box(x - half, y + t * r, x + half, y + (t + 0.05) * r),
            scaled(colour, chance.uniform(0.7, 1.1)),
            0.5,
            0.004,
        )
    p.canvas.shade(ring((x - p.stage.side * r * 0.85, y + r * 0.2), r * 1.02), (24, 22, 44), 0.06)
    p.canvas.settle()
