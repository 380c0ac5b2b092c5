"""A camera with a shifting lens: metres become frame heights, verticals stay upright."""

from collections.abc import Iterable
from dataclasses import dataclass

from filmforge.media.panel.canvas import Point

Place = tuple[float, float, float]
NEAREST = 0.28


@dataclass(frozen=True)
class Camera:
    """`focal` in frame heights, `height` in metres, the vanishing point in frame heights.

    `distance` is how far away the subject stands, in metres.
    """

    focal: float
    height: float
    horizon: float
    centre: float
    distance: float

    def at(self, place: Place) -> Point:
        """Where a place (x right, y up, z away; metres) appears."""
        near = self.focal / max(NEAREST, place[2])
        return self.centre + place[0] * near, self.horizon + (self.height - place[1]) * near

    def scale(self, z: float) -> float:
        """Frame heights that one metre takes at that distance."""
        return self.focal / max(NEAREST, z)

    def face(self, places: Iterable[Place]) -> list[Point]:
        """The outline of a flat face, cut off where it passes behind the camera."""
        corners = list(places)
        kept: list[Place] = []
        for a, b in zip(corners, [*corners[1:], *corners[:1]], strict=True):
            if a[2] >= NEAREST:
                kept.append(a)
            if (a[2] >= NEAREST) != (b[2] >= NEAREST):
                t = (NEAREST - a[2]) / (b[2] - a[2])
                kept.append((a[0] + (b[0] - a[0]) * t, a[1] + (b[1] - a[1]) * t, NEAREST))
        return [self.at(place) for place in kept]


@dataclass(frozen=True)
class Framing:
    """How a shot type sees a person: lens, eye height and distance in metres, blur behind."""

    focal: float
    height: float
    horizon: float
    distance: float
    blur: float = 0.0


FRAMINGS = {
    "extreme_wide": Framing(0.95, 1.7, 0.60, 10.5),
    "aerial": Framing(1.0, 9.0, -0.08, 13.0),
    "wide": Framing(0.88, 1.45, 0.53, 4.2),
    "full": Framing(1.25, 1.3, 0.40, 2.75, 0.003),
    "two": Framing(1.45, 1.48, 0.36, 1.9, 0.006),
    "medium": Framing(1.55, 1.50, 0.34, 1.62, 0.007),
    "medium_close": Framing(2.1, 1.52, 0.38, 1.45, 0.012),
    "close": Framing(2.6, 1.54, 0.43, 1.16, 0.018),
    "extreme_close": Framing(5.0, 1.565, 0.46, 0.95, 0.030),
    "shoulder": Framing(1.5, 1.52, 0.36, 2.1, 0.005),
    "low": Framing(1.0, 0.42, 0.90, 2.0, 0.002),
    "high": Framing(1.15, 3.0, 0.02, 3.7),
    "pov": Framing(0.95, 1.55, 0.48, 4.2),
    "insert": Framing(1.7, 1.15, 0.02, 1.5, 0.012),
}


BELOW_CEILING = 2.3
UNDER_THE_CEILING = Framing(1.0, BELOW_CEILING, 0.12, 3.9)


def camera_for(framing: str, aspect: float, centre: float, indoors: bool) -> Camera:
    """The camera of a framing; upright pictures take a shorter lens so that people fit."""
    f = FRAMINGS[framing]
    if indoors and f.height > BELOW_CEILING:
        f = UNDER_THE_CEILING
    narrow = min(1.0, max(0.45, aspect / 1.15))
    return Camera(f.focal * narrow, f.height, f.horizon, centre, f.distance)
