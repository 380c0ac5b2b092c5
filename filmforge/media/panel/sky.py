"""The sky: gradient, sun or moon, stars and clouds lit from one side."""

import random

from filmforge.media.panel.canvas import Canvas
from filmforge.media.panel.colour import Colour, mix, scaled
from filmforge.media.panel.outline import blob, ring
from filmforge.media.panel.solids import Painter


def sky(p: Painter) -> None:
    """Everything above the horizon."""
    palette, canvas = p.stage.palette, p.canvas
    y = max(0.05, p.stage.camera.horizon)
    middle = mix(palette.hour.zenith, palette.hour.horizon, 0.42)
    canvas.ramp(-0.1, y * 0.55, palette.hour.zenith, middle)
    canvas.ramp(y * 0.55, y + 0.05, middle, palette.hour.horizon)
    chance = p.stage.chance("sky")
    if p.stage.hour == "night" and not palette.dull:
        _stars(canvas, y, p.stage.aspect, chance)
    if not palette.dull:
        _sun(p, y)
    _clouds(p, y, chance)
    canvas.settle()


def _stars(canvas: Canvas, y: float, aspect: float, chance: random.Random) -> None:
    for _ in range(220):
        at = (chance.uniform(0, aspect), y * chance.random() ** 1.3)
        tone = scaled((226, 232, 255), chance.uniform(0.35, 1.0))
        canvas.disc(at, 0.0006 + 0.0016 * chance.random() ** 4, tone)


def _sun(p: Painter, horizon: float) -> None:
    hour, canvas = p.stage.palette.hour, p.canvas
    at = (
        p.stage.aspect * (0.5 + 0.22 * p.stage.side),
        max(0.10, horizon - max(0.02, hour.elevation)),
    )
    night = p.stage.hour == "night"
    r = 0.035 if night else 0.042
    canvas.glow(ring(at, r * 7), scaled(hour.key, 0.22), 0.12)
    canvas.glow(ring(at, r * 2.4), scaled(hour.key, 0.35), 0.035)
    canvas.disc(at, r, mix(hour.key, (255, 255, 255), 0.55))
    if night:
        canvas.disc((at[0] - 0.008, at[1] - 0.006), r * 0.22, mix(hour.key, (150, 160, 190), 0.5))
        canvas.disc((at[0] + 0.010, at[1] + 0.010), r * 0.16, mix(hour.key, (150, 160, 190), 0.4))


def _clouds(p: Painter, horizon: float, chance: random.Random) -> None:
    count = 15 if p.stage.palette.dull else chance.randint(4, 8)
    for _ in range(count):
        t = chance.random()
        at = (chance.uniform(-0.1, p.stage.aspect + 0.1), horizon * (0.08 + 0.78 * t))
        _cloud(p, at[0], at[1], (0.05 + 0.20 * (1 - t)) * chance.uniform(0.6, 1.3), t, chance)


def _cloud(
    p: Painter, x: float, y: float, size: float, depth: float, chance: random.Random
) -> None:
    hour = p.stage.palette.hour
    body: Colour = mix(mix(hour.ambient, hour.zenith, 0.35), hour.horizon, 0.25 + 0.4 * depth)
    lit = mix(mix((255, 252, 246), hour.key, 0.6), hour.horizon, 0.4 * depth)
    if p.stage.hour == "night":
        lit = mix(body, hour.key, 0.3)
    alpha = 0.5
    for _ in range(7):
        dx, dy = chance.gauss(0, 0.8) * size, chance.gauss(0, 0.10) * size
        r = size * chance.uniform(0.25, 0.5)
        p.canvas.veil(blob((x + dx, y + dy), r * 1.7, r * 0.42, chance), body, alpha, 0.008)
        p.canvas.veil(
            blob((x + dx + p.stage.side * r * 0.3, y + dy - r * 0.16), r * 1.35, r * 0.26, chance),
            lit,
            alpha,
            0.010,
        )
