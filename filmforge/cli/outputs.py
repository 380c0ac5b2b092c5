"""Commands about finished files: everything a film was made into, and where a file comes from."""

from pathlib import Path, PurePosixPath
from typing import Annotated, Any

import typer

from filmforge.cli.connect import connect, print_json, say
from filmforge.cli.options import AsJson, FilmId, State


def outputs(
    film: FilmId,
    download: Annotated[
        Path | None,
        typer.Option("--download", metavar="DIR", help="Put all files there, under their names."),
    ] = None,
    state: State = None,
    as_json: AsJson = False,
) -> None:
    """List every file a film was made into, or download them all; their digests are checked."""
    from filmforge.cli.api import film_path

    with connect(state) as api:
        files: list[dict[str, Any]] = api.get(film_path(film, "outputs"))["files"]
        if download is not None:
            for file in files:
                target = download / _within(file["name"])
                target.parent.mkdir(parents=True, exist_ok=True)
                api.download(file["url"], target, file["digest"])
                file["path"] = str(target)
                if not as_json:
                    say(str(target))
    if as_json:
        print_json({"film_id": film, "files": files})
    elif download is None:
        say(*(f"{file['digest']}  {file['kind']}  {file['name']}" for file in files))


def verify(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", exists=True, dir_okay=False, readable=True)
    ],
    anchors: Annotated[
        Path | None,
        typer.Option("--anchors", metavar="PEM", help="Roots under which a signer is trusted."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Read a file's content credentials: who signed it, what it was made with, if it is unchanged.

    Works offline. Exits with 1 for a file that was changed, is damaged or has no credentials, and
    with --anchors also for one that none of these roots stands for.
    """
    from filmforge.provenance.words import verify as judge

    verdict = judge(file, anchors)
    if as_json:
        print_json(verdict.credentials.model_dump(mode="json"))
    else:
        say(verdict.text)
    raise typer.Exit(verdict.exit_code)


def _within(name: str) -> PurePosixPath:
    """The name as a path that leads nowhere but down."""
    return PurePosixPath(*(part for part in name.split("/") if part not in ("", "..")))
