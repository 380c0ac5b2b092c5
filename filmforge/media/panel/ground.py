"""The ground of an open set, and the grass on it."""

import random

from filmforge.media.panel.colour import Colour, mix
from filmforge.media.panel.solids import Painter

SNOW: Colour = (236, 240, 248)


def ground_colour(p: Painter, surface: Colour) -> Colour:
    """The ground, white where it snows."""
    return SNOW if "snow" in p.stage.weather else surface


def ground(p: Painter, surface: Colour) -> None:
    """The ground from the horizon to the camera, clearer the nearer it is."""
    palette, y = p.stage.palette, p.stage.camera.horizon
    colour = ground_colour(p, surface)
    p.canvas.ramp(max(-0.2, y), 1.02, palette.lit(colour, 0.75, 0.55), palette.lit(colour, 0.35))


def tufts(p: Painter, chance: random.Random, surface: Colour = (104, 118, 66)) -> None:
    """Grass near the camera, denser and larger the nearer it is."""
    colour = mix(surface, SNOW, 0.65 if "snow" in p.stage.weather else 0)
    for _ in range(420):
        z = 1.6 + 12 * chance.random() ** 2
        x, y = p.stage.camera.at((chance.uniform(-1, 1) * (0.8 + z), 0, z))
        high = chance.uniform(0.10, 0.32) * p.stage.camera.scale(z) * 0.5
        lean = chance.uniform(-0.4, 0.4) * high
        tone = p.stage.palette.lit(colour, chance.uniform(0.1, 0.9), min(0.5, z / 26))
        p.canvas.shape([(x - high * 0.07, y), (x + lean, y - high), (x + high * 0.07, y)], tone)
