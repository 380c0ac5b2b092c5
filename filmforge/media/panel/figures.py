"""People: posed bodies in their clothes, lit by the stage, with a rim of light."""

from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageChops, ImageFilter

from filmforge.media.panel.canvas import Canvas, Point
from filmforge.media.panel.colour import INK, Colour, mix, pixel, scaled
from filmforge.media.panel.face import draw_head
from filmforge.media.panel.hair import hair_behind
from filmforge.media.panel.head import Head
from filmforge.media.panel.outline import limb, ring, smooth
from filmforge.media.panel.solids import Painter
from filmforge.media.panel.wardrobe import Look, look_of

STATURE = 1.70  # metres: the height the poses are written for


@dataclass(frozen=True)
class Pose:
    """Joints in metres from the ground between the feet, facing right; `drop` lowers the trunk."""

    hands: tuple[Point, Point]
    elbows: tuple[Point, Point]
    feet: tuple[Point, Point] = ((-0.11, 0.0), (0.12, 0.0))
    knees: tuple[Point, Point] = ((-0.10, 0.47), (0.11, 0.47))
    drop: float = 0.0
    lean: float = 0.0


POSES = {
    "stand": Pose(((-0.27, 0.80), (0.25, 0.80)), ((-0.29, 1.08), (0.27, 1.08))),
    "reach": Pose(
        ((-0.25, 0.82), (0.60, 1.16)),
        ((-0.29, 1.08), (0.38, 1.14)),
        ((-0.20, 0.0), (0.16, 0.0)),
        ((-0.14, 0.46), (0.15, 0.48)),
        0.0,
        0.04,
    ),
    "hold": Pose(((0.03, 1.14), (0.20, 1.14)), ((-0.27, 1.06), (0.32, 1.04))),
    "window": Pose(((-0.26, 0.80), (0.36, 1.30)), ((-0.28, 1.08), (0.36, 1.10))),
    "walk": Pose(
        ((-0.30, 0.86), (0.30, 0.90)),
        ((-0.26, 1.10), (0.22, 1.08)),
        ((-0.34, 0.03), (0.30, 0.0)),
        ((-0.10, 0.46), (0.19, 0.48)),
        0.03,
        0.03,
    ),
    "run": Pose(
        ((-0.30, 1.10), (0.42, 1.14)),
        ((-0.36, 1.20), (0.22, 1.02)),
        ((-0.62, 0.28), (0.40, 0.04)),
        ((-0.16, 0.44), (0.30, 0.54)),
        0.05,
        0.16,
    ),
    "kneel": Pose(
        ((0.28, 0.66), (0.46, 0.62)),
        ((0.00, 0.66), (0.30, 0.72)),
        ((-0.30, 0.04), (0.22, 0.0)),
        ((0.06, 0.06), (0.26, 0.42)),
        0.50,
        0.12,
    ),
    "sit": Pose(
        ((0.16, 0.60), (0.34, 0.58)),
        ((-0.20, 0.68), (0.22, 0.66)),
        ((0.30, 0.0), (0.44, 0.0)),
        ((0.34, 0.46), (0.46, 0.46)),
        0.42,
        0.0,
    ),
    "point": Pose(((-0.25, 0.82), (0.72, 1.42)), ((-0.29, 1.08), (0.46, 1.38))),
}


@dataclass(frozen=True)
class Figure:
    """One person on a canvas of their own; `foot` is on the ground, `unit` a metre."""

    canvas: Canvas
    painter: Painter
    look: Look
    pose: Pose
    foot: Point
    unit: float
    facing: float
    away: bool
    turn: float

    def at(self, x: float, y: float) -> Point:
        """Where a joint appears."""
        k = self.unit * self.look.height / STATURE
        return self.foot[0] + self.facing * x * k, self.foot[1] - y * k

    def trunk(self, x: float, y: float) -> Point:
        """Where a point of the trunk appears: lowered and leaning with the pose."""
        lean = self.pose.lean * max(0.0, (y - 0.86) / 0.6)
        return self.at(x + lean, y - self.pose.drop)

    def part(self, points: list[Point], surface: Colour, light: float) -> None:
        """An inked part of the figure."""
        fill = self.painter.stage.palette.lit(surface, light)
        k = self.unit * self.look.height / STATURE
        self.canvas.shape(points, fill, mix(scaled(fill, 0.36), INK, 0.4), max(0.0012, 0.009 * k))

    def limb(self, joints: Sequence[tuple[Point, float]], surface: Colour, light: float) -> None:
        """An arm or leg: joints with their half widths in metres."""
        k = self.unit * self.look.height / STATURE
        self.part(limb([(x, y, w * k) for (x, y), w in joints]), surface, light)


