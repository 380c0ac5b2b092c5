"""Read `.cube` LUTs strictly, and write them the one way that ffmpeg reads rightly."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from filmforge.errors import BadMedia

MAX_BYTES = 32_000_000
SIZES: dict[int, range] = {1: range(2, 65_537), 3: range(2, 66)}

_MOST = 1_000.0
# A LUT of another domain than 0 to 1 is sampled anew at as many points.
_RESAMPLED = {1: 4_096, 3: 65}
_LONGEST_LINE = 250
_NUMBER = r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?"
_TRIPLE = re.compile(rf"\s*({_NUMBER})\s+({_NUMBER})\s+({_NUMBER})\s*")
_PAIR = re.compile(rf"\s*({_NUMBER})\s+({_NUMBER})\s*")
_WORD = re.compile(r"[A-Z][A-Z0-9_]*")
_EXPORT = "Export the LUT again as a .cube"

Table = NDArray[np.float32]
Colour = tuple[float, float, float]


class Cube(NamedTuple):
    """A LUT: `table` of shape (points, 3), red running fastest; `low` and `high` are its domain."""

    dimensions: Literal[1, 3]
    size: int
    low: Colour
    high: Colour
    table: Table


class LutFile(NamedTuple):
    """A file that `write_cube` wrote."""

    path: Path
    dimensions: Literal[1, 3]


def read_cube(path: Path) -> Cube:
    """Read a 1D or 3D `.cube` file, as Adobe and Iridas write it. Raises BadMedia by the line."""
    reader = _Reader()
    number = 0
    for number, line in enumerate(_lines(path), 1):
        reader.read(number, line)
    return reader.finish(number)


def write_cube(cube: Cube, path: Path, strength: float = 1.0) -> LutFile:
    """Write a LUT of the domain 0 to 1, mixed with no change at all as `strength` goes to 0.

    Between its points a LUT is linear, and so is no change: the mixture is exact.
    """
    if (cube.low, cube.high) != ((0, 0, 0), (1, 1, 1)):
        cube = _resampled(cube)
    plain = _lattice(cube.dimensions, cube.size)
    mixed = plain + np.float32(strength) * (cube.table - plain)
    with path.open("w", encoding="ascii", newline="\n") as file:
        file.write(f"LUT_{cube.dimensions}D_SIZE {cube.size}\n")
        np.savetxt(file, mixed, fmt="%.7f")
    return LutFile(path, cube.dimensions)


def _lattice(dimensions: int, size: int) -> Table:
    """The LUT that changes nothing."""
    steps = np.linspace(0, 1, size, dtype=np.float32)
    if dimensions == 1:
        return np.repeat(steps[:, None], 3, axis=1)
    blue, green, red = np.meshgrid(steps, steps, steps, indexing="ij")
    return np.stack([red.ravel(), green.ravel(), blue.ravel()], axis=1)


def _resampled(cube: Cube) -> Cube:
    """The same LUT over 0 to 1, which is all that ffmpeg asks it for."""
    size = _RESAMPLED[cube.dimensions]
    low, high = np.array(cube.low), np.array(cube.high)
    asked = (_lattice(cube.dimensions, size) - low) / (high - low)
    places = np.clip(asked, 0, 1) * (cube.size - 1)
    table = _curves(cube, places) if cube.dimensions == 1 else _trilinear(cube, places)
    return Cube(cube.dimensions, size, (0, 0, 0), (1, 1, 1), table.astype(np.float32))


def _curves(cube: Cube, places: NDArray[np.float64]) -> NDArray[np.float64]:
    points = np.arange(cube.size)
    columns = [np.interp(places[:, k], points, cube.table[:, k]) for k in range(3)]
    return np.stack(columns, axis=1)


def _trilinear(cube: Cube, places: NDArray[np.float64]) -> NDArray[np.float64]:
    floor = np.minimum(places.astype(np.intp), cube.size - 2)
    part = places - floor
    mixed = np.zeros_like(places)
    for corner in np.ndindex(2, 2, 2):
        index = (floor + corner) @ np.array([1, cube.size, cube.size**2])
        weight = np.where(corner, part, 1 - part).prod(axis=1)
        mixed += weight[:, None] * cube.table[index]
    return mixed


def _lines(path: Path) -> Iterator[str]:
    try:
        with path.open("rb") as file:
            held = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise BadMedia(f"the LUT cannot be read: {error.strerror}") from None
    if len(held) > MAX_BYTES:
        raise BadMedia(f"the LUT has more than {MAX_BYTES:,} bytes. {_EXPORT} of 33 points")
    if b"\0" in held:
        raise BadMedia(f"the LUT is not plain text. {_EXPORT} in plain ASCII or UTF-8")
    # Only titles and comments may hold more than ASCII, and nobody reads those.
    text = held.removeprefix(b"\xef\xbb\xbf").decode("latin-1")
    yield from text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def _refuse(number: int, problem: str, remedy: str) -> BadMedia:
    return BadMedia(f"the LUT, line {number}: {problem}. {remedy}")


class _Reader:
    """What was read of a `.cube` so far, line by line."""

    def __init__(self) -> None:
        self._dimensions: Literal[1, 3] | None = None
        self._size = 0
        self._low: Colour = (0, 0, 0)
        self._high: Colour = (1, 1, 1)
        self._table: Table = np.zeros((0, 3), np.float32)
        self._filled = 0

    def read(self, number: int, line: str) -> None:
        """Take one line in."""
        line = line.strip()
        if not line or line.startswith("#"):
            return
        if len(line) > _LONGEST_LINE:
            raise _refuse(number, f"is longer than {_LONGEST_LINE} characters", f"{_EXPORT} file")
        word = line.split(maxsplit=1)[0]
        if word == "TITLE":
            return
        if _WORD.fullmatch(word) and word not in ("NAN", "INF", "INFINITY"):
            self._keyword(number, word, line[len(word) :])
        else:
            self._point(number, line)

    def finish(self, number: int) -> Cube:
        """The LUT, if nothing of it is missing."""
        if self._dimensions is None:
            raise _refuse(number, "the file ends without LUT_3D_SIZE or LUT_1D_SIZE", _EXPORT)
        if self._filled < len(self._table):
            found = f"the file ends after {self._filled:,} of {len(self._table):,} points"
            raise _refuse(number, found, f"It was cut short: upload it again, or {_EXPORT.lower()}")
        for low, high in zip(self._low, self._high, strict=True):
            if not low < high:
                problem = f"the domain goes from {low:g} to {high:g}"
                raise _refuse(number, problem, "Make every DOMAIN_MAX more than its DOMAIN_MIN")
        return Cube(self._dimensions, self._size, self._low, self._high, self._table)

    def _keyword(self, number: int, word: str, rest: str) -> None:
        if self._filled:
            raise _refuse(number, f"{word} stands after the first point", "Move it to the top")
        match word:
            case "LUT_1D_SIZE":
                self._sized(number, 1, rest)
            case "LUT_3D_SIZE":
                self._sized(number, 3, rest)
            case "DOMAIN_MIN":
                self._low = self._triple(number, rest)
            case "DOMAIN_MAX":
                self._high = self._triple(number, rest)
            case "LUT_1D_INPUT_RANGE" | "LUT_3D_INPUT_RANGE":
                self._ranged(number, word, rest)
            case _:
                raise _refuse(number, f"{word[:40]} is no word of a .cube", "Remove the line")

    def _sized(self, number: int, dimensions: Literal[1, 3], rest: str) -> None:
        if self._dimensions is not None:
            remedy = f"{_EXPORT} that is either 1D or 3D, without a shaper"
            raise _refuse(number, "a second size", remedy)
        sizes = SIZES[dimensions]
        written = rest.strip()
        if not re.fullmatch("[0-9]{1,5}", written) or int(written) not in sizes:
            problem = f"LUT_{dimensions}D_SIZE is {written[:20]!a}"
            bounds = f"{sizes.start} to {sizes.stop - 1:,} points"
            raise _refuse(number, problem, f"{_EXPORT} of {bounds} (33 or 65 are usual)")
        self._dimensions, self._size = dimensions, int(written)
        self._table = np.zeros((self._size**dimensions, 3), np.float32)

    def _ranged(self, number: int, word: str, rest: str) -> None:
        found = _PAIR.fullmatch(rest)
        if not found:
            raise _refuse(number, f"{word} needs two numbers", "Write 0.0 1.0")
        low, high = _values(number, found.groups())
        self._low, self._high = (low, low, low), (high, high, high)

    def _point(self, number: int, line: str) -> None:
        if self._dimensions is None:
            problem = "neither a word of a .cube nor LUT_3D_SIZE before it"
            raise _refuse(number, problem, f"{_EXPORT} file")
        if self._filled == len(self._table):
            problem = f"more than the {len(self._table):,} points that its size says"
            raise _refuse(number, problem, "Remove what follows the last point, or mend the size")
        self._table[self._filled] = self._triple(number, line)
        self._filled += 1

    def _triple(self, number: int, written: str) -> Colour:
        found = _TRIPLE.fullmatch(written)
        if not found:
            remedy = "Write red, green and blue as decimals, without NaN or infinity"
            raise _refuse(number, f"{written.strip()[:40]!a} is not three numbers", remedy)
        red, green, blue = _values(number, found.groups())
        return red, green, blue


def _values(number: int, written: Iterable[str]) -> list[float]:
    values = [float(each) for each in written]
    if any(abs(value) > _MOST for value in values):
        raise _refuse(number, f"a number beyond {_MOST:,.0f}", "Values are from 0 to 1, or near it")
    return values
