"""Commands that take the cut out to an editor and back."""

import tempfile
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from filmforge.cli.connect import connect, console, print_json, say, tell
from filmforge.cli.options import AsJson, FilmId, State
from filmforge.errors import BadInput, ServiceUnavailable

PATIENCE_S = 600.0
_DIGEST_CHARS = 64


def export(
    film: FilmId,
    format_: Annotated[
        Literal["otio", "otioz", "edl", "fcpxml"],
        typer.Option("--format", help="otioz holds the media too; an EDL holds no sound."),
    ] = "otio",
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="FILM.FORMAT by default.")
    ] = None,
    media: Annotated[
        Path | None,
        typer.Option("--media", metavar="DIR", help="Download the media too, for relinking."),
    ] = None,
    state: State = None,
    as_json: AsJson = False,
) -> None:
    """Write the film's timeline as a file that an editor opens.

    It names its media by the file names that --media gives them.
    """
    from filmforge.cli.api import film_path

    target = out or Path(f"{film}.{format_}")
    target.parent.mkdir(parents=True, exist_ok=True)
    with connect(state) as api:
        size = api.download(f"{film_path(film, 'timeline')}?format={format_}", target)
        files = _fetch_media(api, film, media) if media else []
    if as_json:
        print_json({"path": str(target), "bytes": size, "media": [str(file) for file in files]})
        return
    say(str(target))
    if media:
        say(f"{len(files)} media files in {media}")


def recut(
    film: FilmId,
    file: Annotated[
        Path | None,
        typer.Argument(metavar="[FILE]", exists=True, dir_okay=False, readable=True),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would become of the film.")
    ] = False,
    clear: Annotated[
        bool, typer.Option("--clear", help="Go back to the film's own cut; without a file.")
    ] = False,
    state: State = None,
    as_json: AsJson = False,
) -> None:
    """Cut the film as an edited .otio, .otioz, .edl or .fcpxml says; nothing is paid for."""
    from filmforge.cli.api import film_path

    if clear == (file is not None) or (clear and dry_run):
        raise BadInput("FILE", "is missing, or stands beside --clear", "Give one of the two.")
    path = film_path(film, "recut")
    with connect(state) as api:
        if file is None:
            answer = api.delete(path)
        else:
            with _without_media(file) as sent:
                answer = api.upload(path, sent, dry_run=str(dry_run).lower())
    tell(answer, as_json, _recut_lines if file else _message)


def rhythm(
    film: FilmId,
    reference: Annotated[
        str, typer.Argument(metavar="REFERENCE", help="A film file, or the digest of one.")
    ],
    mapping: Annotated[
        Literal["scaled", "cyclic"],
        typer.Option("--mapping", help="The whole over the whole, or shot after shot."),
    ] = "scaled",
    apply: Annotated[bool, typer.Option("--apply", help="Cut the film so.")] = False,
    state: State = None,
    as_json: AsJson = False,
) -> None:
    """Suggest lengths for the film's shots after the rhythm of another film; costs nothing."""
    from filmforge.cli.api import film_path

    with connect(state) as api:
        digest = _digest_of(api, reference)
        wish = {"reference": digest, "mapping": mapping, "apply": apply}
        answer = _found(api, film_path(film, "rhythm"), wish)
    tell(answer, as_json, _rhythm_lines)


def _fetch_media(api: Any, film: str, folder: Path) -> list[Path]:
    """Download every file that the timeline names, except those that are there already."""
    from filmforge.cli.api import film_path

    folder.mkdir(parents=True, exist_ok=True)
    found = []
    for file in api.get(film_path(film, "timeline", "media"))["files"]:
        target = folder / Path(file["name"]).name
        if not _is_there(target, file["digest"]):
            api.download(file["url"], target, file["digest"])
        found.append(target)
    return found


def _is_there(target: Path, digest: str) -> bool:
    import hashlib

    if not target.is_file():
        return False
    with target.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == digest


@contextmanager
def _without_media(file: Path) -> Iterator[Path]:
    """What is sent of an edited file: of an archive only the timeline, for the film has the media.

    Raises BadInput for an archive without one.
    """
    if not zipfile.is_zipfile(file):
        yield file
        return
    from filmforge.interchange.otioz import content_of

    with tempfile.TemporaryDirectory() as folder:
        timeline = Path(folder) / f"{file.stem}.otio"
        timeline.write_text(content_of(file), encoding="utf-8")
        yield timeline


def _found(api: Any, path: str, wish: dict[str, Any]) -> Any:
    """The answer as soon as the shots of the reference are found.

    Raises ServiceUnavailable when that takes longer than `PATIENCE_S`.
    """
    deadline = time.monotonic() + PATIENCE_S
    answer, pause_s = api.ask(path, wish)
    if answer["rhythm"] is None:
        console(stderr=True).print("The shots of the reference are being found: waiting for them.")
    while answer["rhythm"] is None:
        if time.monotonic() + pause_s > deadline:
            raise ServiceUnavailable(
                "the shots of the reference are not found yet and nothing was applied: "
                "the search goes on, so give the same command again later"
            )
        time.sleep(pause_s)
        answer, pause_s = api.ask(path, wish)
    return answer


def _digest_of(api: Any, reference: str) -> str:
    path = Path(reference)
    if path.is_file():
        return str(api.upload("/v1/assets", path, name=path.name[:200])["digest"])
    if len(reference) == _DIGEST_CHARS and set(reference) <= set("0123456789abcdef"):
        return reference
    raise BadInput("REFERENCE", f"{reference!r} is no file and no digest", "Give a film file.")


def _message(answer: Any) -> str:
    return str(answer["message"])


def _recut_lines(answer: Any) -> str:
    lines = [f"{answer['message']}: {len(answer['shots'])} shots, {answer['frames']} frames"]
    if answer["omitted"]:
        lines.append(f"left out: {', '.join(answer['omitted'])}")
    if answer["notes"]:
        lines.append(f"new notes: {answer['notes']}")
    return "\n".join([*lines, *answer["remarks"]])


def _rhythm_lines(answer: Any) -> str:
    found = answer["rhythm"]
    lines = [
        f"{answer['message']}: the reference has {found['shots']} shots of "
        f"{found['average_s']} s on average"
    ]
    lines += [
        f"{each['shot_id']}  {each['seconds']} s"
        + ("" if each["frames"] == each["wanted"] else " (as far as there is material)")
        for each in answer["lengths"]
    ]
    return "\n".join([*lines, *answer.get("remarks", ())])
