"""A head: hair behind, face, features with an expression, hair in front."""

from filmforge.media.panel.canvas import Point
from filmforge.media.panel.colour import INK, Colour, mix, scaled
from filmforge.media.panel.hair import fringe, from_behind
from filmforge.media.panel.head import Head
from filmforge.media.panel.outline import limb, ring, smooth


def draw_head(head: Head, away: bool = False) -> None:
    """A whole head, seen from behind where `away`."""
    if away:
        from_behind(head)
        return
    _face(head)
    if head.size > 0.035:
        _features(head)
    fringe(head)


def _face(head: Head) -> None:
    t = head.turn * 0.07
    wide, jaw = (0.375, 0.30) if head.look.masculine else (0.365, 0.245)
    ear = -0.37 if head.turn > 0 else 0.37
    head.draw(ring((ear - t, -0.06), 0.048, 0.095), head.skin(0.42), False, True)
    head.draw(
        [
            (0, 0.5),
            (0.25, 0.43),
            (wide, 0.16),
            (wide - 0.01 + t * 0.4, -0.10),
            (jaw + t, -0.33),
            (0.10 + t * 1.7, -0.485),
            (-0.10 + t * 1.7, -0.485),
            (-jaw + t, -0.33),
            (-wide + 0.01 + t * 0.4, -0.10),
            (-wide, 0.16),
            (-0.25, 0.43),
        ],
        head.skin(0.85),
        ink=True,
    )
    if head.size > 0.03:
        _shaded_cheek(head, wide, jaw, t)
    if head.look.beard:
        _beard(head, wide, jaw, t)


def _shaded_cheek(head: Head, wide: float, jaw: float, t: float) -> None:
    side = -head.palette.side
    head.draw(
        [
            (side * 0.05 + t, 0.47),
            (side * 0.25, 0.42),
            (side * wide, 0.15),
            (side * (wide - 0.012) + t * 0.4, -0.10),
            (side * jaw + t, -0.33),
            (side * 0.09 + t * 1.7, -0.475),
            (side * 0.05 + t * 1.4, -0.40),
            (side * 0.17 + t, -0.26),
            (side * 0.13 + t, -0.05),
            (side * 0.19 + t, 0.12),
        ],
        head.skin(0.46),
    )


def _beard(head: Head, wide: float, jaw: float, t: float) -> None:
    head.draw(
        [
            (-wide + t * 0.4, -0.12),
            (-jaw + t - 0.02, -0.36),
            (-0.1 + t * 1.7, -0.53),
            (0.1 + t * 1.7, -0.53),
            (jaw + t + 0.02, -0.36),
            (wide + t * 0.4, -0.12),
            (0.22 + t * 2, -0.24),
            (t * 2.4, -0.215),
            (-0.22 + t * 2, -0.24),
        ],
        head.hair(0.25),
    )


def _features(head: Head) -> None:
    for side in (-1, 1):
        _eye(head, side)
    _nose(head)
    _mouth(head)


def _eye(head: Head, side: int) -> None:
    grade = head.palette.grade
    near = 1.0 - 0.30 * max(0.0, side * head.turn)
    x, y = head.turn * 0.13 + side * 0.162 * (1 - 0.14 * abs(head.turn)), -0.045
    w, h = 0.088 * near, 0.044 + 0.010 * grade.brow
    lids = smooth(
        [
            (x - w, y - 0.008),
            (x - w * 0.4, y + h),
            (x + w * 0.4, y + h),
            (x + w, y - 0.002),
            (x + w * 0.35, y - h * 0.72),
            (x - w * 0.4, y - h * 0.75),
        ]
    )
    head.draw(lids, mix(head.palette.lit((244, 240, 234), 0.75), head.skin(0.5), 0.2), False)
    look = head.turn * 0.022
    head.draw(
        ring((x + look, y + 0.004), 0.040 * near**0.4, 0.044),
        scaled(head.palette.lit(head.look.eyes, 0.6), 0.8),
        False,
    )
    head.draw(ring((x + look, y + 0.004), 0.019, 0.021), INK, False)
    head.draw(
        ring((x + look + 0.014 * head.palette.side, y + 0.020), 0.010, 0.010),
        head.palette.lit((255, 255, 255), 1.0),
        False,
    )
    _lashes(head, (x, y), w, h)
    _brow(head, side, x, y + 0.115, w * 1.35)


