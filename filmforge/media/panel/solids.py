"""Boxes, planks and openings of a set, drawn through the camera."""

from dataclasses import dataclass

from filmforge.media.panel.camera import Place
from filmforge.media.panel.canvas import Canvas
from filmforge.media.panel.colour import INK, Colour, mix, scaled
from filmforge.media.panel.outline import hull
from filmforge.media.panel.stage import Stage

BEAM = {"night": 0.42, "dusk": 0.62, "dawn": 0.5, "noon": 0.42, "golden": 0.66}


@dataclass(frozen=True)
class Painter:
    """A canvas and the stage it shows: what every part of a set is drawn with."""

    canvas: Canvas
    stage: Stage

    def face(
        self,
        places: list[Place],
        surface: Colour,
        light: float,
        depth: float = 0.0,
        ink: bool = True,
    ) -> None:
        """A flat face of some material under some light, inked at its edges."""
        fill = self.stage.palette.lit(surface, light, depth)
        line = mix(scaled(fill, 0.42), INK, 0.35) if ink else None
        self.canvas.shape(self.stage.camera.face(places), fill, line, 0.0016)

    def line(
        self, a: Place, b: Place, surface: Colour, light: float, metres: float, depth: float = 0.0
    ) -> None:
        """A line that is `metres` wide, at the distance of its far end."""
        points = self.stage.camera.face([a, b])
        width = metres * self.stage.camera.scale(max(a[2], b[2]))
        self.canvas.stroke(points, self.stage.palette.lit(surface, light, depth), width)

    def block(
        self, x: float, y: float, z: float, size: Place, surface: Colour, depth: float = 0.0
    ) -> None:
        """A box standing at (x, y, z): width, height and length away, lit from the stage's side."""
        w, h, d = size
        x0, x1, y1, z1 = x - w / 2, x + w / 2, y + h, z + d
        camera, side = self.stage.camera, self.stage.side
        if y1 < camera.height:
            self.face([(x0, y1, z), (x1, y1, z), (x1, y1, z1), (x0, y1, z1)], surface, 0.85, depth)
        if x0 > 0:
            self.face(
                [(x0, y, z), (x0, y1, z), (x0, y1, z1), (x0, y, z1)],
                surface,
                0.75 if side < 0 else 0.12,
                depth,
            )
        if x1 < 0:
            self.face(
                [(x1, y, z), (x1, y1, z), (x1, y1, z1), (x1, y, z1)],
                surface,
                0.75 if side > 0 else 0.12,
                depth,
            )
        self.face([(x0, y, z), (x1, y, z), (x1, y1, z), (x0, y1, z)], surface, 0.38, depth)

    def opening(self, corners: list[Place], frame: Colour, panes: tuple[int, int] = (2, 2)) -> None:
        """A window in its frame: sky behind glass, bars, and its own glow; corners clockwise from
        top left."""
        palette = self.stage.palette
        outline = self.stage.camera.face(corners)
        if len(outline) != 4:
            return
        sky = mix(palette.hour.horizon, palette.hour.key, 0.3)
        width = 0.07 * self.stage.camera.scale(sum(c[2] for c in corners) / 4)
        self.canvas.shape(outline, sky)
        middle = [_between(outline[0], outline[3], 0.45), _between(outline[1], outline[2], 0.45)]
        self.canvas.veil(
            [outline[0], outline[1], *middle[::-1]],
            mix(palette.hour.zenith, palette.hour.horizon, 0.35),
            0.6,
            0.02,
        )
        wood = palette.lit(frame, 0.25)
        for i in range(1, panes[0]):
            t = i / panes[0]
            self.canvas.stroke(
                [_between(outline[0], outline[1], t), _between(outline[3], outline[2], t)],
                wood,
                width * 0.6,
            )
        for i in range(1, panes[1]):
            t = i / panes[1]
            self.canvas.stroke(
                [_between(outline[0], outline[3], t), _between(outline[1], outline[2], t)],
                wood,
                width * 0.6,
            )
        self.canvas.stroke([*outline, outline[0], outline[1]], scaled(wood, 0.5), width * 1.5)
        self.canvas.stroke([*outline, outline[0], outline[1]], wood, width)
        self.canvas.glow(outline, scaled(palette.hour.key, 0.55 * self.beam), 0.07)

    @property
    def beam(self) -> float:
        """How strong direct light is at this hour."""
        return BEAM.get(self.stage.hour, 0.6) * (0.55 if self.stage.palette.dull else 1.0)

    def sunbeam(self, corners: list[Place], toward: Place, strength: float = 1.0) -> None:
        """Light falling through an opening: a shaft in the dusty air and a bright patch on the
        floor."""
        patch = [_on_floor(corner, toward) for corner in corners]
        camera, key = self.stage.camera, self.stage.palette.hour.key
        floor = camera.face(patch)
        shaft = hull([*camera.face(corners), *floor])
        self.canvas.glow(shaft, scaled(key, 0.42 * self.beam * strength), 0.018)
        self.canvas.glow(floor, scaled(key, 0.62 * self.beam * strength), 0.010)


def _on_floor(place: Place, toward: Place) -> Place:
    t = place[1] / -toward[1]
    return place[0] + toward[0] * t, 0.0, place[2] + toward[2] * t


def _between(a: tuple[float, float], b: tuple[float, float], t: float) -> tuple[float, float]:
    return a[0] + (b[0] - a[0]) * t, a[1] + (b[1] - a[1]) * t
