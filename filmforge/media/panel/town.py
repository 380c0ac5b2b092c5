"""Built-up sets: a city street and an alley, lamps, lit windows and wet asphalt."""

import random

from PIL import Image, ImageFilter

from filmforge.media.panel.colour import Colour, mix, scaled
from filmforge.media.panel.ground import ground, ground_colour
from filmforge.media.panel.outline import box, ring
from filmforge.media.panel.sky import sky
from filmforge.media.panel.solids import Painter

FACADES: tuple[Colour, ...] = (
    (150, 112, 94),
    (126, 120, 122),
    (176, 154, 126),
    (110, 92, 88),
    (142, 142, 150),
    (164, 122, 84),
)
NEON: tuple[Colour, ...] = ((255, 80, 110), (80, 220, 230), (255, 180, 70), (190, 110, 255))
LIT_WINDOW: Colour = (255, 206, 128)


def city(p: Painter) -> None:
    """A street between two rows of buildings, running to the vanishing point."""
    _street(p, half=6.2, walk=2.0, storeys=(4, 9), far=62.0)


def alley(p: Painter) -> None:
    """A narrow lane between high walls, cables overhead."""
    _street(p, half=2.1, walk=0.35, storeys=(4, 6), far=26.0)


def _street(p: Painter, half: float, walk: float, storeys: tuple[int, int], far: float) -> None:
    sky(p)
    chance = p.stage.chance("street")
    ground(p, (94, 94, 100))
    _skyline(p, chance)
    z = far
    while z > 0.4:
        length = chance.uniform(4.5, 8.0) * min(1.0, half / 4 + 0.3)
        for side in (-1, 1):
            high = chance.randint(*storeys) * 3.1
            _building(p, side, half, max(0.3, z - length), z, high, chance)
        z -= length
    for side in (-1, 1):
        kerb = [
            (side * half, 0.14, 0.3),
            (side * half, 0.14, far),
            (side * (half - walk), 0.14, far),
            (side * (half - walk), 0.14, 0.3),
        ]
        p.face(kerb, ground_colour(p, (146, 142, 138)), 0.55, 0.06)
    if half > 4:
        _road(p, half - walk, chance)
    _lamps(p, half - walk * 0.6, far)
    _cables(p, half, chance)
    p.canvas.settle()
    if "rain" in p.stage.weather:
        _reflect(p)


def _skyline(p: Painter, chance: random.Random) -> None:
    y, x = p.stage.camera.horizon, -0.05
    while x < p.stage.aspect + 0.05:
        wide = chance.uniform(0.04, 0.10)
        p.canvas.shape(
            box(x, y - chance.uniform(0.05, 0.24), x + wide, y + 0.02),
            p.stage.palette.lit((104, 108, 122), 0.3, chance.uniform(0.55, 0.75)),
        )
        x += wide * chance.uniform(0.7, 1.1)


def _building(
    p: Painter, side: int, half: float, near: float, far: float, high: float, chance: random.Random
) -> None:
    wall, x = chance.choice(FACADES), side * half
    depth = min(0.74, far / 62)
    light = 0.16 if side * p.stage.side > 0 else 0.78
    p.face([(x, 0, near), (x, high, near), (x, high, far), (x, 0, far)], wall, light, depth)
    p.face(
        [(x, 0, near), (x + side * 8, 0, near), (x + side * 8, high, near), (x, high, near)],
        wall,
        0.3,
        depth,
    )
    p.line((x, high, near), (x, high, far), scaled(wall, 1.2), light, 0.25, depth)
    columns = max(1, int((far - near) / 1.9))
    step = (far - near) / columns
    for storey in range(1, int(high / 3.1)):
        for i in range(columns):
            _window(
                p, x, 3.1 * storey + 0.6, near + step * (i + 0.25), step * 0.5, depth, light, chance
            )
    _shop(p, x, near + 0.3, far - 0.3, depth, chance)


def _window(
    p: Painter,
    x: float,
    y: float,
    z: float,
    length: float,
    depth: float,
    light: float,
    chance: random.Random,
) -> None:
    corners = p.stage.camera.face(
        [(x, y, z), (x, y + 1.7, z), (x, y + 1.7, z + length), (x, y, z + length)]
    )
    dark = p.stage.palette.hour.lamps or p.stage.palette.dull > 0
    if dark and chance.random() < (0.42 if p.stage.palette.hour.lamps else 0.2):
        p.canvas.shape(
            corners,
            mix(scaled(LIT_WINDOW, chance.uniform(0.7, 1.0)), p.stage.palette.haze, depth * 0.5),
        )
        return
    glass = mix((44, 52, 66), p.stage.palette.hour.zenith, 0.35 * light)
    p.canvas.shape(corners, mix(glass, p.stage.palette.haze, depth))


def _shop(
    p: Painter, x: float, near: float, far: float, depth: float, chance: random.Random
) -> None:
    corners = p.stage.camera.face([(x, 0.5, near), (x, 2.5, near), (x, 2.5, far), (x, 0.5, far)])
    sign = p.stage.camera.face([(x, 2.6, near), (x, 3.1, near), (x, 3.1, far), (x, 2.6, far)])
    colour = chance.choice(NEON)
    if p.stage.palette.hour.lamps or p.stage.palette.dull:
        _display(
            p,
            x,
            near,
            far,
            mix(mix(LIT_WINDOW, colour, 0.3), p.stage.palette.haze, depth * 0.6),
            chance,
        )
        p.canvas.shape(sign, mix(colour, p.stage.palette.haze, depth * 0.6))
        p.canvas.glow(corners, scaled(mix(LIT_WINDOW, colour, 0.5), 0.42), 0.025)
        return
    p.canvas.shape(corners, mix((52, 58, 68), p.stage.palette.haze, depth))
    p.canvas.shape(sign, p.stage.palette.lit(scaled(colour, 0.75), 0.5, depth))


