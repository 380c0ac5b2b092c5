"""An old wooden chest."""

import math
import random
from itertools import pairwise

from filmforge.media.panel.camera import Place
from filmforge.media.panel.colour import INK, Colour, scaled
from filmforge.media.panel.outline import smooth
from filmforge.media.panel.solids import Painter

WOOD: Colour = (136, 88, 54)


IRON: Colour = (84, 80, 82)


BRASS: Colour = (214, 164, 82)


def chest(p: Painter, x: float, z: float, opened: bool) -> None:
    """An old wooden chest with a curved lid, iron bands and a lock."""
    w, h, d = 0.95, 0.42, 0.55
    outline = p.stage.camera.face(
        [
            (x - w * 0.65, 0, z - 0.12),
            (x + w * 0.65, 0, z - 0.12),
            (x + w * 0.75, 0, z + d + 0.1),
            (x - w * 0.75, 0, z + d + 0.1),
        ]
    )
    p.canvas.veil(outline, (10, 6, 8), 0.75, 0.02)
    x0, x1 = x - w / 2, x + w / 2
    lid = _lid(w, d, opened)
    if opened:
        p.face(
            [
                (x0, h, z + d),
                (x1, h, z + d),
                (x1, h + 0.5, z + d + 0.16),
                (x0, h + 0.5, z + d + 0.16),
            ],
            scaled(WOOD, 0.8),
            0.5,
        )
        p.face([(x0, h, z), (x1, h, z), (x1, h, z + d), (x0, h, z + d)], (40, 26, 20), 0.2)
        mouth = p.stage.camera.face(
            [(x0, h, z), (x1, h, z), (x1, h + 0.35, z + d), (x0, h + 0.35, z + d)]
        )
        p.canvas.glow(mouth, (190, 130, 60), 0.05)
    _front(p, x0, x1, 0.0, h, z)
    for side in (-1, 1):
        edge = x + side * w / 2
        if edge * side < 0 or abs(edge) < 0.02:
            p.face([(edge, 0, z), (edge, h, z), (edge, h, z + d), (edge, 0, z + d)], WOOD, 0.2)
    if not opened:
        _curved(p, x0, x1, h, z, lid)
    _bands(p, x0, x1, h, z, lid if not opened else [])
    _lock(p, x, h, z)


def _lid(w: float, d: float, opened: bool) -> list[tuple[float, float]]:
    return [(d * i / 8, 0.20 * math.sin(math.pi * i / 8) ** 0.75) for i in range(9)]


def _front(p: Painter, x0: float, x1: float, y0: float, y1: float, z: float) -> None:
    chance = p.stage.chance("grain")
    rows = 4
    for i in range(rows):
        a, b = y0 + (y1 - y0) * i / rows, y0 + (y1 - y0) * (i + 1) / rows
        p.face(
            [(x0, a, z), (x1, a, z), (x1, b, z), (x0, b, z)],
            scaled(WOOD, chance.uniform(0.85, 1.12)),
            0.38 + 0.10 * i,
        )
        _grain(
            p,
            [(x0 + (x1 - x0) * t / 7, chance.uniform(a + 0.015, b - 0.015), z) for t in range(8)],
            chance,
        )


def _grain(p: Painter, line: list[Place], chance: random.Random) -> None:
    start = chance.randint(0, 2)
    points = smooth(p.stage.camera.face(line)[start : start + 5], False)
    p.canvas.stroke(points, p.stage.palette.lit(scaled(WOOD, 0.55), 0.3), 0.0022)


def _curved(
    p: Painter, x0: float, x1: float, h: float, z: float, lid: list[tuple[float, float]]
) -> None:
    for i in range(len(lid) - 1, 0, -1):
        (za, ya), (zb, yb) = lid[i - 1], lid[i]
        p.face(
            [
                (x0, h + ya, z + za),
                (x1, h + ya, z + za),
                (x1, h + yb, z + zb),
                (x0, h + yb, z + zb),
            ],
            scaled(WOOD, 0.95 + 0.08 * (i % 2)),
            0.35 + 0.075 * i,
        )
    p.face(
        [
            (x0, h - 0.03, z - 0.012),
            (x1, h - 0.03, z - 0.012),
            (x1, h + 0.03, z - 0.012),
            (x0, h + 0.03, z - 0.012),
        ],
        IRON,
        0.5,
    )


def _bands(
    p: Painter, x0: float, x1: float, h: float, z: float, lid: list[tuple[float, float]]
) -> None:
    for t in (0.04, 0.27, 0.73, 0.96):
        a, b = x0 + (x1 - x0) * t - 0.028, x0 + (x1 - x0) * t + 0.028
        p.face(
            [(a, 0, z - 0.012), (b, 0, z - 0.012), (b, h, z - 0.012), (a, h, z - 0.012)], IRON, 0.5
        )
        for (za, ya), (zb, yb) in list(pairwise(lid))[::-1]:
            p.face(
                [
                    (a, h + ya + 0.01, z + za),
                    (b, h + ya + 0.01, z + za),
                    (b, h + yb + 0.01, z + zb),
                    (a, h + yb + 0.01, z + zb),
                ],
                IRON,
                0.3 + za * 1.1,
                ink=za == 0,
            )
        for y in (0.05, 0.16, 0.27, 0.37):
            at = p.stage.camera.at(((a + b) / 2, y, z - 0.014))
            r = 0.011 * p.stage.camera.scale(z)
            p.canvas.disc(at, r * 1.25, INK)
            p.canvas.disc(
                (at[0] + p.stage.side * r * 0.2, at[1] - r * 0.25),
                r,
                p.stage.palette.lit((170, 164, 158), 0.8),
            )


def _lock(p: Painter, x: float, h: float, z: float) -> None:
    front = z - 0.02
    p.face(
        [
            (x - 0.07, h - 0.17, front),
            (x + 0.07, h - 0.17, front),
            (x + 0.08, h + 0.03, front),
            (x - 0.08, h + 0.03, front),
        ],
        BRASS,
        0.62,
    )
    at, unit = p.stage.camera.at((x, h - 0.06, front)), p.stage.camera.scale(front)
    p.canvas.disc(at, 0.018 * unit, INK)
    p.canvas.shape(
        [
            (at[0] - 0.008 * unit, at[1]),
            (at[0] + 0.008 * unit, at[1]),
            (at[0] + 0.014 * unit, at[1] + 0.05 * unit),
            (at[0] - 0.014 * unit, at[1] + 0.05 * unit),
        ],
        INK,
    )
