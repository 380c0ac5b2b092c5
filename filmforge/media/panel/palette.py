"""Palette and grade: what the hour and the mood do to every colour of a panel."""

from dataclasses import dataclass

from filmforge.media.panel.colour import Colour, mix, scaled, times


@dataclass(frozen=True)
class Hour:
    """The light of one time of day; `elevation` of the sun in frame heights."""

    zenith: Colour
    horizon: Colour
    key: Colour
    ambient: Colour
    elevation: float
    lamps: bool = False


@dataclass(frozen=True)
class Grade:
    """What a mood does to the finished picture: tints, saturation, contrast, exposure, vignette."""

    shadows: Colour
    lights: Colour
    saturation: float = 1.0
    contrast: float = 1.0
    exposure: float = 1.0
    vignette: float = 0.36
    smile: float = 0.0
    brow: float = 0.0


HOURS = {
    "dawn": Hour((86, 104, 158), (250, 188, 160), (255, 208, 176), (112, 108, 146), 0.06),
    "morning": Hour((108, 166, 216), (246, 230, 200), (255, 240, 208), (132, 142, 164), 0.30),
    "noon": Hour((64, 140, 214), (202, 226, 238), (255, 252, 238), (146, 154, 170), 0.52),
    "afternoon": Hour((98, 156, 204), (252, 228, 180), (255, 226, 168), (124, 120, 132), 0.26),
    "golden": Hour((92, 104, 164), (255, 172, 98), (255, 186, 108), (112, 92, 120), 0.09),
    "dusk": Hour((52, 50, 112), (255, 132, 84), (255, 150, 100), (84, 80, 126), 0.02, True),
    "night": Hour((9, 16, 40), (42, 64, 108), (152, 186, 240), (46, 56, 94), 0.40, True),
}

NEUTRAL = Grade((24, 26, 36), (255, 248, 236))
GRADES = {
    "nostalgic": Grade((52, 34, 26), (255, 236, 196), 0.86, 0.97, 1.03, 0.42, 0.25, 0.25),
    "curious": Grade((18, 36, 46), (255, 240, 208), 1.08, 1.04, 1.03, 0.34, 0.2, 0.55),
    "tense": Grade((10, 30, 34), (226, 236, 214), 0.66, 1.22, 0.90, 0.58, -0.35, -0.7),
    "joyful": Grade((44, 30, 40), (255, 246, 214), 1.24, 1.02, 1.10, 0.22, 0.9, 0.35),
    "sad": Grade((20, 30, 52), (214, 226, 240), 0.58, 0.96, 0.93, 0.46, -0.6, 0.7),
    "mysterious": Grade((26, 18, 52), (206, 228, 236), 0.86, 1.12, 0.88, 0.56, -0.05, 0.2),
    "scary": Grade((6, 20, 18), (214, 232, 196), 0.46, 1.34, 0.80, 0.68, -0.5, 0.8),
    "romantic": Grade((52, 22, 44), (255, 226, 212), 1.06, 0.98, 1.04, 0.36, 0.5, 0.2),
    "angry": Grade((46, 8, 10), (255, 222, 196), 0.92, 1.26, 0.94, 0.54, -0.6, -1.0),
    "calm": Grade((30, 44, 52), (246, 248, 238), 0.90, 0.92, 1.05, 0.26, 0.2, 0.05),
    "epic": Grade((14, 24, 46), (255, 230, 190), 1.10, 1.20, 0.98, 0.48, 0.0, -0.25),
    "neutral": NEUTRAL,
}


@dataclass(frozen=True)
class Palette:
    """The light of one panel; `side` is -1 when it comes from the left, 1 from the right."""

    hour: Hour
    grade: Grade
    side: float
    haze: Colour
    dull: float = 0.0

    def lit(self, surface: Colour, light: float = 0.5, depth: float = 0.0) -> Colour:
        """A surface under `light` (0 shadow, 1 full key), `depth` (0 near, 1 lost in the haze)."""
        key = mix(self.hour.key, self.hour.ambient, self.dull * 0.6)
        falling = mix(scaled(self.hour.ambient, 0.88), key, light)
        return mix(times(surface, falling), self.haze, depth)


def palette_for(
    hour: str, mood: str, side: float, overcast: bool = False, indoors: bool = False
) -> Palette:
    """The palette of a time of day and a mood, under cloud where `overcast`."""
    light = HOURS.get(hour, HOURS["afternoon"])
    haze = mix(light.horizon, light.zenith, 0.30)
    if indoors:
        haze = mix(scaled(light.ambient, 0.9), light.key, 0.25)
    if overcast:
        grey = scaled((150, 158, 168), 0.35 if hour == "night" else 0.6 if hour == "dusk" else 1.0)
        haze = mix(haze, grey, 0.6)
        light = Hour(
            mix(light.zenith, grey, 0.72),
            mix(light.horizon, grey, 0.62),
            mix(light.key, (200, 208, 216), 0.6),
            light.ambient,
            light.elevation,
            light.lamps,
        )
    return Palette(light, GRADES.get(mood, NEUTRAL), side, haze, 0.5 if overcast else 0.0)
