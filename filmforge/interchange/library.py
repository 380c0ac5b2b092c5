"""What a film has paid for, against which an edited file is settled."""

from collections.abc import Iterable, Mapping

from pydantic import JsonValue

from filmforge.errors import BadInput
from filmforge.fields import Digest, Frozen, Rate
from filmforge.interchange.media_names import digest_prefix, stem
from filmforge.interchange.recut import Frames, Heard, Recut, Shown


class Paid(Frozen):
    """A take or sound that exists: its length in frames and the shots it belongs to."""

    frames: Frames
    shots: frozenset[str] = frozenset()


class Library(Frozen):
    """A film's media: `current` is the digest of each shot's chosen take, in the film's order."""

    fps: Rate
    current: dict[str, Digest]
    takes: dict[Digest, Paid]
    sounds: dict[Digest, Paid] = {}


def settle(recut: Recut, library: Library) -> Recut:
    """The recut with every digest found and bounded by the film's own media, and `omitted` said.

    What sounds beyond the picture's end is cut off, which `remarks` says.
    Raises BadInput naming the first thing that the film does not have: nothing is ever bought.
    """
    if recut.fps != library.fps:
        raise BadInput(
            "fps",
            f"the file runs at {recut.fps}, the film at {library.fps} frames a second",
            "Set the timeline to the film's rate and export it again.",
        )
    shown = tuple(_settled(part, f"shown[{i}]", library) for i, part in enumerate(recut.shown))
    heard = None if recut.heard is None else tuple(_sounds(recut.heard, library))
    kept, remarks = (None, []) if heard is None else _under(heard, recut.frames)
    present = {part.shot_id for part in shown}
    omitted = tuple(shot for shot in library.current if shot not in present)
    return recut.model_copy(
        update={
            "shown": shown,
            "heard": kept,
            "omitted": omitted,
            "remarks": (*recut.remarks, *remarks),
        }
    )


def _settled(part: Shown, field: str, library: Library) -> Shown:
    if part.colour:
        return part
    digest = part.digest or _by_source(part.source, library.takes)
    if digest is None and part.shot_id and stem(part.source) in ("", part.shot_id):
        digest = library.current.get(part.shot_id)
    paid = library.takes.get(digest) if digest else None
    if digest is None or paid is None:
        raise _unknown(field, part.shot_id or part.source or str(part.digest))
    shot_id = _owner(part.shot_id, paid, field)
    _within(part.start, part.frames, paid.frames, f"{field} ({shot_id})")
    return part.model_copy(update=_found(digest, paid) | {"shot_id": shot_id})


def _sounds(heard: Iterable[Heard], library: Library) -> Iterable[Heard]:
    media = {**library.takes, **library.sounds}
    for index, sound in enumerate(heard):
        field = f"heard[{index}]"
        digest = sound.digest or _by_source(sound.source, media)
        paid = media.get(digest) if digest else None
        if digest is None or paid is None:
            raise _unknown(field, sound.name or sound.source)
        # What is looped goes on from its beginning as often as it takes.
        frames = 1 if sound.facts.get("loop") is True else sound.frames
        _within(sound.start, frames, paid.frames, f"{field} ({sound.name})")
        yield sound.model_copy(update=_found(digest, paid))


def _under(heard: Iterable[Heard], film: int) -> tuple[tuple[Heard, ...], list[str]]:
    """The sounds as far as there is picture over them, and what was cut off."""
    kept, remarks = [], []
    for sound in heard:
        frames = min(sound.frames, film - sound.at)
        if frames > 0:
            kept.append(sound.model_copy(update={"frames": frames}))
        if frames < sound.frames:
            remarks.append(f"{sound.track} {sound.name!r}: what sounds after the film is left out")
    return tuple(kept), remarks


def _found(digest: str, paid: Paid) -> dict[str, JsonValue]:
    return {"digest": digest, "source": "", "available": paid.frames}


def _by_source(source: str, media: Mapping[str, Paid]) -> str | None:
    prefix = digest_prefix(source)
    found = [digest for digest in media if prefix and digest.startswith(prefix)]
    return found[0] if len(found) == 1 else None


def _owner(named: str | None, paid: Paid, field: str) -> str:
    if named in paid.shots and named is not None:
        return named
    if len(paid.shots) == 1:
        return next(iter(paid.shots))
    raise BadInput(
        field,
        f"{named!r} is not one of the shots this take belongs to ({', '.join(sorted(paid.shots))})",
        "Name the clip after its shot.",
    )


def _within(start: int, frames: int, length: int, field: str) -> None:
    if start < 0 or start + frames > length:
        raise BadInput(
            field,
            f"shows frames {start} to {start + frames} of media that has {length}, "
            "transitions included",
            "Shorten the clip or its transition.",
        )


def _unknown(field: str, name: str) -> BadInput:
    return BadInput(
        field,
        f"the media {name[:200]!r} is not one of this film's takes or sounds",
        "Keep to the media that were exported, or upload it as a replacement of a shot first.",
    )
