"""A contact sheet shows every frame with its caption."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from filmforge.errors import BadInput, BadMedia
from filmforge.media.sheet import draw_sheet


def _frame(path: Path, colour: str, size: tuple[int, int] = (320, 180)) -> Path:
    Image.new("RGB", size, colour).save(path)
    return path


def test_frames_stand_in_rows_with_captions_under_them(tmp_path: Path) -> None:
    colours = ("red", "lime", "blue", "yellow")
    frames = [(_frame(tmp_path / f"{c}.png", c), f"shot_{c}") for c in colours]
    draw_sheet(frames, tmp_path / "sheet.png", columns=3, width=960)
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert (sheet.format, sheet.width) == ("PNG", 960)
        cell = (960 - 2 * 24 - 2 * 12) // 3
        middle = 24 + cell * 9 // 32
        for column, rgb in enumerate([(255, 0, 0), (0, 255, 0), (0, 0, 255)]):
            left = 24 + column * (cell + 12)
            assert sheet.getpixel((left + cell // 2, middle)) == rgb
            caption = sheet.crop(
                (left, 24 + cell * 9 // 16 + 4, left + cell, 24 + cell * 9 // 16 + 30)
            )
            assert np.asarray(caption.convert("L")).max() > 150
        assert sheet.height > 2 * cell * 9 // 16


def test_pictures_of_other_shapes_and_long_captions_stay_in_their_cells(tmp_path: Path) -> None:
    frames = [
        (_frame(tmp_path / "a.png", "gray"), "word " * 200),
        (_frame(tmp_path / "b.png", "red", (100, 400)), "two\nlines"),
        (_frame(tmp_path / "c.jpg", "red", (400, 100)), ""),
    ]
    draw_sheet(frames, tmp_path / "sheet.png", columns=2, width=400)
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert np.ptp(np.asarray(sheet.crop((395, 0, 400, sheet.height)).convert("L"))) == 0


def test_what_cannot_be_drawn_is_said(tmp_path: Path) -> None:
    frame = _frame(tmp_path / "a.png", "red")
    broken = tmp_path / "b.png"
    broken.write_bytes(frame.read_bytes()[:60])
    sheet = tmp_path / "sheet.png"
    with pytest.raises(BadInput, match="at least one"):
        draw_sheet([], sheet)
    with pytest.raises(BadInput, match="fewer columns"):
        draw_sheet([(frame, "")] * 90, sheet, columns=90)
    with pytest.raises(BadInput, match="too tall"):
        draw_sheet([(frame, "")] * 900, sheet)
    with pytest.raises(BadMedia):
        draw_sheet([(frame, ""), (broken, "")], sheet)
    assert not sheet.exists()
