"""What a new cut of a film leaves of its subtitle files, told before it is made."""

import asyncio
from fractions import Fraction

from filmforge.brief import Brief
from filmforge.cut.overrun import overruns
from filmforge.errors import BadInput, NotFound
from filmforge.gateway.state import Gateway
from filmforge.gateway.uploads import workspace
from filmforge.media.captionfile import read_captions
from filmforge.subtitles import Cue


async def overruns_of_files(gateway: Gateway, brief: Brief, frames: int) -> tuple[str, ...]:
    """What of a film's subtitle files falls out of a cut of so many frames.

    Raises BadInput for a file that is not stored any more.
    """
    fps, found = brief.output.fps, dict[str, tuple[Cue, ...]]()
    for index, track in enumerate(brief.subtitles.tracks if brief.subtitles else ()):
        if track.file:
            try:
                found[track.language] = await _read(gateway, track.file, fps)
            except NotFound as error:
                raise BadInput(
                    f"subtitles.tracks[{index}].file",
                    f"the file {track.file} is not stored any more",
                    "Upload the same file again with POST /v1/assets (`filmforge upload FILE`).",
                ) from error
    return overruns(found, frames, fps)


async def _read(gateway: Gateway, digest: str, fps: Fraction) -> tuple[Cue, ...]:
    with workspace(gateway.settings.work_dir) as path:
        await gateway.store.fetch(digest, path)
        return await asyncio.to_thread(read_captions, path, fps)
