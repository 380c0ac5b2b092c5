"""The finished demo film: checked, drawn as a contact sheet, and told in figures."""

import json
import tempfile
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

from rich.table import Table
from rich.text import Text

from filmforge.brief import Film as Submitted
from filmforge.cli.api import Api
from filmforge.cli.pace import clock
from filmforge.cli.tables import grid, money_text, total_usd, usd
from filmforge.cut.layout import film_frames, lay_out
from filmforge.domain import Kind
from filmforge.errors import BadMedia
from filmforge.media.probe import MediaFacts, verify
from filmforge.media.sheet import draw_sheet

Film = dict[str, Any]

_SLACK_S = 0.5


def check(path: Path, submitted: Submitted) -> MediaFacts:
    """Make sure the file plays and is the film that was asked for. Raises BadMedia."""
    facts = verify(path, Kind.VIDEO)
    wanted, length_s = submitted.output, expected_s(submitted)
    found = (facts.width, facts.height, facts.fps, facts.video_codec, facts.audio_codec)
    asked = (wanted.width, wanted.height, wanted.fps, "h264", "aac")
    if found != asked:
        raise BadMedia(f"{path} is {_words(found)}; {_words(asked)} was asked for")
    if abs((facts.duration_s or 0) - float(length_s)) > _SLACK_S:
        raise BadMedia(f"{path} lasts {facts.duration_s} s; {float(length_s):g} s were asked for")
    return facts


def expected_s(submitted: Submitted) -> Fraction:
    """How long the film lasts, in seconds: what overlaps is shown at once."""
    fps = submitted.output.fps
    slots = lay_out(submitted.shots, fps, submitted.transition, submitted.opening, submitted.trim)
    return film_frames(slots) / fps


def format_words(facts: MediaFacts) -> str:
    """The format in words: 1280x720, 24 fps, H.264/AAC, 22.0 s."""
    return (
        f"{facts.width}x{facts.height}, {facts.fps} fps, H.264/AAC, {facts.duration_s or 0:.1f} s"
    )


def _words(found: Sequence[Any]) -> str:
    width, height, fps, video, audio = found
    return f"{width}x{height}, {fps} fps, {video}/{audio or 'no sound'}"


def contact_sheet(api: Api, film: Film, submitted: Submitted, path: Path) -> None:
    """Draw the frame in use of every shot with its caption. Raises BadMedia."""
    captions = {
        shot.shot_id: f"{shot.shot_id} · {shot.shot_type} · {shot.duration:f} s"
        for shot in submitted.shots
    }
    with tempfile.TemporaryDirectory() as folder:
        frames: list[tuple[Path, str]] = []
        for place, shot in enumerate(film["shots"]):
            images = [take for take in shot["takes"] if take["kind"] == "image"]
            if images:
                frame = Path(folder) / f"{place}.png"
                api.download(images[-1]["url"], frame, images[-1]["digest"])
                frames.append((frame, captions[shot["shot_id"]]))
        draw_sheet(frames, path)


def shots_table(film: Film, costs: Film) -> Table:
    """Spent and saved by shot, with how many assets were made and how many were reused."""
    numbers = ["made", "reused", "spent", "saved"]
    table = grid("shot", *numbers, right=numbers)
    saved = {line["name"].rpartition("/")[2]: line for line in costs["by"]["shot"]}
    for shot in film["shots"]:
        reused = [take for take in shot["takes"] if take["reused"]]
        paid = total_usd(take["cost_usd"] for take in shot["takes"] if not take["reused"])
        table.add_row(
            Text(shot["shot_id"]),
            str(len(shot["takes"]) - len(reused)),
            str(len(reused)),
            usd(money_text(paid)),
            usd(saved.get(shot["shot_id"], {}).get("saved_usd", "0.00")),
        )
    table.add_section()
    made, again = counts(film)
    budget = film["budget"]
    table.add_row(
        "all",
        str(made),
        str(again),
        usd(budget["spent_usd"]),
        usd(budget["saved_usd"]),
        style="bold",
    )
    return table


def counts(film: Film) -> tuple[int, int]:
    """How many assets were made for the film, and how many it took from the cache."""
    takes = [take for shot in film["shots"] for take in shot["takes"]]
    reused = sum(bool(take["reused"]) for take in takes)
    return len(takes) - reused, reused


def compare(memory: Path, film: Film, wall_s: float, body_digest: str) -> str:
    """Say what the cache saved against the run in which the same film was made from nothing.

    That run is kept in the file `memory` once it was seen.
    """
    made, reused = counts(film)
    if not reused:
        first = {"film_id": film["film_id"], "wall_s": round(wall_s, 2), "body": body_digest}
        memory.write_text(json.dumps(first))
        return f"Made {made} assets in {wall_s:.1f} s; the next run takes them from the cache."
    saved = film["budget"]["saved_usd"]
    worth = f"saved {usd(saved)}" if Decimal(saved) else "which saved time; they were free"
    said = f"The cache gave {reused} of {made + reused} assets, {worth}"
    first = _remembered(memory)
    if first.get("body") != body_digest:
        return f"{said}; this run took {wall_s:.1f} s."
    before_s = float(first["wall_s"])
    less = f" ({clock(before_s - wall_s)} less)" if before_s > wall_s else ""
    return f"{said}: {wall_s:.1f} s now, {before_s:.1f} s when everything was made{less}."


def _remembered(memory: Path) -> dict[str, Any]:
    try:
        found = json.loads(memory.read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