def draw_person(
    p: Painter,
    name: str,
    x: float,
    z: float,
    facing: float,
    pose: str,
    away: bool = False,
    rise: float = 0.0,
) -> None:
    """A person standing at (x, z) metres, looking to `facing` (-1 left, 1 right) or `away`;
    `rise` lifts them so that a tight framing meets their eyes."""
    foot, unit = p.stage.camera.at((x, rise, z)), p.stage.camera.scale(z)
    layer = _layer_of(p.canvas)
    turn = facing * p.stage.chance(f"turn{name}").uniform(0.35, 0.75)
    figure = Figure(
        layer, p, look_of(name), POSES.get(pose, POSES["stand"]), foot, unit, facing, away, turn
    )
    p.canvas.veil(
        ring((foot[0] - p.stage.side * 0.1 * unit, foot[1]), 0.42 * unit, 0.07 * unit),
        (10, 8, 14),
        0.55,
        0.008,
    )
    _cast_shadow(p, foot, unit)
    _body(figure)
    _lay(p, layer, unit)


def _cast_shadow(p: Painter, foot: Point, unit: float) -> None:
    if p.stage.palette.dull or p.stage.hour in ("noon", "night"):
        return
    way = -p.stage.side * unit
    p.canvas.veil(
        [
            (foot[0] - 0.16 * unit, foot[1]),
            (foot[0] + 0.16 * unit, foot[1]),
            (foot[0] + way * 1.7, foot[1] + 0.42 * unit),
            (foot[0] + way * 1.35, foot[1] + 0.44 * unit),
        ],
        (16, 12, 20),
        0.38,
        0.008,
    )


def _layer_of(canvas: Canvas) -> Canvas:
    layer = Canvas.__new__(Canvas)
    layer.__dict__.update(canvas.__dict__)
    layer.replace(Image.new("RGBA", canvas.size))
    return layer


def _body(f: Figure) -> None:
    head = _head(f)
    if not f.away:
        hair_behind(head)
    _arm(f, 0, 0.24)
    for side in (0, 1):
        _leg(f, side, 0.22 if side == 0 else 0.4)
    _neck(f)
    _trunk(f)
    _arm(f, 1, 0.48)
    draw_head(head, f.away)


def _head(f: Figure) -> Head:
    k = f.unit * f.look.height / STATURE
    big = 1.18 if f.look.height < 1.4 else 1.06
    centre = f.trunk(0.015 if not f.away else 0.0, 1.585)
    return Head(f.canvas, f.painter.stage.palette, f.look, centre, 0.245 * k * big, f.turn)


def _neck(f: Figure) -> None:
    w = 0.062 if f.look.masculine else 0.048
    f.part(
        [f.trunk(-w, 1.53), f.trunk(w, 1.53), f.trunk(w * 1.25, 1.36), f.trunk(-w * 1.25, 1.36)],
        f.look.skin,
        0.26,
    )


def _leg(f: Figure, side: int, light: float) -> None:
    hip = f.trunk(-0.085 if side == 0 else 0.085, 0.90)
    knee, foot = f.at(*f.pose.knees[side]), f.at(*f.pose.feet[side])
    bare = f.look.garment == "dress"
    surface = f.look.skin if bare else f.look.lower
    ankle = f.at(f.pose.feet[side][0], f.pose.feet[side][1] + 0.07)
    f.limb([(hip, 0.095), (knee, 0.062), (ankle, 0.04)], surface, light)
    toe = f.at(f.pose.feet[side][0] + 0.13, f.pose.feet[side][1] + 0.015)
    heel = f.at(f.pose.feet[side][0] - 0.05, f.pose.feet[side][1] + 0.04)
    f.limb([(heel, 0.045), (foot, 0.045), (toe, 0.028)], (66, 48, 42), light)


def _trunk(f: Figure) -> None:
    s = 0.215 if f.look.masculine else 0.178
    waist = 0.165 if f.look.masculine else 0.128
    hem, flare = {"coat": (0.50, 0.235), "dress": (0.52, 0.27)}.get(f.look.garment, (0.84, 0.175))
    if f.pose.drop > 0.3:
        hem, flare = max(hem, 0.72), 0.22
    left = [
        (-0.055, 1.43),
        (-s * 0.72, 1.405),
        (-s, 1.34),
        (-s * 0.90, 1.18),
        (-waist, 1.04),
        (-waist - 0.03, 0.92),
        (-flare, hem),
    ]
    right = [(-x, y) for x, y in left[::-1]]
    outline = smooth([f.trunk(x, y) for x, y in [*left, (0.0, hem - 0.015), *right]])
    f.part(outline, f.look.top, 0.62)
    side = -f.painter.stage.side * f.facing
    shade = smooth(
        [
            f.trunk(side * x, y)
            for x, y in (
                (0.03, 1.40),
                (s * 0.7, 1.395),
                (s * 0.96, 1.33),
                (s * 0.86, 1.18),
                (waist * 0.95, 1.04),
                (flare * 0.92, hem + 0.02),
                (flare * 0.2, hem + 0.02),
                (0.05, 1.05),
                (0.06, 1.22),
            )
        ]
    )
    f.canvas.shape(shade, f.painter.stage.palette.lit(f.look.top, 0.22))
    _garment(f, waist, hem, flare)


