"""A doorway around somebody who opens it."""

from filmforge.media.panel.colour import Colour, scaled
from filmforge.media.panel.solids import Painter

WALL: Colour = (150, 118, 88)
POST: Colour = (118, 82, 56)
TOP = 2.06


def doorway(p: Painter, x: float, z: float, facing: float) -> None:
    """A doorway around the person, its leaf swung open under their hand, light behind."""
    hinge, edge = x + facing * 1.02, x - facing * 0.46
    left, right, back = min(hinge, edge), max(hinge, edge), z + 0.25
    opening = [(left, 0.0, back), (right, 0.0, back), (right, TOP, back), (left, TOP, back)]
    _wall(p, left, right, back)
    p.canvas.glow(p.stage.camera.face(opening), scaled(p.stage.palette.hour.key, 0.34), 0.05)
    p.canvas.settle()
    near = back - 0.02
    for a in (left, right):
        p.face(
            [
                (a - 0.07, 0, near),
                (a + 0.07, 0, near),
                (a + 0.07, TOP + 0.1, near),
                (a - 0.07, TOP + 0.1, near),
            ],
            POST,
            0.45,
        )
    p.face(
        [
            (left - 0.07, TOP, near),
            (right + 0.07, TOP, near),
            (right + 0.07, TOP + 0.13, near),
            (left - 0.07, TOP + 0.13, near),
        ],
        POST,
        0.4,
    )
    _leaf(p, hinge, x + facing * 0.56, back, z - 0.12, TOP)


def _wall(p: Painter, left: float, right: float, z: float) -> None:
    for a, b in ((left - 6, left), (right, right + 6)):
        p.face([(a, -1, z), (b, -1, z), (b, 4, z), (a, 4, z)], WALL, 0.22, ink=False)
        for i in range(20):
            board = a + 0.3 * i
            p.line((board, 4, z), (board, -1, z), scaled(WALL, 0.6), 0.15, 0.012)
    p.face([(left, TOP, z), (right, TOP, z), (right, 4, z), (left, 4, z)], WALL, 0.2, ink=False)


def _leaf(p: Painter, hinge: float, edge: float, back: float, front: float, top: float) -> None:
    boards = 5
    for i in range(boards):
        a, b = i / boards, (i + 1) / boards
        xa, xb = hinge + (edge - hinge) * a, hinge + (edge - hinge) * b
        za, zb = back + (front - back) * a, back + (front - back) * b
        p.face(
            [(xa, 0, za), (xb, 0, zb), (xb, top, zb), (xa, top, za)],
            scaled((138, 92, 60), 0.9 + 0.07 * (i % 2)),
            0.36,
        )
    for y in (0.35, 1.7):
        p.face(
            [
                (hinge, y, back - 0.02),
                (edge, y, front - 0.02),
                (edge, y + 0.14, front - 0.02),
                (hinge, y + 0.14, back - 0.02),
            ],
            (104, 68, 46),
            0.4,
        )
    at = p.stage.camera.at((edge + (hinge - edge) * 0.10, 1.10, front - 0.03))
    p.canvas.disc(at, 0.024 * p.stage.camera.scale(front), p.stage.palette.lit((186, 150, 92), 0.5))
