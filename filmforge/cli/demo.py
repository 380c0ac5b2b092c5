"""The demo: from nothing to a finished film, in one command."""

import signal
import sys
import time
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from filmforge.cli.connect import console, print_json
from filmforge.cli.options import DEFAULT_STATE, AsJson
from filmforge.errors import BadInput

if TYPE_CHECKING:
    from filmforge.cli.instance import Instance

_EXAMPLE = Path(__file__).parents[2] / "examples" / "attic.json"

_ENDINGS = (signal.SIGTERM, signal.SIGHUP)


def demo(
    film: Annotated[
        Path | None,
        typer.Option(
            "--film", metavar="FILE", help="Another film; examples/attic.json by default."
        ),
    ] = None,
    to: Annotated[Path, typer.Option("--to", metavar="FILE", help="Where the film goes.")] = Path(
        "out/attic.mp4"
    ),
    state: Annotated[
        Path, typer.Option("--state", metavar="DIR", help="Where everything is kept.")
    ] = DEFAULT_STATE,
    keep: Annotated[
        bool | None,
        typer.Option("--keep/--no-keep", help="Stay up until Ctrl-C; on a terminal by default."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make a film on this machine, at no cost: pictures, motion and speech from a shot list.

    It uses what runs on the state directory, or starts it. Exits with 0 only when the film is
    made and plays.
    """
    from filmforge.cli.instance import running

    stays = (_on_terminal() and not as_json) if keep is None else keep
    source = film or _EXAMPLE
    if not source.is_file():
        raise BadInput(str(source), "does not exist", "Name a film with --film FILE")
    for number in _ENDINGS:
        signal.signal(number, _end)
    tell = _Teller(as_json)
    tell(f"Starting on {state} …")
    with running(state) as instance:
        tell("Ready." if instance.ours else f"Using what runs at {instance.info['api']}.")
        result = _make(instance, source, to, state, tell)
        tell.result(result)
        _part(instance, result, stays, tell)


class _Teller:
    """Says lines to people, or at the end one document to a machine."""

    def __init__(self, as_json: bool) -> None:
        self.as_json = as_json

    def __call__(self, *lines: Any) -> None:
        if not self.as_json:
            for line in lines:
                console().print(line, soft_wrap=isinstance(line, str))
            sys.stdout.flush()

    def result(self, document: dict[str, Any]) -> None:
        if self.as_json:
            print_json(document)
            sys.stdout.flush()


def _make(
    instance: "Instance", source: Path, to: Path, state: Path, tell: _Teller
) -> dict[str, Any]:
    from filmforge.cli.api import Api
    from filmforge.cli.films import fetch_film
    from filmforge.cli.progress import Silence, view_for
    from filmforge.cli.submission import encode, read_document, with_fields
    from filmforge.cli.verdict import asked_lines, exit_status
    from filmforge.cli.watch import watch_film

    document = read_document(str(source))
    film_id = f"{source.stem}-{datetime.now().astimezone():%Y%m%d-%H%M%S}"
    with Api(instance.access) as api:
        started = time.monotonic()
        accepted = api.send("/v1/films", encode(with_fields(document, film_id=film_id)))
        view = Silence() if tell.as_json else view_for(console())
        film = watch_film(instance.access, film_id, view, patient=False)
        wall_s = time.monotonic() - started
        if status := exit_status(film):
            tell(f"The film {film_id} is not made: it is {film['execution']}.", *asked_lines(film))
            raise typer.Exit(status)
        fetch_film(api, film_id, to)
        result = _present(api, film, document, to, wall_s, state, tell)
    return {**result, "review_url": accepted.get("review_url")}


def _present(
    api: Any,
    film: dict[str, Any],
    document: Any,
    to: Path,
    wall_s: float,
    state: Path,
    tell: _Teller,
) -> dict[str, Any]:
    import hashlib

    from filmforge.brief import read_film
    from filmforge.cli import premiere
    from filmforge.cli.api import film_path
    from filmforge.cli.submission import encode

    submitted, sheet = read_film(document), to.with_suffix(".png")
    facts = premiere.check(to, submitted)
    premiere.contact_sheet(api, film, submitted, sheet)
    costs = api.get(film_path(film["film_id"], "costs"))
    body = hashlib.sha256(encode(document)).hexdigest()
    saved = premiere.compare(state / "demo.json", film, wall_s, body)
    tell("", premiere.shots_table(film, costs), saved, "")
    tell(f"Film           {to}  ({premiere.format_words(facts)})", f"Contact sheet  {sheet}")
    return {
        "film_id": film["film_id"],
        "path": str(to),
        "sheet": str(sheet),
        "wall_s": round(wall_s, 2),
        "media": facts.model_dump(mode="json"),
        "budget": film["budget"],
        "assets": dict(zip(("made", "reused"), premiere.counts(film), strict=True)),
    }


def _part(instance: "Instance", result: dict[str, Any], stays: bool, tell: _Teller) -> None:
    tell(f"Review board   {result['review_url']}")
    if instance.info.get("temporal_ui"):
        tell(f"Temporal UI    {instance.info['temporal_ui']}")
    if instance.ours and not stays:
        tell("", "Stopping; after `filmforge up` both addresses answer again.")
    elif instance.ours:
        tell("", "It stays up. Stop with Ctrl-C.")
        try:
            signal.pause()
        except KeyboardInterrupt:
            tell("", "Stopping …")


def _on_terminal() -> bool:
    return sys.stdin.isatty() and sys.stdout.isatty()


def _end(number: int, _frame: object) -> None:
    raise SystemExit(128 + number)
