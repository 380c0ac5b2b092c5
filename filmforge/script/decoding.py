"""From the bytes of a file to its text."""

import codecs

from filmforge.script.draft import unreadable

_SAVE_AS = "Save it as UTF-8, and send it again."
_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # begins with that of UTF-16
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
GUESSED = (
    "The file is not UTF-8, so it was read as Windows-1252: look at its quotes and accents, "
    "or save it as UTF-8."
)


def text_of(data: bytes) -> tuple[str, tuple[str, ...]]:
    """The text with plain line ends, and remarks on how it was read. Raises Unreadable."""
    found = next((name for bom, name in _BOMS if data.startswith(bom)), None)
    remarks: tuple[str, ...] = ()
    if found is None and b"\0" in data:
        line = data.count(b"\n", 0, data.index(b"\0")) + 1
        problem = "holds zero bytes: it is no text, or UTF-16 without its mark"
        raise unreadable(line, problem, _SAVE_AS)
    try:
        text = data.decode(found or "utf-8")
    except UnicodeDecodeError as error:
        if found:
            problem = f"begins as {found.upper()} and is not: byte {error.start} belongs to nothing"
            raise unreadable(_line(data, error.start), problem, _SAVE_AS) from None
        text, remarks = _windows(data), (GUESSED,)
    return text.lstrip("\ufeff").replace("\r\n", "\n").replace("\r", "\n"), remarks


def _windows(data: bytes) -> str:
    try:
        return data.decode("cp1252")
    except UnicodeDecodeError as error:
        problem = f"is neither UTF-8 nor Windows-1252: byte {error.start} belongs to nothing"
        raise unreadable(_line(data, error.start), problem, _SAVE_AS) from None


def _line(data: bytes, byte: int) -> int:
    return data.count(b"\n", 0, byte) + 1
