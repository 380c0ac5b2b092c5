"""Sets with a roof: attic, room, corridor, hall and cave, built in metres."""

from filmforge.media.panel.camera import Place
from filmforge.media.panel.colour import Colour, mix, scaled
from filmforge.media.panel.outline import blob, box, ring
from filmforge.media.panel.solids import Painter

TIMBER: Colour = (150, 104, 68)
DARK_TIMBER: Colour = (112, 74, 50)
FLOOR: Colour = (164, 120, 82)
BOX_COLOURS: tuple[Colour, ...] = (
    (168, 128, 84),
    (126, 98, 76),
    (142, 74, 58),
    (92, 104, 96),
    (186, 160, 118),
    (84, 78, 92),
)
WALLS: tuple[Colour, ...] = (
    (176, 164, 132),
    (132, 156, 152),
    (186, 140, 116),
    (150, 152, 176),
    (160, 168, 128),
)


def far_wall(p: Painter, usual: float) -> float:
    """How far away the end wall is: just behind a subject who stands at its window."""
    return p.stage.camera.distance + 0.9 if p.stage.pose == "window" else usual


def planks(p: Painter, half: float, far: float, surface: Colour, board: float = 0.3) -> None:
    """A board floor running away from the camera."""
    chance = p.stage.chance("planks")
    x = -half
    while x < half:
        tone = scaled(surface, chance.uniform(0.86, 1.1))
        right = min(half, x + board)
        p.face([(x, 0, 0.2), (right, 0, 0.2), (right, 0, far), (x, 0, far)], tone, 0.42)
        x += board


def room(p: Painter) -> None:
    """A lived-in room: papered walls, a tall window, pictures, a lamp, a table, a rug."""
    half, top, far = 2.9, 2.75, far_wall(p, 5.6)
    chance = p.stage.chance("room")
    wall = chance.choice(WALLS)
    planks(p, half, far, FLOOR, 0.22)
    _walls(p, half, top, far, wall)
    x = 0.1 if p.stage.pose == "window" else p.stage.side * chance.uniform(0.6, 1.2)
    panes: list[Place] = [
        (x - 0.6, 2.25, far),
        (x + 0.6, 2.25, far),
        (x + 0.6, 0.8, far),
        (x - 0.6, 0.8, far),
    ]
    p.opening(panes, (226, 214, 194), (2, 3))
    p.sunbeam(panes, (-p.stage.side * 0.45, -0.72, -1.0))
    for edge in (-1, 1):
        p.face(
            [
                (x + edge * 0.98, 2.42, far - 0.05),
                (x + edge * 0.52, 2.42, far - 0.05),
                (x + edge * 0.72, 0.1, far - 0.05),
                (x + edge * 1.04, 0.1, far - 0.05),
            ],
            chance.choice(BOX_COLOURS),
            0.42,
            0.05,
        )
    _pictures(p, -p.stage.side, far)
    _shelves(p, -p.stage.side * (half - 0.2), far)
    _table(p, -p.stage.side * 1.3, far - 1.4)


def _walls(p: Painter, half: float, top: float, far: float, wall: Colour) -> None:
    p.face(
        [(-half, top, 0.2), (half, top, 0.2), (half, top, far), (-half, top, far)],
        (216, 206, 190),
        0.12,
    )
    p.face([(-half, 0, far), (half, 0, far), (half, top, far), (-half, top, far)], wall, 0.28, 0.06)
    for side in (-1, 1):
        x = side * half
        p.face(
            [(x, 0, 0.2), (x, top, 0.2), (x, top, far), (x, 0, far)],
            wall,
            0.14 if side * p.stage.side > 0 else 0.46,
        )
        p.line((x, 0.08, 0.3), (x, 0.08, far), (220, 210, 190), 0.3, 0.08)
    p.line((-half, 0.08, far), (half, 0.08, far), (220, 210, 190), 0.3, 0.14)


def _pictures(p: Painter, side: float, far: float) -> None:
    chance = p.stage.chance("pictures")
    for i in range(3):
        x, y = side * (0.55 + 0.75 * i), 1.55 + chance.uniform(-0.12, 0.22)
        w, h = chance.uniform(0.18, 0.3), chance.uniform(0.18, 0.3)
        p.face(
            [
                (x - w, y + h, far - 0.02),
                (x + w, y + h, far - 0.02),
                (x + w, y - h, far - 0.02),
                (x - w, y - h, far - 0.02),
            ],
            DARK_TIMBER,
            0.5,
        )
        p.face(
            [
                (x - w + 0.05, y + h - 0.05, far - 0.03),
                (x + w - 0.05, y + h - 0.05, far - 0.03),
                (x + w - 0.05, y - h + 0.05, far - 0.03),
                (x - w + 0.05, y - h + 0.05, far - 0.03),
            ],
            chance.choice(WALLS),
            0.5,
        )


def _shelves(p: Painter, x: float, far: float) -> None:
    chance = p.stage.chance("books")
    p.block(x, 0, far - 2.0, (0.5, 2.1, 1.4), DARK_TIMBER, 0.05)
    inner = x - 0.26 if x > 0 else x + 0.26
    for shelf in range(5):
        z, y = far - 1.92, 0.12 + 0.4 * shelf
        while z < far - 0.75:
            thick, high = chance.uniform(0.04, 0.1), chance.uniform(0.2, 0.32)
            p.face(
                [
                    (inner, y, z),
                    (inner, y + high, z),
                    (inner, y + high, z + thick),
                    (inner, y, z + thick),
                ],
                chance.choice(BOX_COLOURS),
                0.4,
                0.04,
            )
            z += thick


