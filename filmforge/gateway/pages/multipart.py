"""Multipart forms: their fields, and one file that is written to disk as it arrives."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from fastapi import Request
from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header

from filmforge.gateway.bodies import pieces
from filmforge.gateway.problems import Refusal

MULTIPART = "multipart/form-data"
_MOST_FIELD_BYTES = 64 * 1024
_WRITE_BYTES = 1 << 20


@dataclass
class _Parts:
    """What was read so far; `held` is what of the file is not on the disk yet."""

    fields: dict[str, bytearray] = field(default_factory=dict)
    held: bytearray = field(default_factory=bytearray)
    has_file: bool = False
    _into: bytearray | None = None
    _header: bytearray = field(default_factory=bytearray)
    _value: bytearray = field(default_factory=bytearray)

    @property
    def beside_the_file(self) -> int:
        """The bytes that are kept in memory until the form is read."""
        kept = (self._header, self._value, *self.fields, *self.fields.values())
        return sum(map(len, kept))

    def part_begin(self) -> None:
        self._into = None

    def header_field(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def header_end(self) -> None:
        if self._header.lower() == b"content-disposition":
            _, options = parse_options_header(bytes(self._value))
            name = options.get(b"name", b"").decode("utf-8", "replace")
            is_file = b"filename" in options
            if is_file and self.has_file:
                raise _unreadable()
            self.has_file |= is_file and bool(options[b"filename"])
            self._into = self.held if is_file else self.fields.setdefault(name, bytearray())
        self._header.clear()
        self._value.clear()

    def data(self, data: bytes, start: int, end: int) -> None:
        if self._into is None:  # nothing said what it is
            raise _unreadable()
        self._into += data[start:end]


async def receive_form(request: Request, path: Path, limit: int) -> Mapping[str, str]:
    """The fields of a form whose file, if it has one, is written to `path`.

    Raises Refusal: 400 for what is no such form, 413 over `limit` bytes.
    """
    parts = _Parts()
    parser = _parser(request, parts)
    file = await asyncio.to_thread(path.open, "wb")
    try:
        async for piece in pieces(request, limit + _MOST_FIELD_BYTES):
            parser.write(piece)
            if parts.beside_the_file > _MOST_FIELD_BYTES:
                raise _unreadable()
            if len(parts.held) >= _WRITE_BYTES:
                await asyncio.to_thread(file.write, bytes(parts.held))
                parts.held.clear()
        parser.finalize()
        await asyncio.to_thread(file.write, parts.held)
        return {name: value.decode("utf-8") for name, value in parts.fields.items()}
    except (MultipartParseError, UnicodeDecodeError):
        raise _unreadable() from None
    finally:
        await asyncio.to_thread(file.close)
        if not parts.has_file:
            await asyncio.to_thread(path.unlink)


def _parser(request: Request, parts: _Parts) -> MultipartParser:
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    if kind != MULTIPART.encode() or not options.get(b"boundary"):
        raise _unreadable()
    return MultipartParser(
        options[b"boundary"],
        {
            "on_part_begin": parts.part_begin,
            "on_header_field": parts.header_field,
            "on_header_value": parts.header_value,
            "on_header_end": parts.header_end,
            "on_part_data": parts.data,
        },
    )


def _unreadable() -> Refusal:
    return Refusal(
        400,
        "unreadable_body",
        "The form cannot be read: send it as multipart/form-data, with one file at most.",
    )
