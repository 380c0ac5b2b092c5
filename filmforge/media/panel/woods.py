"""Trees, one by one and as a forest."""

import random

from filmforge.media.panel.canvas import Point
from filmforge.media.panel.colour import Colour, mix, scaled
from filmforge.media.panel.ground import SNOW, ground, tufts
from filmforge.media.panel.outline import blob, box, limb, ring
from filmforge.media.panel.solids import Painter

LEAVES: tuple[Colour, ...] = ((74, 104, 58), (92, 116, 62), (58, 92, 66), (112, 116, 58))


BARK: Colour = (86, 70, 58)


def tree(p: Painter, x: float, z: float, chance: random.Random, tall: float) -> None:
    """A broad-leaved tree: trunk, boughs, clumps of leaf lit from the stage's side."""
    camera, palette = p.stage.camera, p.stage.palette
    foot, unit = camera.at((x, 0, z)), camera.scale(z)
    depth, tall = min(0.72, z / 46), tall * chance.uniform(0.8, 1.2)
    crown = (foot[0] + chance.uniform(-0.2, 0.2) * unit, foot[1] - tall * 0.66 * unit)
    p.canvas.veil(ring(foot, tall * 0.42 * unit, tall * 0.05 * unit), (14, 16, 20), 0.4, 0.006)
    p.canvas.shape(
        limb(
            [
                (foot[0], foot[1], 0.045 * tall * unit),
                (*_towards(foot, crown, 0.5), 0.028 * tall * unit),
                (*crown, 0.012 * tall * unit),
            ]
        ),
        palette.lit(BARK, 0.25, depth),
    )
    leaf = mix(chance.choice(LEAVES), SNOW, 0.55 if "snow" in p.stage.weather else 0.0)
    clumps = [(chance.gauss(0, 0.20), chance.gauss(0, 0.13)) for _ in range(26)]
    for pass_light, shift in ((0.12, 0.0), (0.45, 0.05), (0.85, 0.10)):
        for dx, dy in clumps:
            at = (
                crown[0] + (dx + p.stage.side * shift * 0.7) * tall * unit,
                crown[1] + (dy - shift) * tall * unit,
            )
            r = tall * unit * (0.13 - shift * 0.7)
            p.canvas.shape(
                blob(at, r, r * 0.8, chance, 9, 0.22),
                palette.lit(leaf, pass_light * chance.uniform(0.8, 1.1), depth),
            )


def _towards(a: Point, b: Point, t: float) -> Point:
    return a[0] + (b[0] - a[0]) * t, a[1] + (b[1] - a[1]) * t


def forest(p: Painter) -> None:
    """Trunks receding into the haze, light slanting between them, undergrowth near the camera."""
    palette, chance, aspect = p.stage.palette, p.stage.chance("forest"), p.stage.aspect
    y = p.stage.camera.horizon
    deep = mix(palette.haze, palette.hour.key, 0.25)
    p.canvas.ramp(0, 1, mix(palette.hour.zenith, palette.haze, 0.35), deep)
    p.canvas.veil(
        ring((p.stage.camera.centre, y - 0.06), 0.5, 0.34),
        palette.hour.key,
        0.35 if palette.hour.lamps else 0.6,
        0.16,
    )
    ground(p, (88, 84, 58))
    p.canvas.veil(box(-0.1, y - 0.06, aspect + 0.1, y + 0.07), deep, 0.9, 0.05)
    trunks = sorted(
        ((chance.uniform(-1.3, 1.3), 2.6 + 26 * chance.random() ** 1.4) for _ in range(58)),
        key=lambda t: -t[1],
    )
    for i, (x, z) in enumerate(trunks):
        if abs(x * z) > 0.9 + 0.1 * z:
            _trunk(p, x * z * 0.9, z, chance)
        if i % 15 == 14:
            p.canvas.veil(box(-0.1, y - 0.22, aspect + 0.1, y + 0.10), palette.haze, 0.20, 0.06)
    for i in range(4):
        x = p.stage.camera.centre + p.stage.side * (0.55 - 0.3 * i)
        drop = -p.stage.side * 0.62
        p.canvas.glow(
            [(x, -0.05), (x + 0.10, -0.05), (x + drop + 0.26, 0.98), (x + drop, 0.98)],
            scaled(palette.hour.key, 0.30 * p.beam),
            0.03,
        )
    p.canvas.settle()
    _canopy(p, chance)
    tufts(p, chance, (82, 98, 56))


def _trunk(p: Painter, x: float, z: float, chance: random.Random) -> None:
    camera, palette = p.stage.camera, p.stage.palette
    foot, unit = camera.at((x, 0, z)), camera.scale(z)
    half, depth = chance.uniform(0.13, 0.30) * unit, min(0.86, z / 27)
    top = (foot[0] + chance.uniform(-0.6, 0.6) * unit, foot[1] - 14 * unit)
    spine = [
        (foot[0], foot[1], half * 1.35),
        (*_towards(foot, top, 0.07), half),
        (*_towards(foot, top, 0.4), half * 0.8),
        (*top, half * 0.45),
    ]
    p.canvas.shape(limb(spine), palette.lit(BARK, 0.14, depth))
    side = p.stage.side
    lit = [(sx + side * w * 0.72, sy, w * 0.24) for sx, sy, w in spine]
    p.canvas.shape(
        limb(lit), palette.lit((140, 118, 92), 0.45 if p.stage.hour == "night" else 0.8, depth)
    )
    for _ in range(3):
        h = chance.uniform(2.2, 6.0) * unit
        way = chance.choice((-1, 1))
        reach = chance.uniform(0.6, 1.7) * unit * way
        p.canvas.shape(
            limb(
                [
                    (foot[0], foot[1] - h, half * 0.4),
                    (foot[0] + reach * 0.5, foot[1] - h - 0.2 * unit, half * 0.25),
                    (foot[0] + reach, foot[1] - h - 0.7 * unit, half * 0.08),
                ]
            ),
            palette.lit(BARK, 0.14, depth),
        )


def _canopy(p: Painter, chance: random.Random) -> None:
    aspect = p.stage.aspect
    for i in range(46):
        x = chance.uniform(-0.05, aspect + 0.05)
        edge = abs(x / aspect - 0.5) * 2
        y = chance.uniform(-0.06, 0.05 + 0.22 * edge)
        r = chance.uniform(0.04, 0.11)
        p.canvas.shape(
            blob((x, y), r * 1.3, r * 0.7, chance, 11, 0.35),
            p.stage.palette.lit(chance.choice(LEAVES), 0.08 + 0.25 * (i % 3 == 0), 0.12),
        )
