"""Of one's own GPU's memory no more is used than was declared, and the log says what it holds."""

from pathlib import Path
from typing import Any

import pytest
import structlog

from filmforge.domain import Work
from filmforge.errors import NotConfigured
from gpu_functions.device import Device
from gpu_functions.maker import Room, TooLarge
from gpu_functions.residency import Residency
from tests.gpu.makers import MAKERS, Painter, Sifter, Sketcher

BUDGET_GIB = 10.0


@pytest.fixture
def residency(weights: Path, monkeypatch: pytest.MonkeyPatch) -> Residency:
    monkeypatch.setattr(Device, "forget", lambda self: None)  # torch is not installed here
    return Residency(Device("cuda", "a GPU", BUDGET_GIB), weights, MAKERS.__getitem__)


def make(residency: Residency, folder: Path, function: str, **parameters: Any) -> None:
    scratch = folder / f"scratch-{len(list(folder.iterdir()))}"
    scratch.mkdir()
    work = Work(key="0" * 64, function=function, parameters=parameters)
    residency.make(work, Room(scratch, {}, Nothing(), lambda share: None))


class Nothing:
    """No checkpoints."""

    def save(self, name: str, path: Path) -> None:
        pass

    def load(self, name: str, path: Path) -> bool:
        return False


def test_a_maker_is_loaded_once_and_stays(residency: Residency, tmp_path: Path) -> None:
    for _ in range(3):
        make(residency, tmp_path, "painter")
    assert Painter.loads == 1
    assert residency.resident == {"painter": 4.0}


def test_of_two_heavy_makers_one_is_resident_although_both_would_fit(
    residency: Residency, tmp_path: Path
) -> None:
    make(residency, tmp_path, "painter")
    make(residency, tmp_path, "sketcher")
    assert residency.resident == {"sketcher": 4.0}
    make(residency, tmp_path, "painter")
    assert (Painter.loads, Sketcher.loads) == (2, 1)


def test_a_light_maker_stays_beside_a_heavy_one_as_long_as_both_fit(
    residency: Residency, tmp_path: Path
) -> None:
    make(residency, tmp_path, "painter")
    make(residency, tmp_path, "sifter", gib=2)
    assert residency.resident == {"painter": 4.0, "sifter": 2.0}
    make(residency, tmp_path, "sketcher", gib=9)
    assert residency.resident == {"sketcher": 9.0}
    assert Sifter.loads == 1


def test_a_request_above_the_budget_is_refused_with_the_number(
    residency: Residency, tmp_path: Path
) -> None:
    make(residency, tmp_path, "painter")
    with pytest.raises(TooLarge, match=r"needs 12\.5 GiB of GPU memory, 10\.0 GiB is the budget"):
        make(residency, tmp_path, "sketcher", gib=12.5)
    assert residency.resident == {"painter": 4.0}


def test_a_larger_request_of_a_resident_maker_makes_way_for_itself(
    residency: Residency, tmp_path: Path
) -> None:
    make(residency, tmp_path, "sifter", gib=3)
    make(residency, tmp_path, "painter", gib=4)
    make(residency, tmp_path, "painter", gib=8)
    assert residency.resident == {"painter": 8.0}


def test_switches_are_logged_with_their_times_and_what_is_resident(
    residency: Residency, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = structlog.testing.LogCapture()
    monkeypatch.setattr(
        "gpu_functions.residency.log", structlog.wrap_logger(None, [kept], structlog.BoundLogger)
    )
    make(residency, tmp_path, "painter")
    make(residency, tmp_path, "sketcher")
    logs = kept.entries
    switched = [log for log in logs if log["event"] == "gpu.switched"]
    assert [(log["loaded"], log["unloaded"]) for log in switched] == [
        ("painter", []),
        ("sketcher", ["painter"]),
    ]
    assert switched[1]["resident_gib"] == {"sketcher": 4.0}
    assert all(log["switch_s"] >= 0 for log in switched)
    assert [log["function"] for log in logs if log["event"] == "gpu.unloaded"] == ["painter"]


def test_weights_that_are_not_there_are_not_fetched_but_asked_for(
    residency: Residency, weights: Path, tmp_path: Path
) -> None:
    (weights / "painter").rmdir()
    with pytest.raises(NotConfigured, match="filmforge gpu download painter"):
        make(residency, tmp_path, "painter")
