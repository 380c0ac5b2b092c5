"""Writes a film's timeline in any of the formats that editors open."""

from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Literal
from urllib.parse import quote

import opentimelineio as otio

from filmforge.interchange.edl import edl_of
from filmforge.interchange.fcpxml import fcpxml_of
from filmforge.interchange.media_names import digest_of
from filmforge.interchange.native import write_otio
from filmforge.interchange.otioz import write_otioz
from filmforge.interchange.timeline import recut_of

Format = Literal["otio", "otioz", "edl", "fcpxml"]

MEDIA_TYPES: dict[Format, str] = {
    "otio": "application/vnd.pixar.opentimelineio+json",
    "otioz": "application/zip",
    "edl": "text/plain; charset=utf-8",
    "fcpxml": "application/xml",
}


def write_timeline(
    timeline: otio.schema.Timeline,
    fps: Fraction,
    format_: Format,
    names: Mapping[str, str],
    path: Path,
) -> None:
    """Write the timeline to a path; media are called as `names` has it, by digest.

    For an .otioz the media are read from the path's own folder, where they lie under their
    digests; the other formats name files beside them, to which an editor relinks.
    """
    match format_:
        case "otio":
            write_otio(_relinked(timeline, names), path)
        case "otioz":
            write_otioz(timeline, {digest: path.parent / digest for digest in names}, path)
        case "edl":
            path.write_text(edl_of(recut_of(timeline, fps), names), encoding="utf-8")
        case "fcpxml":
            urls = {digest: f"./{quote(name)}" for digest, name in names.items()}
            path.write_bytes(fcpxml_of(recut_of(timeline, fps), urls))


def _relinked(timeline: otio.schema.Timeline, names: Mapping[str, str]) -> otio.schema.Timeline:
    relinked = timeline.clone()
    for clip in relinked.find_clips():
        media = clip.media_reference
        if isinstance(media, otio.schema.ExternalReference):
            media.target_url = names[digest_of(media.target_url) or ""]
    return relinked
