"""Run functions on this machine's GPU: seconds, peak memory, and a contact sheet of what they made.

`python -m gpu_functions.check_on_gpu --weights DIR --sheet sheet.png image_sdxl upscale …` runs
each with its weights of DIR/FUNCTION; `--input role=FILE` gives what it is made from. With
`--tiny` and no weights, in a checkout, the tiny random models of the tests are built and run: it
shows that everything works on this GPU, and nothing about its speed with real weights.
"""

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from pydantic import JsonValue

from filmforge.domain import Work
from filmforge.errors import BadInput, FilmError
from gpu_functions.catalogue import MAKERS, maker_of
from gpu_functions.device import GIB, Device
from gpu_functions.maker import Made, Maker, Room

RUNS = 2
CELL = (320, 240)
CAPTION = 48
# What a function is asked for where nobody says anything else.
SAMPLES: Mapping[str, dict[str, JsonValue]] = {
    "depth": {"duration": "3", "fps": "24", "width": 1280, "height": 720, "camera": "push in"},
    "face_restore": {},
    "identity": {},
    "image_flux": {"prompt": "A lamp in an empty attic", "width": 1280, "height": 720},
    "image_sdxl": {"prompt": "A lamp in an empty attic", "width": 1280, "height": 720},
    "interpolate": {"factor": 2},
    "music": {"prompt": "A slow waltz for piano", "duration": "20"},
    "speech": {"text": "It was here all along."},
    "train_lora": {"name": "check", "kind": "style", "trigger": "checked", "licence": "none"},
    "transcribe": {},
    "upscale": {"scale": 4},
    "video_ltx": {"prompt": "The lamp swings", "duration": "4", "fps": "24"},
    "video_wan": {"prompt": "The lamp swings", "duration": "4", "fps": "16"},
}


@dataclass(frozen=True)
class Figures:
    """What one function took; `made_s` of each run, the first with whatever is done only once."""

    function: str
    load_s: float
    made_s: list[float]
    peak_gib: float
    needs_gib: float
    media_type: str
    facts: dict[str, JsonValue]


class FolderCheckpoints:
    """Checkpoints in a folder, a new one for each run."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def save(self, name: str, path: Path) -> None:
        """Keep a file under a name, in place of an earlier one."""
        self._folder.mkdir(exist_ok=True)
        shutil.copyfile(path, self._folder / name)

    def load(self, name: str, path: Path) -> bool:
        """Write what was kept under a name to a path; False where there is nothing."""
        if (self._folder / name).exists():
            shutil.copyfile(self._folder / name, path)
            return True
        return False


def check(
    function: str, weights: Path, work: Work, inputs: Mapping[str, Path], folder: Path
) -> tuple[Figures, Made]:
    """Load a function, run it RUNS times, and unload it."""
    import torch

    device = Device.here()
    on_gpu = device.kind == "cuda"
    if on_gpu:
        torch.cuda.reset_peak_memory_stats()
    maker_type = maker_of(function)
    started = time.monotonic()
    maker: Maker = maker_type(weights, device)
    load_s = time.monotonic() - started
    made_s = []
    for run in range(RUNS):
        scratch = folder / f"run-{run}"
        scratch.mkdir(parents=True)
        started = time.monotonic()
        kept = FolderCheckpoints(folder / f"kept-{run}")
        made = maker.make(_named(work, run), Room(scratch, inputs, kept, lambda share: None))
        made_s.append(round(time.monotonic() - started, 3))
    peak = torch.cuda.max_memory_allocated() / GIB if on_gpu else 0.0
    maker.close()
    device.forget()
    figures = Figures(
        function=function,
        load_s=round(load_s, 3),
        made_s=made_s,
        peak_gib=round(peak, 3),
        needs_gib=round(maker_type.needs_gib(work, device), 3),
        media_type=made.media_type,
        facts=dict(made.facts),
    )
    return figures, made


def _named(work: Work, run: int) -> Work:
    """The work; a LoRA gets a name of its own in each run, for names are for ever."""
    if "name" not in work.parameters:
        return work
    name = f"{work.parameters['name']}-{time.time_ns():x}-{run}"
    return work.model_copy(update={"parameters": {**work.parameters, "name": name}})


def sheet(shown: list[tuple[Figures, Made]], path: Path) -> None:
    """A contact sheet: a picture of each function's output, with its figures below."""
    from PIL import Image, ImageDraw

    columns = 4
    rows = -(-len(shown) // columns)
    whole = Image.new("RGB", (columns * CELL[0], rows * (CELL[1] + CAPTION)), (24, 24, 24))
    draw = ImageDraw.Draw(whole)
    for number, (figures, made) in enumerate(shown):
        x, y = number % columns * CELL[0], number // columns * (CELL[1] + CAPTION)
        picture = _picture(made)
        picture.thumbnail((CELL[0] - 8, CELL[1] - 8))
        whole.paste(picture, (x + 4, y + 4))
        words = f"{figures.function}\n{figures.made_s[-1]} s, peak {figures.peak_gib} GiB"
        draw.text((x + 6, y + CELL[1] + 4), words, fill=(230, 230, 230))
    whole.save(path)


def _picture(made: Made) -> Any:
    """What an output looks like: itself, its middle frame, its wave, or its words."""
    from PIL import Image, ImageDraw

    kind = made.media_type.partition("/")[0]
    if kind == "image":
        return Image.open(made.path).convert("RGB")
    if kind == "video":
        return _middle_frame(made.path)
    if kind == "audio":
        return _wave(made.path)
    picture = Image.new("RGB", CELL, (60, 60, 60))
    words = str(made.path.read_bytes()[:400])
    lines = [words[start : start + 48] for start in range(0, len(words), 48)]
    ImageDraw.Draw(picture).text((8, 8), "\n".join(lines), fill=(230, 230, 230))
    return picture


def _middle_frame(path: Path) -> Any:
    import av

    with av.open(str(path)) as file:
        frames = list(file.decode(video=0))
    return frames[len(frames) // 2].to_image()  # type: ignore[no-untyped-call] # PyAV's own


def _wave(path: Path) -> Any:
    import wave

    import numpy as np
    from PIL import Image, ImageDraw

    with wave.open(str(path)) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), np.int16)
    picture = Image.new("RGB", CELL, (40, 40, 40))
    draw, middle = ImageDraw.Draw(picture), CELL[1] // 2
    for x, part in enumerate(np.array_split(np.abs(samples.astype(np.int32)), CELL[0])):
        high = int(part.max(initial=0) / 2**15 * middle)
        draw.line((x, middle - high, x, middle + high), fill=(120, 200, 120))
    return picture


