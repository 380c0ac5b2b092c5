"""A `.cube` is read strictly, by the line, and written so that ffmpeg reads it rightly."""

from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from filmforge.errors import BadMedia
from filmforge.media.ffmpeg import run_ffmpeg
from filmforge.media.look import quoted
from filmforge.media.lut import MAX_BYTES, Cube, read_cube, write_cube

_CORNERS = "0 0 0\n1 0 0\n0 1 0\n1 1 0\n0 0 1\n1 0 1\n0 1 1\n1 1 1\n"
_PLAIN = f"LUT_3D_SIZE 2\n{_CORNERS}"
_SQUARES = "".join(f"{r * r} {g * g} {b * b}\n" for b in (0, 0.5, 1) for g in (0, 0.5, 1)
                   for r in (0, 0.5, 1))  # fmt: skip


def _file(path: Path, text: str | bytes) -> Path:
    path.write_bytes(text.encode("latin-1") if isinstance(text, str) else text)
    return path


def _read(tmp_path: Path, text: str | bytes) -> Cube:
    return read_cube(_file(tmp_path / "a.cube", text))


@pytest.mark.parametrize(
    "text",
    [
        _PLAIN,
        f'TITLE "Caf\xe9, # of 2"\n# a comment\n\n{_PLAIN}\n# the end\n\n',
        _PLAIN.replace("\n", "\r\n"),
        _PLAIN.replace("\n", "\r"),
        "\xef\xbb\xbf" + _PLAIN,
        "LUT_3D_SIZE  2 \n" + _CORNERS.replace("0 ", "0.e-3\t ").replace("1", "+1.000E+00"),
        f"DOMAIN_MIN 0 0 0\nDOMAIN_MAX 1.0 1 1.\n{_PLAIN}",
        f"LUT_3D_INPUT_RANGE 0.0 1.0\n{_PLAIN}",
    ],
)
def test_every_way_of_writing_a_cube_is_read(tmp_path: Path, text: str) -> None:
    cube = _read(tmp_path, text)
    assert (cube.dimensions, cube.size, cube.low, cube.high) == (3, 2, (0, 0, 0), (1, 1, 1))
    assert cube.table.tolist() == [[r, g, b] for b in (0, 1) for g in (0, 1) for r in (0, 1)]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", r"line 1: the file ends without LUT_3D_SIZE"),
        ("0 0 0\n", r"line 1: neither a word .* LUT_3D_SIZE before it"),
        (_PLAIN.replace("1 1 0", "1 nan 0"), r"line 5: '1 nan 0' is not three numbers.*NaN"),
        (_PLAIN.replace("1 1 0", "inf 1 0"), r"line 5: .* not three numbers"),
        (_PLAIN.replace("1 1 0", "INF 1 0"), r"line 5: .* not three numbers"),
        (_PLAIN.replace("1 1 0", "1e300 1 0"), r"line 5: a number beyond 1,000"),
        (_PLAIN.replace("1 1 0", "1 1"), r"line 5: '1 1' is not three numbers"),
        (_PLAIN.replace("1 1 0", "1 1 0 1"), r"line 5: .* not three numbers"),
        (_PLAIN.replace("1 1 0", "1,0 1 0"), r"line 5: .* as decimals"),
        (_PLAIN.replace("1 1 0", "1_0 1 0"), r"line 5: .* not three numbers"),
        (_PLAIN + "1 1 1\n", r"line 10: more than the 8 points"),
        (_PLAIN[:-6], r"ends after 7 of 8 points\. It was cut short"),
        ("LUT_3D_SIZE 1\n", r"line 1: LUT_3D_SIZE is '1'.*2 to 65 points"),
        ("LUT_3D_SIZE 256\n", r"line 1: .*2 to 65 points"),
        ("LUT_3D_SIZE 99999999999\n", r"line 1: .*2 to 65 points"),
        ("LUT_3D_SIZE -4\n", r"line 1: LUT_3D_SIZE is '-4'"),
        ("LUT_1D_SIZE 65537\n", r"line 1: .*2 to 65,536 points"),
        (f"LUT_1D_SIZE 2\n{_PLAIN}", r"line 2: a second size.*without a shaper"),
        (f"{_PLAIN}DOMAIN_MIN 0 0 0\n", r"line 10: DOMAIN_MIN stands after the first point"),
        (f"DOMAIN_MIN 1 0 0\n{_PLAIN}", r"the domain goes from 1 to 1"),
        (f"DOMAIN_MAX 1 nan 0\n{_PLAIN}", r"line 1: 'nan|line 1: '1 nan"),
        (f"LUT_IN_VIDEO_RANGE\n{_PLAIN}", r"line 1: LUT_IN_VIDEO_RANGE is no word"),
        ("# " + "x" * 300 + f"\n{'9' * 300}\n", r"line 2: is longer than 250 characters"),
        (_PLAIN.encode("utf-16"), r"not plain text"),
        ('<?xml version="1.0"?>', r"line 1: neither a word"),
    ],
)
def test_what_is_wrong_is_named_by_its_line_with_a_remedy(
    tmp_path: Path, text: str | bytes, said: str
) -> None:
    with pytest.raises(BadMedia, match=said) as refused:
        _read(tmp_path, text)
    assert str(refused.value).count(".") >= 1