def _garment(f: Figure, waist: float, hem: float, flare: float) -> None:
    dark, k = f.painter.stage.palette.lit(scaled(f.look.top, 0.62), 0.2), f.unit
    for x, y in ((-0.5, 0.98), (0.1, 0.95), (0.55, 1.0)):
        fold = [
            f.trunk(x * waist, y),
            f.trunk(x * waist * 1.15, (y + hem) / 2),
            f.trunk(x * flare, hem + 0.02),
        ]
        f.canvas.stroke(smooth(fold, False), dark, 0.006 * k)
    if f.away:
        f.canvas.stroke([f.trunk(0, 1.36), f.trunk(0, 1.0)], dark, 0.005 * k)
    elif f.look.garment == "jumper":
        neck = [
            (f.trunk(-0.07, 1.43), 0.022),
            (f.trunk(0, 1.395), 0.024),
            (f.trunk(0.07, 1.43), 0.022),
        ]
        f.limb(neck, scaled(f.look.top, 0.82), 0.5)
    else:
        _front(f, hem, dark)


def _front(f: Figure, hem: float, dark: Colour) -> None:
    """What is seen of a coat, or of a shirt or dress with a collar."""
    coat = f.look.garment == "coat"
    if coat:
        cream = f.painter.stage.palette.lit((226, 214, 192), 0.6)
        f.canvas.shape([f.trunk(-0.05, 1.43), f.trunk(0.06, 1.43), f.trunk(0.015, 1.22)], cream)
        f.canvas.stroke([f.trunk(0.015, 1.22), f.trunk(0.02, hem)], dark, 0.008 * f.unit)
    surface = scaled(f.look.top, 0.86) if coat else mix(f.look.top, (250, 244, 230), 0.7)
    outline = (
        ((0.05, 1.44), (0.12, 1.40), (0.09, 1.26), (0.0, 1.20))
        if coat
        else ((0.0, 1.385), (0.045, 1.45), (0.11, 1.40), (0.06, 1.345))
    )
    for side in (-1, 1):
        f.part([f.trunk(side * x, y) for x, y in outline], surface, 0.55)


def _arm(f: Figure, side: int, light: float) -> None:
    s = (0.185 if f.look.masculine else 0.155) * (-1 if side == 0 else 1)
    if f.pose.drop > 0.3:
        reach = f.pose.hands[side], f.pose.elbows[side]
        hand, elbow = f.at(*reach[0]), f.at(*reach[1])
    else:
        hand, elbow = f.trunk(*f.pose.hands[side]), f.trunk(*f.pose.elbows[side])
    shoulder = f.trunk(s, 1.335)
    wrist = (elbow[0] + (hand[0] - elbow[0]) * 0.80, elbow[1] + (hand[1] - elbow[1]) * 0.80)
    thick = 1.12 if f.look.masculine else 0.94
    f.limb([(wrist, 0.026), (hand, 0.034), (_past(wrist, hand, 1.25), 0.018)], f.look.skin, 0.6)
    f.limb(
        [(shoulder, 0.062 * thick), (elbow, 0.052 * thick), (wrist, 0.042 * thick)],
        f.look.top,
        light,
    )


def _past(a: Point, b: Point, t: float) -> Point:
    return a[0] + (b[0] - a[0]) * t, a[1] + (b[1] - a[1]) * t


def _lay(p: Painter, layer: Canvas, unit: float) -> None:
    """Put a figure on the picture with a soft inner shadow and a rim of light."""
    bounds = layer.image.getbbox()
    if bounds is None:
        return
    figure = layer.image.crop(bounds)
    alpha = figure.getchannel("A")
    reach = max(1, round(min(0.0035, unit * 0.010) * layer.unit))
    body = max(1, round(unit * 0.011 * layer.unit))
    side = round(p.stage.side)
    inner = _shifted(alpha, side * body * 7, -body * 2)
    small = inner.resize(
        (max(1, inner.width // 8), max(1, inner.height // 8)), Image.Resampling.BOX
    )
    inner = small.filter(ImageFilter.BoxBlur(max(1.0, body * 0.5))).resize(
        alpha.size, Image.Resampling.BICUBIC
    )
    colours = figure.convert("RGB")
    dark = ImageChops.multiply(colours, Image.new("RGB", colours.size, (150, 146, 172)))
    colours.paste(dark, mask=ImageChops.invert(inner))
    rim = ImageChops.subtract(alpha, _shifted(alpha, -side * reach, reach // 2))
    backlit = 0.9 if p.stage.pose == "window" else 0.62
    rim = rim.point([round(v * backlit) for v in range(256)])
    colours.paste(pixel(mix(p.stage.palette.hour.key, (255, 255, 255), 0.15)), mask=rim)
    p.canvas.image.paste(colours, bounds[:2], alpha)


def _shifted(mask: Image.Image, dx: int, dy: int) -> Image.Image:
    moved = mask.copy()  # what the frame cuts off has no edge there
    moved.paste(mask, (dx, dy))
    return moved
