"""The attic: boards, rafters, a gable window, a skylight, and what a family forgot."""

from filmforge.media.panel.camera import Place
from filmforge.media.panel.canvas import Point
from filmforge.media.panel.colour import scaled
from filmforge.media.panel.interiors import (
    BOX_COLOURS,
    DARK_TIMBER,
    FLOOR,
    TIMBER,
    far_wall,
    planks,
)
from filmforge.media.panel.solids import Painter


def attic(p: Painter) -> None:
    """Under the roof: boards, rafters, a gable window, a skylight, and what a family forgot."""
    half, knee, top, far = 3.1, 0.75, 3.3, far_wall(p, 8.4)
    planks(p, half, far, FLOOR)
    for side in (-1, 1):
        _slope(p, side * half, knee, top, far)
    _gable(p, half, knee, top, far)
    z = far - 0.2
    while z > 0.9:
        _truss(p, half, knee, top, z, depth=0.28 * z / far)
        z -= 1.25
    _clutter(p, half - 0.55, far)
    _skylight(p, far)


def _slope(p: Painter, half: float, knee: float, top: float, far: float) -> None:
    light = 0.30 if half * p.stage.side > 0 else 0.52
    p.face(
        [(half, 0, 0.2), (half, knee, 0.2), (half, knee, far), (half, 0, far)],
        DARK_TIMBER,
        light - 0.1,
        0.08,
    )
    rows = 8
    for i in range(rows):
        a, b = i / rows, (i + 1) / rows
        lower = (half * (1 - a), knee + (top - knee) * a)
        upper = (half * (1 - b), knee + (top - knee) * b)
        tone = scaled(TIMBER, 0.78 + 0.05 * ((i * 7) % 3))
        p.face(
            [(*lower, 0.2), (*upper, 0.2), (*upper, far), (*lower, far)],
            tone,
            light - 0.02 * i,
            0.05,
        )


def _gable(p: Painter, half: float, knee: float, top: float, far: float) -> None:
    p.face(
        [(-half, 0, far), (-half, knee, far), (0, top, far), (half, knee, far), (half, 0, far)],
        TIMBER,
        0.20,
        0.16,
    )
    x = -half + 0.25
    while x < half:
        roof = knee + (top - knee) * (1 - abs(x) / half)
        p.line((x, 0, far), (x, roof, far), DARK_TIMBER, 0.1, 0.02, 0.1)
        x += 0.32
    at_window = p.stage.pose == "window"
    x, w, low, high = (0.0, 0.95, 0.45, 2.25) if at_window else (0.0, 0.52, 1.05, 2.2)
    panes: list[Place] = [
        (x - w, high, far),
        (x + w, high, far),
        (x + w, low, far),
        (x - w, low, far),
    ]
    p.opening(panes, (196, 172, 138), (2, 3))
    p.sunbeam(panes, (-p.stage.side * 0.35, -0.62, -1.0), 0.75)


def _truss(p: Painter, half: float, knee: float, top: float, z: float, depth: float) -> None:
    for side in (-1, 1):
        light = 0.22 if side * p.stage.side > 0 else 0.62
        rafter = ((side * half, knee), (0.0, top))
        _timber(p, rafter, 0.24, z, light, depth)
        outer, inner = side * (half - 0.02), side * (half - 0.2)
        p.face(
            [(outer, 0, z), (inner, 0, z), (inner, knee, z), (outer, knee, z)],
            DARK_TIMBER,
            light,
            depth,
        )
    y = 2.42
    reach = half * (top - y) / (top - knee)
    _timber(p, ((-reach, y), (reach, y)), 0.18, z, 0.36, depth)
    p.face(
        [(-0.08, top - 0.2, z), (0.08, top - 0.2, z), (0.08, y, z), (-0.08, y, z)],
        DARK_TIMBER,
        0.34,
        depth,
    )


def _timber(
    p: Painter, ends: tuple[Point, Point], thick: float, z: float, light: float, depth: float
) -> None:
    """A beam across the room: its near side and the shaded side underneath."""
    (x0, y0), (x1, y1) = ends
    low0, low1 = y0 - thick, y1 - thick
    p.face([(x0, y0, z), (x1, y1, z), (x1, low1, z), (x0, low0, z)], DARK_TIMBER, light, depth)
    p.face(
        [(x0, low0, z), (x1, low1, z), (x1, low1, z + 0.14), (x0, low0, z + 0.14)],
        DARK_TIMBER,
        light * 0.35,
        depth,
    )


def _clutter(p: Painter, half: float, far: float) -> None:
    chance = p.stage.chance("clutter")
    things = []
    for _ in range(13):
        side = chance.choice((-1, 1))
        things.append((side * chance.uniform(half - 0.85, half), chance.uniform(1.6, far - 0.7)))
    for x, z in sorted(things, key=lambda t: -t[1]):
        w, h = chance.uniform(0.4, 0.8), chance.uniform(0.28, 0.6)
        colour = chance.choice(BOX_COLOURS)
        depth = 0.3 * z / max(4.0, far)
        _footprint(p, x, z, w)
        p.block(x, 0, z, (w, h, 0.45), colour, depth)
        if chance.random() < 0.55:
            p.block(
                x + chance.uniform(-0.1, 0.1),
                h,
                z + 0.05,
                (w * 0.7, h * 0.6, 0.34),
                chance.choice(BOX_COLOURS),
                depth,
            )


def _footprint(p: Painter, x: float, z: float, width: float) -> None:
    outline = p.stage.camera.face(
        [
            (x - width * 0.7, 0, z - 0.25),
            (x + width * 0.7, 0, z - 0.25),
            (x + width * 0.8, 0, z + 0.6),
            (x - width * 0.8, 0, z + 0.6),
        ]
    )
    p.canvas.veil(outline, (20, 12, 14), 0.5, 0.014)


def _skylight(p: Painter, far: float) -> None:
    side = p.stage.side
    z = min(far - 1.2, p.stage.camera.distance + 0.3)
    corners: list[Place] = []
    for x, dz in ((1.15, 1.3), (1.15, 0.0), (2.15, 0.0), (2.15, 1.3)):
        corners.append((side * x, 0.75 + 2.55 * (1 - x / 3.1), z + dz))
    p.opening(corners, TIMBER, (2, 2))
    p.sunbeam(corners, (-side * 0.75, -1.0, -0.12))