def _display(
    p: Painter, x: float, near: float, far: float, glow: Colour, chance: random.Random
) -> None:
    """A lit shop window: darker towards its foot, goods as silhouettes, upright bars."""
    face = p.stage.camera.face
    for i in range(4):
        low, high = 0.5 + 0.5 * i, 1.0 + 0.5 * i
        p.canvas.shape(
            face([(x, low, near), (x, high, near), (x, high, far), (x, low, far)]),
            scaled(glow, 0.42 + 0.13 * i),
        )
    z = near + 0.3
    while z < far - 0.3:
        wide, high = chance.uniform(0.2, 0.5), chance.uniform(0.3, 1.1)
        p.canvas.shape(
            face([(x, 0.5, z), (x, 0.5 + high, z), (x, 0.5 + high, z + wide), (x, 0.5, z + wide)]),
            scaled(glow, chance.uniform(0.22, 0.4)),
        )
        z += wide + chance.uniform(0.1, 0.6)
    for i in range(5):
        z = near + (far - near) * i / 4
        p.canvas.stroke(
            face([(x, 0.5, z), (x, 2.5, z)]), (26, 24, 30), 0.06 * p.stage.camera.scale(z)
        )


def _road(p: Painter, half: float, chance: random.Random) -> None:
    z = 2.0
    while z < 44:
        p.face(
            [(-0.08, 0.01, z), (0.08, 0.01, z), (0.08, 0.01, z + 1.6), (-0.08, 0.01, z + 1.6)],
            (214, 206, 186),
            0.6,
            min(0.6, z / 50),
            ink=False,
        )
        z += 4.0
    for i in range(4):
        z = 9 + 8.5 * i + chance.uniform(0, 3)
        _car(p, (half - 1.0) * (1 if i % 2 else -1), z, chance)


def _car(p: Painter, x: float, z: float, chance: random.Random) -> None:
    colour, depth = chance.choice((*FACADES, (150, 44, 40), (48, 76, 104))), min(0.6, z / 50)
    at = p.stage.camera.at((x, 0, z))
    unit = p.stage.camera.scale(z)
    p.canvas.veil(ring((at[0], at[1] - 0.02 * unit), 1.1 * unit, 0.22 * unit), (8, 8, 12), 0.6)
    p.block(x, 0.3, z, (1.75, 0.62, 4.0), colour, depth)
    p.block(x, 0.9, z + 1.0, (1.45, 0.5, 1.9), mix(colour, (40, 46, 56), 0.6), depth)
    for dx in (-0.62, 0.62):
        lamp = (at[0] + dx * unit, at[1] - 0.62 * unit)
        red = x > 0
        tone: Colour = (230, 40, 34) if red else (255, 244, 214)
        p.canvas.disc(lamp, 0.11 * unit, tone)
        if p.stage.palette.hour.lamps or p.stage.palette.dull:
            p.canvas.glow(ring(lamp, 0.34 * unit), scaled(tone, 0.8), 0.14 * unit)
        p.canvas.disc((at[0] + dx * 1.1 * unit, at[1] - 0.2 * unit), 0.24 * unit, (20, 20, 24))


def _lamps(p: Painter, x: float, far: float) -> None:
    z = min(far, 40.0)
    while z > 3.2:
        for side in (-1, 1):
            depth = min(0.7, z / 54)
            p.line((side * x, 0, z), (side * x, 4.6, z), (60, 62, 66), 0.3, 0.10, depth)
            p.line((side * x, 4.6, z), (side * (x - 0.9), 4.75, z), (60, 62, 66), 0.3, 0.08, depth)
            head = p.stage.camera.at((side * (x - 0.9), 4.66, z))
            unit = p.stage.camera.scale(z)
            p.canvas.disc(head, 0.14 * unit, (255, 236, 196))
            if p.stage.palette.hour.lamps:
                p.canvas.glow(ring(head, 0.5 * unit), (255, 206, 140), 0.25 * unit)
                p.canvas.glow(
                    [
                        (head[0], head[1]),
                        (head[0] + 1.7 * unit, head[1] + 4.6 * unit),
                        (head[0] - 1.7 * unit, head[1] + 4.6 * unit),
                    ],
                    (62, 44, 24),
                    0.3 * unit,
                )
        z -= 7.0


def _cables(p: Painter, half: float, chance: random.Random) -> None:
    for _ in range(4):
        z, y = chance.uniform(4, 16), chance.uniform(6, 9) * min(1.0, half / 3)
        points = []
        for i in range(13):
            t = i / 12
            points.append(p.stage.camera.at((half * (2 * t - 1), y - 2.2 * t * (1 - t), z)))
        p.canvas.stroke(points, p.stage.palette.lit((40, 40, 46), 0.2, 0.2), 0.0014)


def _reflect(p: Painter) -> None:
    """Lay the scene upside down over the wet ground, smeared downwards."""
    canvas = p.canvas
    top = round(max(0.02, p.stage.camera.horizon) * canvas.unit)
    deep = canvas.size[1] - top
    high = min(top, deep)
    if high < 8:
        return
    mirror = canvas.image.crop((0, top - high, canvas.size[0], top)).transpose(
        Image.Transpose.FLIP_TOP_BOTTOM
    )
    small = mirror.resize((canvas.size[0] // 4, max(1, high // 24)), Image.Resampling.BOX)
    mirror = small.resize(mirror.size, Image.Resampling.BICUBIC).filter(ImageFilter.BoxBlur(3))
    mask = Image.linear_gradient("L").resize(mirror.size).point([90 + v // 3 for v in range(256)])
    canvas.image.paste(mirror, (0, top), mask)
    canvas.replace(canvas.image)
