"""Hair: behind the shoulders, over the brow, and seen from behind."""

from filmforge.media.panel.head import Head
from filmforge.media.panel.outline import ring, smooth

SHAPES_SHORT = frozenset(("crop", "short", "swept", "curly"))
BOB = [
    (-0.40, 0.3),
    (-0.49, -0.1),
    (-0.44, -0.50),
    (0, -0.42),
    (0.44, -0.50),
    (0.49, -0.1),
    (0.40, 0.3),
    (0, 0.5),
]
TAIL = [(0.30, 0.30), (0.56, 0.22), (0.64, -0.25), (0.50, -0.72), (0.44, -0.25), (0.32, 0.0)]


def hair_behind(head: Head) -> None:
    """The hair that hangs behind neck and shoulders: drawn before the body."""
    style, fill = head.look.style, head.hair(0.12)
    if style in ("long", "wavy"):
        _mane(head, -1.02 if style == "long" else -0.82)
    elif style == "bob":
        head.draw(BOB, fill, ink=True)
    elif style == "bun":
        head.draw(ring((-head.turn * 0.28, 0.54), 0.19, 0.17), head.hair(0.3), False, True)
    elif style == "tail":
        s = -1 if head.turn > 0 else 1
        head.draw([(s * x, y) for x, y in TAIL], fill, ink=True)


def _mane(head: Head, low: float) -> None:
    t = head.turn * 0.05
    head.draw(
        [
            (-0.38 - t, 0.3),
            (-0.47 - t, -0.15),
            (-0.47 - t, low * 0.8),
            (-0.2 - t, low),
            (0.2 - t, low),
            (0.47 - t, low * 0.8),
            (0.47 - t, -0.15),
            (0.38 - t, 0.3),
            (0, 0.5),
        ],
        head.hair(0.12),
        ink=True,
    )


def from_behind(head: Head) -> None:
    """A head from the back: hair and neck."""
    low = {"long": -0.95, "wavy": -0.78, "bob": -0.5}.get(head.look.style, -0.30)
    wide = 0.44 if low < -0.4 else 0.39
    if low > -0.4:
        head.draw(
            [(-0.20, -0.2), (0.20, -0.2), (0.18, -0.56), (-0.18, -0.56)], head.skin(0.3), False
        )
    head.draw(
        [
            (0, 0.53),
            (0.28, 0.45),
            (0.42, 0.15),
            (wide, -0.2),
            (wide * 0.86, low),
            (0, low - 0.04),
            (-wide * 0.86, low),
            (-wide, -0.2),
            (-0.42, 0.15),
            (-0.28, 0.45),
        ],
        head.hair(0.25),
        ink=True,
    )
    if head.look.style == "bun":
        head.draw(ring((0, 0.36), 0.2, 0.18), head.hair(0.45), False, True)
    for i in range(7):
        x = -0.3 + 0.1 * i
        head.canvas.stroke(
            head.at(smooth([(x * 0.4, 0.5), (x * 1.1, 0.1), (x * 1.05, low * 0.9)], False)),
            head.hair(0.5 if i % 2 else 0.1),
            0.012 * head.size,
        )


def fringe(head: Head) -> None:
    """The hair over the brow and beside the face."""
    t = head.turn * 0.10
    part = -0.12 if head.turn >= 0 else 0.12
    if head.look.style in SHAPES_SHORT:
        _short(head, part, t)
    else:
        for side in (-1, 1):
            _curtain(head, side, part, t)
    _strands(head, part + t)


def _short(head: Head, part: float, t: float) -> None:
    rise = {"crop": 0.52, "short": 0.56, "swept": 0.60, "curly": 0.60}[head.look.style]
    crown = [
        (-0.39, -0.02),
        (-0.42, 0.22),
        (-0.28, rise - 0.08),
        (t, rise),
        (0.28, rise - 0.07),
        (0.42, 0.22),
        (0.39, -0.02),
    ]
    brow = [
        (0.34 + t * 0.3, 0.16),
        (0.22 + t, 0.30),
        (part + t, 0.24),
        (-0.20 + t, 0.31),
        (-0.34 + t * 0.3, 0.16),
    ]
    head.draw([*crown, *brow], head.hair(0.42), ink=True)
    if head.look.style == "curly":
        for i in range(11):
            a = -0.42 + 0.084 * i
            top = 0.28 + 0.30 * (1 - (a / 0.46) ** 2)
            head.draw(ring((a, top), 0.088, 0.08), head.hair(0.3 + 0.3 * (i % 2)), False)


def _curtain(head: Head, side: int, part: float, t: float) -> None:
    low = {"long": -0.55, "wavy": -0.52, "bob": -0.40}.get(head.look.style, 0.0)
    outer = [(0.15, 0.545), (0.35, 0.42), (0.455, 0.1), (0.47, low * 0.6), (0.40, low)]
    inner = [(0.365, 0.2, low * 0.55), (0.335, 0.4, 0.06), (0.22, 1.0, 0.24)]
    head.draw(
        [
            (part + t, 0.36),
            (part * 0.3 + t, 0.505),
            *[(side * x, y) for x, y in outer],
            *[(side * x + t * share, y) for x, share, y in inner],
        ],
        head.hair(0.42),
        ink=True,
    )


def _strands(head: Head, part: float) -> None:
    if head.size < 0.05:
        return
    for i in range(8):
        s = -1 if i < 4 else 1
        k = (i % 4) / 3
        line = smooth(
            [
                (part, 0.46 - 0.03 * k),
                (s * (0.20 + 0.12 * k), 0.44 - 0.06 * k),
                (s * (0.36 + 0.05 * k), 0.16 - 0.04 * k),
            ],
            False,
        )
        tone = head.hair(0.85) if s * head.palette.side > 0 else head.hair(0.16)
        head.canvas.stroke(head.at(line), tone, 0.009 * head.size)
