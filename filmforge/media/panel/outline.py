"""Smooth outlines: splines, limbs, rings and the slightly uneven lines of a hand."""

import math
import random
from collections.abc import Sequence
from itertools import pairwise

from filmforge.media.panel.canvas import Point


def smooth(points: Sequence[Point], closed: bool = True, steps: int = 8) -> list[Point]:
    """A Catmull-Rom curve through the points."""
    count = len(points)
    if count < 3:
        return list(points)
    curve: list[Point] = []
    for i in range(count if closed else count - 1):
        if closed:
            a, b, c, d = (points[(i + k) % count] for k in (-1, 0, 1, 2))
        else:
            a, b, c, d = (points[min(count - 1, max(0, i + k))] for k in (-1, 0, 1, 2))
        curve.extend(_between(a, b, c, d, step / steps) for step in range(steps))
    return curve if closed else [*curve, points[-1]]


def _between(a: Point, b: Point, c: Point, d: Point, t: float) -> Point:
    def along(p: float, q: float, r: float, s: float) -> float:
        return q + t * ((r - p) + t * ((2 * p - 5 * q + 4 * r - s) + t * (3 * (q - r) + s - p))) / 2

    return along(a[0], b[0], c[0], d[0]), along(a[1], b[1], c[1], d[1])


def limb(spine: Sequence[tuple[float, float, float]]) -> list[Point]:
    """The outline around a spine of (x, y, half width), rounded at both ends."""
    axis = smooth([(x, y) for x, y, _ in spine], closed=False, steps=5)
    widths = smooth([(i, w) for i, (_, _, w) in enumerate(spine)], closed=False, steps=5)
    left: list[Point] = []
    right: list[Point] = []
    for i, (x, y) in enumerate(axis):
        x0, y0 = axis[max(0, i - 1)]
        x1, y1 = axis[min(len(axis) - 1, i + 1)]
        length = math.hypot(x1 - x0, y1 - y0) or 1.0
        nx, ny = -(y1 - y0) / length, (x1 - x0) / length
        w = widths[min(i, len(widths) - 1)][1]
        left.append((x + nx * w, y + ny * w))
        right.append((x - nx * w, y - ny * w))
    last = len(axis) - 1
    return [
        *left,
        *_cap(axis[last], axis[max(0, last - 1)], left[-1]),
        *right[::-1],
        *_cap(axis[0], axis[min(1, last)], right[0]),
    ]


def _cap(end: Point, before: Point, edge: Point) -> list[Point]:
    """Half a circle around the end of a limb, from `edge` to the point opposite."""
    x, y = edge[0] - end[0], edge[1] - end[1]
    ahead = (end[0] - before[0]) * -y + (end[1] - before[1]) * x
    way = math.copysign(1.0, ahead) if ahead else 1.0
    turns = (way * math.pi * i / 6 for i in range(1, 6))
    return [
        (end[0] + x * math.cos(t) - y * math.sin(t), end[1] + x * math.sin(t) + y * math.cos(t))
        for t in turns
    ]


def ring(centre: Point, rx: float, ry: float | None = None, steps: int = 28) -> list[Point]:
    """An ellipse."""
    ry = rx if ry is None else ry
    turns = (2 * math.pi * i / steps for i in range(steps))
    return [(centre[0] + rx * math.cos(t), centre[1] + ry * math.sin(t)) for t in turns]


def box(x0: float, y0: float, x1: float, y1: float) -> list[Point]:
    """An upright rectangle."""
    return [(x0, y0), (x1, y0), (x1, y1), (x0, y1)]


def blob(
    centre: Point, rx: float, ry: float, chance: random.Random, lumps: int = 9, rough: float = 0.25
) -> list[Point]:
    """A lumpy closed outline: a bush, a cloud, a stone."""
    points = []
    for i in range(lumps):
        t = 2 * math.pi * i / lumps
        r = 1 + chance.uniform(-rough, rough)
        points.append((centre[0] + rx * r * math.cos(t), centre[1] + ry * r * math.sin(t)))
    return smooth(points, steps=5)


def ridge(
    x0: float, x1: float, height: float, chance: random.Random, depth: int = 6, rough: float = 0.55
) -> list[Point]:
    """A broken line by midpoint displacement: (x, offset) from x0 to x1, offsets within height."""
    values = [chance.uniform(-1, 1) * height for _ in range(4)]
    spread = height
    for _ in range(depth):
        spread *= rough
        middle: list[float] = []
        for a, b in pairwise(values):
            middle += [a, (a + b) / 2 + chance.uniform(-spread, spread)]
        values = [*middle, values[-1]]
    return [(x0 + (x1 - x0) * i / (len(values) - 1), v) for i, v in enumerate(values)]


def hull(points: Sequence[Point]) -> list[Point]:
    """The convex hull (Andrew's monotone chain)."""

    def half(ordered: list[Point]) -> list[Point]:
        chain: list[Point] = []
        for p in ordered:
            while len(chain) > 1 and _turn(chain[-2], chain[-1], p) <= 0:
                chain.pop()
            chain.append(p)
        return chain[:-1]

    ordered = sorted(set(points))
    return half(ordered) + half(ordered[::-1])


def _turn(a: Point, b: Point, c: Point) -> float:
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
