"""OTIOZ: one archive with the timeline and every file it names, written and read as a stream."""

import io
import shutil
import struct
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import opentimelineio as otio

from filmforge.errors import BadInput
from filmforge.interchange.media_names import digest_of, file_name, suffix_of
from filmforge.interchange.native import MAX_BYTES, json_of, read_otio
from filmforge.media.sniff import sniff

_VERSION = "1.0.0"
_CONTENT = "content.otio"
_MEDIA = "media/"
_EPOCH = (1980, 1, 1, 0, 0, 0)
_BLOCK = 1 << 20
_MAX_ENTRIES = 20_000
_MAX_DIRECTORY = 8 << 20


def write_otioz(timeline: otio.schema.Timeline, media: Mapping[str, Path], path: Path) -> None:
    """Write the timeline with its media, stored uncompressed under names with their digests.

    `media` gives the local file of every digest that a clip shows; BadInput names the first that
    it lacks. Memory does not grow with the media; the same inputs give the same bytes.
    """
    bundled = timeline.clone()
    names: dict[str, str] = {}
    for clip, digest in _shown(bundled):
        if digest not in names:
            names[digest] = _named(clip.name, digest, media)
        clip.media_reference.target_url = names[digest]
    partial = path.with_name(path.name + ".partial")
    with zipfile.ZipFile(partial, "w", zipfile.ZIP_STORED) as archive:
        for name, text in (("version.txt", _VERSION), (_CONTENT, json_of(bundled))):
            archive.writestr(_entry(name, zipfile.ZIP_DEFLATED), text)
        for digest, name in names.items():
            _copy(media[digest], archive, name)
    partial.replace(path)


def read_otioz(path: Path) -> otio.schema.Timeline:
    """The timeline in an archive; the media in it are left alone, for the film has its own.

    Raises BadInput as `content_of`, and for what is no timeline.
    """
    return read_otio(content_of(path))


def content_of(path: Path) -> str:
    """The .otio file in an archive.

    Raises BadInput for a directory of more than 20,000 entries or 8 MiB, for names that lead out
    of the archive, and for a timeline of more than 64 MiB.
    """
    try:
        with _Bounded(path) as file, zipfile.ZipFile(file) as archive:
            return _content(archive)
    except (zipfile.BadZipFile, struct.error, OSError, EOFError, RuntimeError) as error:
        raise _bad(f"it cannot be read as a zip archive: {error}") from None
    except (UnicodeDecodeError, NotImplementedError, zipfile.LargeZipFile) as error:
        raise _bad(f"its timeline cannot be read: {error}") from None


def _shown(timeline: otio.schema.Timeline) -> Iterator[tuple[Any, str]]:
    for clip in timeline.find_clips():
        media = clip.media_reference
        if isinstance(media, otio.schema.ExternalReference):
            digest = digest_of(media.target_url) or clip.metadata.get("filmforge", {}).get("digest")
            if not digest:
                raise _bad(f"the media {media.target_url[:100]!r} of {clip.name!r} has no digest")
            yield clip, str(digest)


def _named(name: str, digest: str, media: Mapping[str, Path]) -> str:
    if digest not in media:
        raise _bad(f"the media of {name!r} ({digest[:12]}…) was not given")
    return _MEDIA + file_name(name, digest, suffix_of(sniff(media[digest]).media_type))


def _entry(name: str, compression: int) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, date_time=_EPOCH)
    entry.compress_type = compression
    entry.external_attr = 0o644 << 16
    return entry


def _copy(source: Path, archive: zipfile.ZipFile, name: str) -> None:
    entry = _entry(name, zipfile.ZIP_STORED)
    entry.file_size = source.stat().st_size
    with source.open("rb") as file, archive.open(entry, "w") as target:
        shutil.copyfileobj(file, target, _BLOCK)


class _Bounded(io.FileIO):
    """A file of which nobody reads more at once than a sane archive's directory takes."""

    def read(self, size: int | None = -1, /) -> bytes:
        wanted = _MAX_DIRECTORY + 1 if size is None or size < 0 else size
        data = super().read(min(wanted, _MAX_DIRECTORY + 1))
        if len(data) > _MAX_DIRECTORY:
            raise _bad("its directory is too large")
        return data


def _content(archive: zipfile.ZipFile) -> str:
    names = [entry.filename for entry in archive.infolist()]
    if len(names) > _MAX_ENTRIES:
        raise _bad(f"it holds {len(names)} entries")
    for name in names:
        if name.startswith("/") or ".." in name.split("/") or "\\" in name or ":" in name:
            raise _bad(f"the entry {name[:100]!r} leads out of the archive")
    if names.count(_CONTENT) != 1:
        raise _bad(f"it holds {names.count(_CONTENT)} files {_CONTENT}")
    data = bytearray()
    with archive.open(_CONTENT) as file:
        while block := file.read(_BLOCK):
            data += block
            if len(data) > MAX_BYTES:
                raise _bad(f"its timeline is larger than {MAX_BYTES >> 20} MiB")
    return data.decode("utf-8")


def _bad(problem: str) -> BadInput:
    return BadInput("otioz", problem, "Export the timeline as .otioz again.")
