"""Reads an edited file of any format that the film can be re-cut from."""

from fractions import Fraction
from pathlib import Path

from filmforge.errors import BadInput
from filmforge.interchange import edl_read, markup, native
from filmforge.interchange.edl_read import read_edl
from filmforge.interchange.fcpxml_read import read_fcpxml
from filmforge.interchange.native import read_otio
from filmforge.interchange.otioz import read_otioz
from filmforge.interchange.recut import Recut
from filmforge.interchange.timeline import recut_of

_ZIP = b"PK\x03\x04"
_BOM = b"\xef\xbb\xbf"
_HEAD_BYTES = 64
_ACCEPTED = "Give an .otio, .otioz, .edl (CMX3600) or .fcpxml file."


def read_recut(path: Path, fps: Fraction) -> Recut:
    """What an edited file says, told by its content and not its name; `fps` is the film's rate.

    Settle it against the film's library before it is applied. Raises BadInput for what is none of
    the formats, is too large or unsafe, or says what a film cannot show. Blocking.
    """
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES).removeprefix(_BOM).lstrip()
    if head.startswith(_ZIP):
        return recut_of(read_otioz(path), fps)
    if head.startswith(b"<"):
        return read_fcpxml(_bytes(path, markup.MAX_BYTES), fps)
    if head.startswith(b"{"):
        return recut_of(read_otio(_text(path, native.MAX_BYTES)), fps)
    if head.startswith((b"TITLE", b"FCM", b"0")):
        return read_edl(_text(path, edl_read.MAX_BYTES), fps)
    raise BadInput("file", f"is none of the formats: it begins with {head[:16]!r}", _ACCEPTED)


def _text(path: Path, limit: int) -> str:
    try:
        return _bytes(path, limit).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise BadInput("file", "is not in UTF-8", _ACCEPTED) from None


def _bytes(path: Path, limit: int) -> bytes:
    if path.stat().st_size > limit:
        raise BadInput("file", f"is larger than {limit >> 20} MiB", _ACCEPTED)
    with path.open("rb") as file:
        return file.read(limit)
