"""A supersampled canvas measured in frame heights, with light and shade kept apart."""

from collections.abc import Iterable, Sequence

from PIL import Image, ImageChops, ImageDraw, ImageFilter

from filmforge.media.panel.colour import Colour, pixel

Point = tuple[float, float]
SUPERSAMPLE = 2
SOFT = 4  # light and shade are blurred anyway: a quarter of the resolution is enough


class Canvas:
    """Draws in coordinates where y runs from 0 (top) to 1 (bottom) and x from 0 to `aspect`."""

    def __init__(self, width: int, height: int) -> None:
        self.unit = float(height * SUPERSAMPLE)
        self.aspect = width / height
        self.size = (width * SUPERSAMPLE, height * SUPERSAMPLE)
        self.image = Image.new("RGB", self.size)
        self.pen = ImageDraw.Draw(self.image)
        self._soft_size = (max(1, self.size[0] // SOFT), max(1, self.size[1] // SOFT))
        self._soft_unit = self.unit / SOFT
        self._new_lights()

    def _new_lights(self) -> None:
        self._light = Image.new("RGB", self._soft_size)
        self._shade = Image.new("RGB", self._soft_size, (255, 255, 255))
        self._lit = self._shaded = False

    def replace(self, image: Image.Image) -> None:
        """Go on drawing over another picture of the same size."""
        self.image = image
        self.pen = ImageDraw.Draw(image)

    def pixels(self, points: Iterable[Point]) -> list[Point]:
        """The points in pixels, kept within what Pillow can draw."""
        limit = 8 * self.unit
        return [
            (min(limit, max(-limit, x * self.unit)), min(limit, max(-limit, y * self.unit)))
            for x, y in points
        ]

    def shape(
        self, points: Sequence[Point], fill: Colour, ink: Colour | None = None, width: float = 0.002
    ) -> None:
        """A filled outline, inked where `ink` is given; `width` in frame heights."""
        corners = self.pixels(points)
        if len(corners) < 3:
            return
        self.pen.polygon(corners, fill=pixel(fill))
        if ink is not None:
            self._line([*corners, *corners[:2]], ink, width)

    def stroke(self, points: Sequence[Point], colour: Colour, width: float = 0.002) -> None:
        """A line of even width, in frame heights."""
        self._line(self.pixels(points), colour, width)

    def _line(self, corners: list[Point], colour: Colour, width: float) -> None:
        self.pen.line(
            corners, fill=pixel(colour), width=max(1, round(width * self.unit)), joint="curve"
        )

    def disc(self, centre: Point, radius: float, fill: Colour) -> None:
        """A filled circle; `radius` in frame heights."""
        (x, y), r = self.pixels([centre])[0], min(8 * self.unit, max(0.5, radius * self.unit))
        self.pen.ellipse((x - r, y - r, x + r, y + r), fill=pixel(fill))

    def ramp(self, top: float, bottom: float, upper: Colour, lower: Colour) -> None:
        """Fill the whole width between two heights with a vertical gradient."""
        y0, y1 = round(top * self.unit), round(bottom * self.unit)
        first, last = max(0, y0), min(self.size[1], y1)
        for y in range(first, last):
            t = (y - y0) / max(1, y1 - y0)
            row = tuple(a + (b - a) * t for a, b in zip(upper, lower, strict=True))
            self.pen.line((0, y, self.size[0], y), fill=pixel((row[0], row[1], row[2])))

    def veil(
        self, points: Sequence[Point], colour: Colour, alpha: float, blur: float = 0.0
    ) -> None:
        """A translucent, soft-edged shape; `alpha` from 0 to 1, `blur` in frame heights."""
        mask = self._soft_mask(points, round(255 * min(1.0, alpha)), blur)
        box = mask.getbbox()
        if box is None:
            return
        x0, y0 = box[0] * SOFT, box[1] * SOFT
        part = mask.crop(box)
        part = part.resize((part.width * SOFT, part.height * SOFT), Image.Resampling.BILINEAR)
        self.image.paste(pixel(colour), (x0, y0), part)

    def glow(self, points: Sequence[Point], colour: Colour, blur: float) -> None:
        """Light that will be added by `settle`; `blur` in frame heights."""
        mask = self._soft_mask(points, 255, blur)
        coloured = Image.merge(
            "RGB", [mask.point([round(v * c / 255) for v in range(256)]) for c in pixel(colour)]
        )
        self._light = ImageChops.screen(self._light, coloured)
        self._lit = True

    def shade(self, points: Sequence[Point], colour: Colour, blur: float) -> None:
        """Shadow that will be multiplied in by `settle`; `colour` is what is left of the light."""
        mask = self._soft_mask(points, 255, blur)
        cast = Image.new("RGB", self._soft_size, (255, 255, 255))
        cast.paste(pixel(colour), mask=mask)
        self._shade = ImageChops.multiply(self._shade, cast)
        self._shaded = True

    def settle(self) -> None:
        """Let the light and shade collected so far fall on what was drawn so far."""
        image = self.image
        if self._shaded:
            image = ImageChops.multiply(image, self._spread(self._shade))
        if self._lit:
            image = ImageChops.screen(image, self._spread(self._light))
        self.replace(image)
        self._new_lights()

    def _spread(self, soft: Image.Image) -> Image.Image:
        return soft.resize(self.size, Image.Resampling.BILINEAR)

    def _soft_mask(self, points: Sequence[Point], value: int, blur: float) -> Image.Image:
        mask = Image.new("L", self._soft_size)
        unit, limit = self._soft_unit, 8 * self._soft_unit
        corners = [
            (min(limit, max(-limit, x * unit)), min(limit, max(-limit, y * unit)))
            for x, y in points
        ]
        if len(corners) > 2:
            ImageDraw.Draw(mask).polygon(corners, fill=value)
        radius = blur * unit
        return (
            mask.filter(ImageFilter.BoxBlur(radius)).filter(ImageFilter.BoxBlur(radius))
            if radius >= 0.5
            else mask
        )

    def defocus(self, blur: float) -> None:
        """Put everything drawn so far out of focus; `blur` in frame heights."""
        radius = blur * self._soft_unit
        if radius < 0.4:
            return
        small = self.image.resize(self._soft_size, Image.Resampling.BOX)
        small = small.filter(ImageFilter.BoxBlur(radius)).filter(ImageFilter.BoxBlur(radius))
        self.replace(small.resize(self.size, Image.Resampling.BICUBIC))
