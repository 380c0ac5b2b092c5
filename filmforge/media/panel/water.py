"""The sea: water, light on it, and a beach where somebody stands."""

import random

from filmforge.media.panel.colour import Colour, mix
from filmforge.media.panel.outline import ridge
from filmforge.media.panel.sky import sky
from filmforge.media.panel.solids import Painter


def sea(p: Painter) -> None:
    """Open water with the light running down it, a far headland, surf on a beach."""
    sky(p)
    palette, chance, aspect = p.stage.palette, p.stage.chance("sea"), p.stage.aspect
    y = max(0.02, p.stage.camera.horizon)
    water: Colour = (62, 104, 124)
    p.canvas.ramp(
        y,
        1.02,
        mix(palette.hour.horizon, palette.lit(water, 0.6), 0.45),
        mix(palette.hour.zenith, palette.lit(water, 0.3), 0.65),
    )
    x0 = aspect * (0.82 if p.stage.side > 0 else 0.05)
    line = [(x0 + x, y - abs(h)) for x, h in ridge(-0.25, 0.3, 0.05, chance)]
    p.canvas.shape([*line, (x0 + 0.34, y), (x0 - 0.3, y)], palette.lit((74, 84, 84), 0.3, 0.5))
    sun = sun_x(p)
    for i in range(420):
        t = chance.random() ** 1.7
        wy, wide = y + 0.004 + (1 - y) * t, 0.012 + 0.16 * t * chance.random()
        near = chance.gauss(0, 0.06 + 0.16 * t)
        glint = i % 3 == 0
        x = sun + near if glint else chance.uniform(-0.1, aspect + 0.1)
        tone = palette.hour.key if glint else palette.lit(water, chance.uniform(0.05, 0.9), 0.15)
        wide *= 0.55 if glint else 1.0
        high = 0.001 + 0.007 * t
        p.canvas.veil(
            [(x - wide, wy), (x, wy - high), (x + wide, wy), (x, wy + high)],
            tone,
            0.75 if glint else 0.4,
        )
    _beach(p, chance)


def sun_x(p: Painter) -> float:
    """Where the sun or moon stands across the frame."""
    return p.stage.aspect * (0.5 + 0.22 * p.stage.side)


def _beach(p: Painter, chance: random.Random) -> None:
    if not ({"beach", "coast", "shore", "harbor", "harbour", "pier"} & _said(p)) and not (
        p.stage.people
    ):
        return
    near = p.stage.camera.at((0, 0, p.stage.camera.distance + 0.8))[1]
    edge = [
        (x, min(0.97, near) + h * 0.5)
        for x, h in ridge(-0.1, p.stage.aspect + 0.1, 0.02, chance, 5, 0.5)
    ]
    foot = [(p.stage.aspect + 0.1, 1.1), (-0.1, 1.1)]
    wet = p.stage.palette.lit((172, 146, 116), 0.45)
    p.canvas.shape([*edge, *foot], mix(wet, p.stage.palette.hour.horizon, 0.3))
    p.canvas.shape(
        [*[(x, y + 0.035) for x, y in edge], *foot], p.stage.palette.lit((214, 184, 140), 0.6)
    )
    p.canvas.stroke(edge, p.stage.palette.lit((250, 250, 250), 0.9), 0.006)


def _said(p: Painter) -> set[str]:
    brief = p.stage.brief
    return set(f"{brief.prompt} {' '.join(brief.landscapes)}".lower().split())