def _table(p: Painter, x: float, z: float) -> None:
    for dx in (-0.5, 0.5):
        p.line((x + dx, 0, z), (x + dx, 0.72, z), DARK_TIMBER, 0.3, 0.06)
    p.block(x, 0.70, z, (1.25, 0.06, 0.7), TIMBER)
    p.line((x, 0.76, z + 0.3), (x, 1.06, z + 0.3), (210, 180, 120), 0.5, 0.04)
    shade: list[Place] = [
        (x - 0.11, 1.32, z + 0.3),
        (x + 0.11, 1.32, z + 0.3),
        (x + 0.2, 1.04, z + 0.3),
        (x - 0.2, 1.04, z + 0.3),
    ]
    p.face(shade, (236, 206, 150), 0.7)
    if p.stage.palette.hour.lamps:
        lamp(p, (x, 1.15, z + 0.3), 0.5)


def lamp(p: Painter, place: Place, metres: float) -> None:
    """The warm glow of a lamp."""
    x, y = p.stage.camera.at(place)
    r = metres * p.stage.camera.scale(place[2])
    p.canvas.glow(ring((x, y), r * 0.3), (255, 196, 110), r * 0.12)
    p.canvas.glow(ring((x, y), r * 1.5), (120, 74, 30), r * 0.7)


def corridor(p: Painter) -> None:
    """A long passage: doors on both sides, lamps along the ceiling, light at the end."""
    half, top, far = 1.35, 2.7, far_wall(p, 15.0)
    wall = p.stage.chance("corridor").choice(WALLS)
    planks(p, half, far, (128, 112, 104), 0.45)
    _walls(p, half, top, far, wall)
    end: list[Place] = [(-0.6, 2.2, far), (0.6, 2.2, far), (0.6, 0.05, far), (-0.6, 0.05, far)]
    p.opening(end, (210, 200, 180), (2, 4))
    p.sunbeam(end, (0.0, -0.5, -1.0), 0.9)
    z = far - 1.5
    while z > 1.2:
        for side in (-1, 1):
            x = side * (half - 0.02)
            p.face(
                [(x, 0, z), (x, 2.1, z), (x, 2.1, z + 0.95), (x, 0, z + 0.95)],
                DARK_TIMBER,
                0.2 if side * p.stage.side > 0 else 0.5,
                0.4 * z / far,
            )
        p.face(
            [
                (-0.25, top - 0.02, z),
                (0.25, top - 0.02, z),
                (0.25, top - 0.02, z + 0.5),
                (-0.25, top - 0.02, z + 0.5),
            ],
            (255, 244, 214),
            1.0,
        )
        lamp(p, (0, top, z), 0.5)
        z -= 2.4


def hall(p: Painter) -> None:
    """A great hall: columns in two rows, tall windows, light falling across the nave."""
    half, top, far = 5.2, 8.0, far_wall(p, 22.0)
    stone: Colour = (168, 160, 148)
    planks(p, half, far, (142, 134, 126), 1.3)
    _walls(p, half, top, far, stone)
    rose: list[Place] = [(-1.4, 6.2, far), (1.4, 6.2, far), (1.4, 1.6, far), (-1.4, 1.6, far)]
    p.opening(rose, stone, (3, 5))
    z = far - 2.0
    while z > 2.0:
        depth = 0.45 * z / far
        x = p.stage.side * half
        tall: list[Place] = [
            (x, 6.4, z + 0.4),
            (x, 6.4, z + 1.6),
            (x, 2.2, z + 1.6),
            (x, 2.2, z + 0.4),
        ]
        p.opening(tall, stone, (2, 5))
        p.sunbeam(tall, (-p.stage.side * 0.95, -1.0, -0.15), 0.7)
        for side in (-1, 1):
            p.block(side * 3.3, 0, z - 0.8, (0.75, top, 0.7), stone, depth)
        z -= 3.2


def cave(p: Painter) -> None:
    """A cave: rock walls closing in, hanging stone, daylight far away."""
    chance, aspect = p.stage.chance("cave"), p.stage.aspect
    palette, canvas = p.stage.palette, p.canvas
    x, y = p.stage.camera.centre, p.stage.camera.horizon
    canvas.ramp(0, 1, scaled(palette.hour.ambient, 0.5), scaled(palette.hour.ambient, 0.6))
    canvas.shape(blob((x, y), 0.2, 0.24, chance), mix(palette.hour.horizon, palette.hour.key, 0.5))
    canvas.glow(blob((x, y), 0.2, 0.24, chance), palette.hour.key, 0.09)
    rock: Colour = (122, 108, 104)
    for layer in range(6):
        t = layer / 5
        reach = 0.22 + 0.75 * t
        tone = palette.lit(rock, 0.35 - 0.3 * t, 0.5 * (1 - t))
        hole = blob((x, y + 0.02), reach * max(0.8, aspect * 0.62), reach * 0.78, chance, 15, 0.2)
        frame = [(-1.0, -1.0), (aspect + 1, -1.0), (aspect + 1, 2.0), (-1.0, 2.0), (-1.0, -1.0)]
        canvas.shape([*frame, *hole, hole[0], (-1.0, -1.0)], tone)
        canvas.stroke([*hole, hole[0]], scaled(tone, 0.5), 0.002 + 0.002 * t)
    canvas.veil(box(0, min(0.95, y + 0.3), aspect, 1.2), palette.lit(rock, 0.2), 0.6, 0.06)
