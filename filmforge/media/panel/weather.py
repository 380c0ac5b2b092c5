"""What hangs or falls in the air between the camera and the set."""

import math

from filmforge.media.panel.colour import mix
from filmforge.media.panel.outline import box
from filmforge.media.panel.solids import Painter


def air(p: Painter) -> None:
    """Rain, snow, fog or dust, as the words ask; dust in every beam indoors."""
    if "fog" in p.stage.weather:
        _fog(p)
    if p.stage.indoors:
        if p.stage.framing != "insert" or "dust" in p.stage.weather:
            _motes(p)
        return
    if "rain" in p.stage.weather:
        _rain(p)
    elif "snow" in p.stage.weather:
        _snow(p)
    elif "dust" in p.stage.weather:
        _motes(p)


def _fog(p: Painter) -> None:
    chance, y = p.stage.chance("fog"), p.stage.camera.horizon
    haze = mix(p.stage.palette.haze, p.stage.palette.hour.key, 0.2)
    for i in range(5):
        at = y - 0.12 + 0.13 * i + chance.uniform(-0.03, 0.03)
        p.canvas.veil(box(-0.1, at, p.stage.aspect + 0.1, at + 0.10), haze, 0.34, 0.08)


def _motes(p: Painter) -> None:
    chance, key = p.stage.chance("motes"), p.stage.palette.hour.key
    lively = 0.35 if p.stage.hour == "night" else 1.0
    for _ in range(150):
        x, y = chance.uniform(0, p.stage.aspect), chance.uniform(0.02, 0.98)
        r = 0.0008 + 0.0026 * chance.random() ** 4
        points = [(x - r, y), (x, y - r), (x + r, y), (x, y + r)]
        p.canvas.veil(
            points,
            mix(key, (255, 255, 255), 0.3),
            lively * chance.uniform(0.5, 1.0) * _brightness(p, x, y),
            0.0012,
        )


def _brightness(p: Painter, x: float, y: float) -> float:
    """How bright the picture is there: dust shows where light falls."""
    image = p.canvas.image
    at = (
        min(image.width - 1, int(x * p.canvas.unit)),
        min(image.height - 1, int(y * p.canvas.unit)),
    )
    found = image.getpixel(at)
    return min(1.0, sum(found) / 420) ** 1.6 if isinstance(found, tuple) else 1.0


def _rain(p: Painter) -> None:
    chance = p.stage.chance("rain")
    slant = 0.16 * p.stage.side
    tone = mix(p.stage.palette.haze, (220, 228, 240), 0.55)
    dark = mix(p.stage.palette.haze, (220, 228, 240), 0.25)
    for i in range(420):
        x, y = chance.uniform(-0.1, p.stage.aspect + 0.1), chance.uniform(-0.1, 1.0)
        length = chance.uniform(0.02, 0.075)
        p.canvas.stroke(
            [(x, y), (x - slant * length, y + length)],
            tone if i % 4 == 0 else dark,
            0.0007 if i % 4 else 0.0012,
        )
    y0 = p.stage.camera.horizon
    for _ in range(70):
        t = chance.random()
        x, y = chance.uniform(0, p.stage.aspect), y0 + 0.08 + (0.92 - y0) * t
        r = 0.004 + 0.016 * t
        p.canvas.stroke(
            [(x + r * math.cos(a / 3), y + r * 0.3 * math.sin(a / 3)) for a in range(20)],
            tone,
            0.0009,
        )


def _snow(p: Painter) -> None:
    chance = p.stage.chance("snow")
    for _ in range(460):
        r = 0.0012 + 0.0065 * chance.random() ** 5
        at = (chance.uniform(0, p.stage.aspect), chance.random())
        p.canvas.disc(at, r, mix(p.stage.palette.haze, (255, 255, 255), chance.uniform(0.5, 1.0)))
