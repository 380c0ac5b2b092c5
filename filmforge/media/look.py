"""A look as ffmpeg's filters: grade, frame rate, grain and letterbox, each as a list to chain."""

from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path

from filmforge.look import NEUTRAL_KELVIN, Look
from filmforge.media.lut import LutFile

# ITU-R BT.709: the share of each primary in luma.
_LUMA = (0.2126, 0.7152, 0.0722)
# ITU-R BT.1886: signal to light. A gain of light is then a gain of the signal too.
_GAMMA = 2.4
_MID_GREY = 0.18 ** (1 / _GAMMA)
_XYZ_TO_RGB = (
    (3.2404542, -1.5371385, -0.4985314),
    (-0.9692660, 1.8760108, 0.0415560),
    (0.0556434, -0.2040259, 1.0572252),
)
# ffmpeg mixes channels with factors of at most 2.
_MOST_SATURATION_AT_ONCE = 2.0
_FULL_GRAIN = 40
_KEPT_BACK = 4
_GRAIN_SEED = 1895
_BETWEEN: Mapping[str, str] = {
    "blend": "framerate=fps={fps}",
    "motion": "minterpolate=fps={fps}:mi_mode=mci:mc_mode=aobmc:me_mode=bidir:vsbmc=1",
}


def scaler(look: Look) -> str:
    """The flag of ffmpeg's scale filter."""
    return look.scaler or "bicubic"


def is_graded(look: Look) -> bool:
    """Whether the look changes colours, so that pictures must pass through 16-bit RGB."""
    return bool(_light(look) or _saturated(look) or uses_lut(look))


def grade(look: Look, lut: LutFile | None) -> list[str]:
    """The filters of the grade, over 16-bit RGB: light, contrast, saturation, then the LUT.

    The LUT comes last, because it is made for pictures that are right; its strength is in it.
    """
    return [*_light(look), *_saturated(look), *(_looked_up(lut) if lut else ())]


def _light(look: Look) -> list[str]:
    contrast = 1.0 if look.contrast is None else look.contrast
    gains = _gains(look)
    if contrast == 1 and gains == (1.0, 1.0, 1.0):
        return []
    curves = (
        f"{name}='clip(((val/maxval)*{gain:.6f}-{_MID_GREY:.6f})*{contrast:.6f}"
        f"+{_MID_GREY:.6f},0,1)*maxval'"
        for name, gain in zip("rgb", gains, strict=True)
    )
    return ["lutrgb=" + ":".join(curves)]


def _gains(look: Look) -> tuple[float, float, float]:
    """What exposure and temperature multiply red, green and blue signals with."""
    red, green, blue = _tint(look.temperature or NEUTRAL_KELVIN)
    stops = look.exposure or 0.0
    gain = 2.0 ** (stops / _GAMMA)
    return gain * red, gain * green, gain * blue


def _tint(kelvin: float) -> tuple[float, float, float]:
    """The signal gains that turn light of 6500 K into light of `kelvin`; grey keeps its luma."""
    if kelvin == NEUTRAL_KELVIN:
        return 1.0, 1.0, 1.0
    light = [
        max(0.0, there / here)
        for there, here in zip(_black_body(kelvin), _black_body(NEUTRAL_KELVIN), strict=True)
    ]
    luma = sum(share * part for share, part in zip(_LUMA, light, strict=True))
    red, green, blue = ((part / luma) ** (1 / _GAMMA) for part in light)
    return red, green, blue


def _black_body(kelvin: float) -> tuple[float, float, float]:
    """The colour of a black body as linear red, green and blue of luminance 1.

    The formula is M. Krystek's, Color Research and Application 10 (1985), 1000 to 15000 K.
    """
    square = kelvin * kelvin
    u = (0.860117757 + 1.54118254e-4 * kelvin + 1.28641212e-7 * square) / (
        1 + 8.42420235e-4 * kelvin + 7.08145163e-7 * square
    )
    v = (0.317398726 + 4.22806245e-5 * kelvin + 4.20481691e-8 * square) / (
        1 - 2.89741816e-5 * kelvin + 1.61456053e-7 * square
    )
    below = 2 * u - 8 * v + 4
    x, y = 3 * u / below, 2 * v / below
    xyz = (x / y, 1.0, (1 - x - y) / y)
    red, green, blue = (
        sum(factor * part for factor, part in zip(row, xyz, strict=True)) for row in _XYZ_TO_RGB
    )
    return red, green, blue


def _saturated(look: Look) -> list[str]:
    saturation = 1.0 if look.saturation is None else look.saturation
    if saturation == 1:
        return []
    if saturation > _MOST_SATURATION_AT_ONCE:
        return [_mixer(saturation**0.5)] * 2
    return [_mixer(saturation)]


def _mixer(saturation: float) -> str:
    factors = (
        f"{out}{source}={share * (1 - saturation) + (saturation if out == source else 0):.6f}"
        for out in "rgb"
        for source, share in zip("rgb", _LUMA, strict=True)
    )
    return "colorchannelmixer=" + ":".join(factors)


def uses_lut(look: Look) -> bool:
    """Whether the look has a LUT that changes anything."""
    return look.lut is not None and look.lut_strength != 0


def _looked_up(lut: LutFile) -> list[str]:
    interpolation = "linear" if lut.dimensions == 1 else "tetrahedral"
    return [f"lut{lut.dimensions}d=file={quoted(lut.path)}:interp={interpolation}"]


def quoted(path: Path) -> str:
    """A path as the value of a filter's option: escaped for the option, then for the graph."""
    option = "".join(f"\\{char}" if char in "\\':" else char for char in str(path.absolute()))
    return "".join(f"\\{char}" if char in "\\'[],; \t\n" else char for char in option)


def retimed(look: Look, source: Fraction, fps: Fraction) -> list[str]:
    """The filters that bring a steady `source` rate to `fps`; none if frames are repeated."""
    if not draws_between(look, source, fps):
        return []
    # They keep the last frames back until more come, and a lone frame for ever.
    more = f"tpad=stop={_KEPT_BACK}:stop_mode=clone"
    return [more, _BETWEEN[look.rate or ""].format(fps=fps), f"fps={fps}:start_time=0"]


def draws_between(look: Look, source: Fraction, fps: Fraction) -> bool:
    """Whether frames are made that the clip doesn't have, rather than repeated or left out."""
    return look.rate in _BETWEEN and source != fps


def finish(look: Look, width: int, height: int) -> list[str]:
    """The filters over the finished 8-bit frame: grain, then the bars, which stay black."""
    return [*_grain(look), *_letterbox(look, width, height)]


def _grain(look: Look) -> list[str]:
    strength = round((look.grain or 0) * _FULL_GRAIN)
    return [f"noise=c0s={strength}:c0_seed={_GRAIN_SEED}:c0f=t"] if strength else []


def _letterbox(look: Look, width: int, height: int) -> list[str]:
    """Bars of an even number of pixels, above and below or at the sides, to the shape asked for."""
    if look.letterbox is None or look.letterbox == "off":
        return []
    across = 2 * round((height - width / look.letterbox) / 4)
    beside = 2 * round((width - height * look.letterbox) / 4)
    if across > 0:
        return [_bar(f"0:y={y}:w=iw:h={across}") for y in (0, height - across)]
    if beside > 0:
        return [_bar(f"{x}:y=0:w={beside}:h=ih") for x in (0, width - beside)]
    return []


def _bar(place: str) -> str:
    return f"drawbox=x={place}:color=black:t=fill"