def test_a_huge_file_is_not_read_whole(tmp_path: Path) -> None:
    path = _file(tmp_path / "a.cube", _PLAIN)
    with path.open("r+b") as file:
        file.truncate(MAX_BYTES * 1_000)
    with pytest.raises(BadMedia, match="more than 32,000,000 bytes"):
        read_cube(path)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadMedia, match="cannot be read"):
        read_cube(tmp_path / "none.cube")


def test_the_largest_cube_is_read(tmp_path: Path) -> None:
    steps = [f"{k / 64:.6f}" for k in range(65)]
    text = "\n".join(f"{r} {g} {b}" for b in steps for g in steps for r in steps)
    cube = _read(tmp_path, f"LUT_3D_SIZE 65\n{text}\n")
    assert np.allclose(cube.table[[1, 65, 65 * 65, -1]], np.vstack([np.eye(3) / 64, np.ones(3)]))


async def _through(cube: Path, levels: list[int], tmp_path: Path) -> NDArray[np.int64]:
    """What ffmpeg makes of greys of these 8-bit levels, through a LUT."""
    raw = tmp_path / "levels.rgb"
    raw.write_bytes(bytes(level for level in levels for _ in range(3)))
    dimensions = read_cube(cube).dimensions
    source = ("-f", "rawvideo", "-pix_fmt", "rgb24", "-video_size", f"{len(levels)}x1")
    out = tmp_path / "out.png"
    graph = f"format=gbrp16le,lut{dimensions}d=file={quoted(cube)},format=rgb24"
    await run_ffmpeg([*source, "-i", str(raw), "-vf", graph, "-frames:v", "1", str(out)])
    with av.open(str(out)) as media:
        return next(media.decode(video=0)).to_ndarray(format="rgb24")[0, :, 0].astype(np.int64)


@pytest.mark.parametrize(("strength", "middle"), [(0, 128), (0.5, 96), (1, 64)])
async def test_strength_goes_from_no_change_to_the_whole_lut(
    tmp_path: Path, strength: float, middle: int
) -> None:
    cube = _read(tmp_path, f"LUT_3D_SIZE 3\n{_SQUARES}")
    path = write_cube(cube, tmp_path / "b.cube", strength).path
    assert await _through(path, [0, 128, 255], tmp_path) == pytest.approx([0, middle, 255], abs=1)


@pytest.mark.parametrize("dimensions", [1, 3])
async def test_a_domain_that_ffmpeg_would_misread_is_sampled_anew(
    tmp_path: Path, dimensions: int
) -> None:
    points = "0 0 0\n1 1 1\n" if dimensions == 1 else _CORNERS
    text = f"LUT_{dimensions}D_SIZE 2\nDOMAIN_MIN -1 -1 -1\nDOMAIN_MAX 2 2 2\n{points}"
    path = write_cube(_read(tmp_path, text), tmp_path / "b.cube").path
    shown = await _through(path, [0, 128, 255], tmp_path)
    assert shown == pytest.approx([255 / 3, 128, 255 * 2 / 3], abs=1)


async def test_a_curve_is_a_lut_too(tmp_path: Path) -> None:
    cube = _read(tmp_path, "LUT_1D_SIZE 3\n1 1 1\n.25 .25 .25\n0 0 0\n")
    written = write_cube(cube, tmp_path / "b.cube")
    assert written.dimensions == 1
    shown = await _through(written.path, [0, 128, 255], tmp_path)
    assert shown == pytest.approx([255, 64, 0], abs=1)


def test_the_same_lut_gives_the_same_bytes(tmp_path: Path) -> None:
    cube = _read(tmp_path, f"LUT_3D_SIZE 3\n{_SQUARES}")
    first, second = (write_cube(cube, tmp_path / name, 0.3).path for name in "bc")
    assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize("name", ["a b", "it's", "a:b", "[a],b;c=d", "a\\b", " a ", "%d{x}", "é✓"])
async def test_a_path_is_quoted_whatever_it_holds(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    folder.mkdir()
    inverse = _read(tmp_path, "LUT_1D_SIZE 2\n1 1 1\n0 0 0\n")
    path = write_cube(inverse, folder / "b.cube").path
    assert await _through(path, [0, 255], tmp_path) == pytest.approx([255, 0], abs=1)
