"""Where a head is, how it is turned and lit."""

from dataclasses import dataclass

from filmforge.media.panel.canvas import Canvas, Point
from filmforge.media.panel.colour import INK, Colour, mix, scaled
from filmforge.media.panel.outline import smooth
from filmforge.media.panel.palette import Palette
from filmforge.media.panel.wardrobe import Look


@dataclass(frozen=True)
class Head:
    """Where and how a head is drawn; `size` is its height in frame heights, `turn` from -1 to 1."""

    canvas: Canvas
    palette: Palette
    look: Look
    centre: Point
    size: float
    turn: float

    def at(self, points: list[Point]) -> list[Point]:
        """Points in head heights (x right, y up, from the middle of the head) on the canvas."""
        x, y = self.centre
        return [(x + a * self.size, y - b * self.size) for a, b in points]

    def draw(
        self, points: list[Point], fill: Colour, curved: bool = True, ink: bool = False
    ) -> None:
        """A part of the head, lit as everything else is."""
        outline = smooth(points) if curved else points
        line = mix(scaled(fill, 0.4), INK, 0.4) if ink else None
        self.canvas.shape(self.at(outline), fill, line, 0.011 * self.size)

    def skin(self, light: float) -> Colour:
        """The skin under some light."""
        return self.palette.lit(self.look.skin, light)

    def hair(self, light: float) -> Colour:
        """The hair under some light."""
        return self.palette.lit(self.look.hair, light)
