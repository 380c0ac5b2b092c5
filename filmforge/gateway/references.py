"""What a film names by digest is there and of the right kind, and its words can be drawn."""

import asyncio
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from filmforge.brief import Film
from filmforge.cast import Guides
from filmforge.cut.overrun import late
from filmforge.cut.room import submitted_frames
from filmforge.errors import BadInput, BadMedia, NotFound
from filmforge.gateway.problems import invalid
from filmforge.gateway.scratch import UPLOADS, folder_of
from filmforge.gateway.state import Gateway
from filmforge.gateway.wording import MAX_ERRORS, FieldError
from filmforge.media.captionfile import read_captions
from filmforge.media.cards import check_card
from filmforge.media.fonts import choose_fonts
from filmforge.media.materials import MaterialKind
from filmforge.sound import LANES
from filmforge.subtitles import Cue, Subtitles, SubtitleTrack

_UPLOAD = "Upload it with POST /v1/assets (`filmforge upload FILE`) first, and name its digest."


class Reference(NamedTuple):
    """A file that a field names."""

    field: str
    digest: str
    kind: MaterialKind


def references_of(film: Film) -> Iterator[Reference]:
    """Every file that a film names by digest."""
    looks = {
        "look": film.look,
        **{f"scenes.{name}.look": s.look for name, s in film.scenes.items()},
    }
    yield from (Reference(f"{at}.lut", look.lut, "lut") for at, look in looks.items() if look.lut)
    for lane in LANES:
        for index, cue in enumerate(getattr(film.sound, lane)):
            if cue.digest:
                yield Reference(f"sound.{lane}[{index}].digest", cue.digest, "audio")
    for index, track in enumerate(film.subtitles.tracks if film.subtitles else ()):
        if track.file:
            yield Reference(f"subtitles.tracks[{index}].file", track.file, "captions")
    fonts = {"subtitles": film.subtitles, "title_card": film.title_card, "end_card": film.end_card}
    for name, owner in fonts.items():
        if owner and owner.font:
            yield Reference(f"{name}.font", owner.font, "font")
    yield from _of_the_cast(film)


def _of_the_cast(film: Film) -> Iterator[Reference]:
    for name, character in film.cast.items():
        for index, digest in enumerate(character.references):
            yield Reference(f"cast.{name}.references[{index}]", digest, "image")
        if character.voice:
            yield Reference(f"cast.{name}.voice", character.voice, "audio")
    for index, shot in enumerate(film.shots):
        yield from _of_guides(shot.guides, f"shots[{index}]")


def _of_guides(guides: Guides, place: str) -> Iterator[Reference]:
    for guide, digest in guides.given.items():
        kind: MaterialKind = "video" if guide == "clip" else "image"
        yield Reference(f"{place}.guides.{guide}", digest, kind)


def check_guides(gateway: Gateway, guides: Guides, place: str) -> None:
    """Make sure that what guides a shot is there. Raises Refusal naming the fields."""
    _refuse(_missing(gateway, list(_of_guides(guides, place))))


async def check_references(gateway: Gateway, film: Film, looks: asyncio.Semaphore) -> None:
    """Make sure that a film can be made of what it names. Raises Refusal naming the fields."""
    named = list(references_of(film))
    _refuse(await asyncio.to_thread(_missing, gateway, named))
    if not (film.title_card or film.end_card or film.subtitles):
        return
    uploads = folder_of(gateway.settings.work_dir, UPLOADS)
    with tempfile.TemporaryDirectory(dir=uploads) as name:
        folder = Path(name)
        for each in named:
            if each.kind in ("font", "captions"):
                await _fetch(gateway, each, folder)
        async with looks:
            _refuse(await asyncio.to_thread(_undrawable, film, folder))


async def _fetch(gateway: Gateway, named: Reference, folder: Path) -> None:
    try:
        await gateway.store.fetch(named.digest, folder / named.digest)
    except NotFound:
        problem = f"the file {named.digest} is known and not stored any more"
        raise BadInput(named.field, problem, _UPLOAD) from None


def _refuse(errors: Sequence[FieldError]) -> None:
    if errors:
        raise invalid(errors)


def _missing(gateway: Gateway, named: Sequence[Reference]) -> list[FieldError]:
    kinds = gateway.ledger.assets.kinds(list({each.digest for each in named}))
    errors = []
    for each in named:
        found = kinds.get(each.digest)
        if found != each.kind:
            problem = f"names a file that is {found}; {each.kind} is expected"
            if found is None:
                problem = f"there is no file {each.digest}"
            errors.append(FieldError(field=each.field, problem=problem, remedy=_UPLOAD))
    return errors[:MAX_ERRORS]


def _undrawable(film: Film, folder: Path) -> list[FieldError]:
    errors = []
    for name, card in (("title_card", film.title_card), ("end_card", film.end_card)):
        try:
            if card:
                own = folder / card.font if card.font else None
                check_card(card, film.output.width, film.output.height, own)
        except (BadInput, BadMedia) as error:
            errors.append(_told(error, name))
    try:
        if film.subtitles:
            _check_subtitles(film, film.subtitles, folder)
    except (BadInput, BadMedia) as error:
        errors.append(_told(error, "subtitles"))
    return errors


def _told(error: BadInput | BadMedia, place: str) -> FieldError:
    if isinstance(error, BadMedia):
        return FieldError(field=f"{place}.font", problem=str(error), remedy="Name another font.")
    field = error.field.replace("card", place, 1) if error.field.startswith("card") else error.field
    return FieldError(field=field, problem=error.problem, remedy=error.remedy)


def _check_subtitles(film: Film, subtitles: Subtitles, folder: Path) -> None:
    """Make sure that files are timed to the film, and that what is burnt in can be drawn."""
    for index, track in enumerate(subtitles.tracks):
        texts = list(_texts(film, track, f"subtitles.tracks[{index}]", folder))
        if track is subtitles.burnt:
            own = folder / subtitles.font if subtitles.font else None
            _check_drawable(texts, track.language, own)


def _check_drawable(texts: Sequence[tuple[str, str]], language: str, own: Path | None) -> None:
    fonts = choose_fonts((), language, own)
    for field, text in texts:
        if fonts.lacking(text):
            # Says which characters they are, and forgives line breaks, which nobody draws.
            choose_fonts([text], language, own, field=field)


def _texts(film: Film, track: SubtitleTrack, at: str, folder: Path) -> Iterator[tuple[str, str]]:
    """Every text of a track with the field it stands in."""
    if track.file:
        try:
            cues = read_captions(folder / track.file, film.output.fps)
        except BadInput as error:
            raise BadInput(f"{at}.file", error.problem, error.remedy) from None
        _check_timed(film, cues, f"{at}.file")
        yield from ((f"{at}.file", line) for cue in cues for line in cue.lines)
    elif track.lines is not None:
        yield from ((f"{at}.lines.{shot}", line) for shot, line in track.lines.items())
    else:
        for index, shot in enumerate(film.shots):
            yield f"shots[{index}].dialogue", shot.dialogue or ""


def _check_timed(film: Film, cues: Sequence[Cue], field: str) -> None:
    frames = submitted_frames(film)
    if count := late(cues, frames):
        end_s = float(frames / film.output.fps)
        raise BadInput(
            field,
            f"{count} of {len(cues)} subtitles begin after the film's end, at {end_s:.2f} s",
            "Upload a file that is timed to the film as it is cut: crossfades, wipes and trims "
            "make it shorter than its shots together.",
        )