def _lashes(head: Head, middle: Point, w: float, h: float) -> None:
    x, y = middle
    lash = smooth(
        [
            (x - w * 1.08, y - 0.006),
            (x - w * 0.4, y + h * 1.08),
            (x + w * 0.4, y + h * 1.08),
            (x + w * 1.08, y),
        ],
        False,
    )
    heavy = 0.020 if head.look.masculine else 0.026
    head.canvas.stroke(head.at(lash), scaled(head.hair(0.1), 0.4), heavy * head.size)
    crease = [(a, b + 0.030) for a, b in lash]
    head.canvas.stroke(head.at(crease), head.skin(0.28), 0.008 * head.size)
    lower = smooth(
        [(x - w * 0.8, y - h * 0.5), (x, y - h * 0.92), (x + w * 0.85, y - h * 0.4)], False
    )
    head.canvas.stroke(head.at(lower), head.skin(0.2), 0.007 * head.size)


def _brow(head: Head, side: int, x: float, y: float, w: float) -> None:
    brow = head.palette.grade.brow
    lift = y + 0.022 * max(0.0, brow)
    inner, outer = lift + 0.045 * brow, lift - 0.020 * brow - 0.008
    thick = 0.020 if head.look.masculine else 0.014
    head.draw(
        limb(
            [
                (x - side * w * 0.85, inner, thick),
                (x + side * w * 0.1, lift + 0.026, thick),
                (x + side * w, outer, thick * 0.3),
            ]
        ),
        scaled(head.hair(0.25), 0.75),
        False,
    )


def _nose(head: Head) -> None:
    x = head.turn * 0.17
    side = -head.palette.side if abs(head.turn) < 0.2 else (1 if head.turn > 0 else -1)
    head.draw(
        [
            (x + side * 0.02, 0.02),
            (x + side * 0.055 + head.turn * 0.03, -0.17),
            (x + side * 0.075 + head.turn * 0.02, -0.205),
            (x, -0.222),
            (x + side * 0.010, -0.15),
        ],
        head.skin(0.30),
    )
    line = smooth(
        [
            (x + side * 0.020 + head.turn * 0.02, -0.10),
            (x + side * 0.062 + head.turn * 0.035, -0.175),
            (x + side * 0.045, -0.218),
            (x - side * 0.05, -0.220),
        ],
        False,
    )
    head.canvas.stroke(head.at(line), scaled(head.skin(0.2), 0.7), 0.010 * head.size)
    head.draw(ring((x - side * 0.035, -0.165), 0.016, 0.020), head.skin(0.95), False)


def _mouth(head: Head) -> None:
    x, y, smile = head.turn * 0.155, -0.318, head.palette.grade.smile
    w, bend = 0.112 + 0.02 * max(0.0, smile), 0.030 * smile
    lip = mix(
        head.skin(0.55), head.palette.lit((178, 74, 74), 0.6), 0.35 if head.look.masculine else 0.62
    )
    head.draw(
        [
            (x - w, y + bend),
            (x - 0.035, y + 0.024),
            (x, y + 0.016),
            (x + 0.035, y + 0.024),
            (x + w, y + bend),
            (x, y - 0.006),
        ],
        scaled(lip, 0.86),
    )
    head.draw(
        [
            (x - w * 0.9, y + bend * 0.8),
            (x, y - 0.004),
            (x + w * 0.9, y + bend * 0.8),
            (x + 0.045, y - 0.045),
            (x - 0.045, y - 0.045),
        ],
        lip,
    )
    _lip_line(head, (x, y), w, bend, scaled(lip, 0.42))


def _lip_line(head: Head, middle: Point, w: float, bend: float, dark: Colour) -> None:
    x, y = middle
    line = smooth(
        [
            (x - w, y + bend),
            (x - w * 0.4, y - bend * 0.25),
            (x, y + 0.004 - bend * 0.4),
            (x + w * 0.4, y - bend * 0.25),
            (x + w, y + bend),
        ],
        False,
    )
    head.canvas.stroke(head.at(line), dark, 0.012 * head.size)
    head.canvas.stroke(
        head.at([(x - 0.05, y - 0.072), (x + 0.05, y - 0.072)]), head.skin(0.34), 0.012 * head.size
    )