def main() -> int:
    """Check the functions that are named; 1 when one of them fails."""
    parser = argparse.ArgumentParser(prog="gpu_functions.check_on_gpu", description=__doc__)
    parser.add_argument("functions", nargs="*", default=sorted(MAKERS), metavar="FUNCTION")
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--weights", type=Path, metavar="DIR")
    where.add_argument("--tiny", action="store_true")
    parser.add_argument("--input", action="append", default=[], metavar="ROLE=FILE")
    parser.add_argument("--sheet", type=Path, default=Path("sheet.png"), metavar="FILE")
    given = parser.parse_args()
    shown, failed = [], 0
    with tempfile.TemporaryDirectory() as name:
        for function in given.functions:
            folder = Path(name) / function
            folder.mkdir()
            try:
                figures, made = check(*_asked(function, given, folder))
            except (FilmError, RuntimeError) as error:
                sys.stdout.write(json.dumps({"function": function, "failed": str(error)}) + "\n")
                failed += 1
                continue
            sys.stdout.write(json.dumps(asdict(figures)) + "\n")
            sys.stdout.flush()
            shown.append((figures, made))
        sheet(shown, given.sheet)
    sys.stdout.write(f"{given.sheet}\n")
    return 1 if failed else 0


def _asked(
    function: str, given: argparse.Namespace, folder: Path
) -> tuple[str, Path, Work, dict[str, Path], Path]:
    """What `check` takes, of the tiny model or of the weights that were named."""
    if given.tiny:
        tiny = import_module(f"tests.gpu_functions.tiny_{function}")
        weights = folder / "weights" / function
        weights.mkdir(parents=True)
        tiny.build(weights)
        parameters = dict(tiny.WORK_PARAMETERS)
        inputs = dict(tiny.inputs(folder)) if hasattr(tiny, "inputs") else {}
    else:
        weights, parameters = given.weights / function, dict(SAMPLES[function])
        inputs = dict(map(_input, given.input))
    work = Work(key="0" * 64, function=function, parameters=parameters, seed=7)
    return function, weights, work, inputs, folder / "runs"


def _input(words: str) -> tuple[str, Path]:
    role, _, file = words.partition("=")
    if not file:
        raise BadInput("--input", f"{words!r} is no ROLE=FILE", "Write it as source=picture.png.")
    return role, Path(file)


if __name__ == "__main__":
    sys.exit(main())
