"""Commands about whole films."""

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from filmforge.cli.connect import connect, console, print_json, say, tell
from filmforge.cli.options import AsJson, FilmId, State
from filmforge.cli.submission import encode, read_document, with_fields
from filmforge.cli.verdict import asked_lines, exit_status, stands_still
from filmforge.errors import NotFound

Source = Annotated[
    str, typer.Argument(metavar="FILE", help="A film or a list of shots in JSON; - reads stdin.")
]


def submit(
    file: Source,
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait until the film is made or needs a person.")
    ] = False,
    budget: Annotated[
        str | None, typer.Option("--budget", metavar="USD", help="Most the film may cost.")
    ] = None,
    film_id: Annotated[str | None, typer.Option("--film-id", help="The id of the film.")] = None,
    idempotency_key: Annotated[
        str | None,
        typer.Option("--idempotency-key", help="The same key and body never make a second film."),
    ] = None,
    state: State = None,
    as_json: AsJson = False,
) -> None:
    """Submit a film and print its id.

    With --wait it exits with 0 when the film is made, 1 when it was cancelled and 3 when it
    needs a person; progress goes to stderr.
    """
    document = with_fields(read_document(file), budget_usd=budget, film_id=film_id)
    headers = {"Idempotency-Key": idempotency_key} if idempotency_key else None
    with connect(state) as api:
        answer = api.send("/v1/films", encode(document), headers)
    if not wait:
        if as_json:
            print_json(answer)
        else:
            say(answer["film_id"])
        return
    if not as_json:
        say(answer["film_id"])
    _watch(answer["film_id"], state, as_json, patient=False, stderr=True)


def estimate(
    what: Annotated[
        str, typer.Argument(metavar="FILE|FILM", help="A film document, - for stdin, or a film id.")
    ],
    state: State = None,
    as_json: AsJson = False,
) -> None:
    """Say what a film would cost, shot by shot; what is in the cache costs nothing."""
    from filmforge.cli.api import film_path
    from filmforge.cli.tables import estimate_table

    is_file = what == "-" or what.endswith(".json") or Path(what).is_file()
    document = read_document(what) if is_file else None
    with connect(state) as api:
        if is_file:
            answer = api.send("/v1/estimates", encode(document))
        else:
            answer = api.post(film_path(what, "estimate"))
    tell(answer, as_json, estimate_table)


def list_films(state: State = None, as_json: AsJson = False) -> None:
    """List the films, newest first."""
    from filmforge.cli.tables import films_table

    with connect(state) as api:
        answer = api.get("/v1/films")
    tell(answer, as_json, films_table)


def show(film: FilmId, state: State = None, as_json: AsJson = False) -> None:
    """Show a film: its shots on both axes, its budget, what waits for a person, its files.

    Exits with 3 when the film can't go on without a person.
    """
    from filmforge.cli.tables import film_view

    answer = _film(film, state)
    tell(answer, as_json, film_view)
    if stands_still(answer):
        raise typer.Exit(3)


def watch(film: FilmId, state: State = None, as_json: AsJson = False) -> None:
    """Watch a film being made until it ends.

    On a terminal it stays while the film waits for a person; otherwise it exits with 3 then.
    """
    _watch(film, state, as_json, patient=not as_json and _interactive(), stderr=False)


def budget(
    film: FilmId,
    limit: Annotated[str, typer.Argument(metavar="LIMIT", help='US dollars, such as "12.50".')],
    state: State = None,
    as_json: AsJson = False,
) -> None:
    """Raise or lower what a film may cost; shots that waited for budget go on by themselves."""
    from filmforge.cli.tables import budget_line

    answer = _act(film, "budget", {"limit_usd": limit}, state, as_json)
    if not as_json:
        say(budget_line(answer["budget"]))


def cancel(film: FilmId, state: State = None, as_json: AsJson = False) -> None:
    """Stop spending now; everything paid for is kept, and `resume` goes on from there."""
    _act(film, "cancel", None, state, as_json)


def resume(
    film: FilmId,
    stop_after: Annotated[
        Literal["frames", "clips", "film"] | None,
        typer.Option("--stop-after", help="Stop again once this much is made."),
    ] = None,
    state: State = None,
    as_json: AsJson = False,
) -> None:
    """Let a film that was cancelled or has ended go on; nothing that exists is paid again."""
    body = {"stop_after": stop_after} if stop_after else {}
    _act(film, "resume", body, state, as_json)


def download(
    film: FilmId,
    to: Annotated[
        Path | None, typer.Option("--to", metavar="FILE", help="Where to; FILM.mp4 by default.")
    ] = None,
    state: State = None,
    as_json: AsJson = False,
) -> None:
    """Download the finished film; its bytes are checked against their digest."""
    target = to or Path(f"{film}.mp4")
    with connect(state) as api:
        size, output = fetch_film(api, film, target)
    if as_json:
        print_json({"path": str(target), "bytes": size, "digest": output.get("digest")})
    else:
        say(str(target))


def fetch_film(api: Any, film_id: str, target: Path) -> tuple[int, dict[str, Any]]:
    """Download the film's file; returns its size in bytes and its entry among the outputs.

    Raises NotFound while there is none.
    """
    from filmforge.cli.api import film_path

    film = api.get(film_path(film_id))
    output = next((o for o in film.get("outputs") or () if o["kind"] == "film"), None)
    if output is None:
        raise NotFound(
            f"the film {film_id} is not made yet (it is {film['execution']}). "
            f"Follow it with `filmforge watch {film_id}`."
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    size = api.download(output["url"], target, output.get("digest"))
    return size, output


def _film(film_id: str, state: Path | None) -> dict[str, Any]:
    from filmforge.cli.api import film_path

    with connect(state) as api:
        answer: dict[str, Any] = api.get(film_path(film_id))
    return answer


def _act(film_id: str, verb: str, body: Any, state: Path | None, as_json: bool) -> Any:
    from filmforge.cli.api import film_path

    with connect(state) as api:
        answer = api.post(film_path(film_id, verb), body)
    tell(answer, as_json, lambda told: told["message"])
    return answer


def _watch(film_id: str, state: Path | None, as_json: bool, patient: bool, stderr: bool) -> None:
    from filmforge.cli.access import find_access
    from filmforge.cli.progress import Silence, view_for
    from filmforge.cli.watch import watch_film

    view = Silence() if as_json else view_for(console(stderr))
    film = watch_film(find_access(state), film_id, view, patient=patient)
    if as_json:
        print_json(film)
    else:
        for line in asked_lines(film) if stands_still(film) else ():
            console(stderr).print(line, soft_wrap=True)
    raise typer.Exit(exit_status(film))


def _interactive() -> bool:
    import sys

    return sys.stdin.isatty() and sys.stdout.isatty()
