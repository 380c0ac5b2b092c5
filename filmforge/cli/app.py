"""The commands, by name."""

import sys
from collections.abc import Sequence

import typer

from filmforge.cli import (
    caps,
    costs,
    cutting,
    demo,
    films,
    gpu,
    library,
    notify,
    outputs,
    reconcile,
    serve,
    sharing,
    shots,
)
from filmforge.cli.problems import complain
from filmforge.errors import FilmError

app = typer.Typer(
    name="filmforge",
    help="Turn a list of shots into a finished film; never pay twice for the same work.",
    epilog="Exit status: 0 done, 1 failed, 2 wrong use, 3 needs attention or approval.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

_RUN, _FILM, _SHOT, _LOOK = "Run", "Films", "Shots that wait for a person", "Find out"
_PEOPLE = "People who may look"

for name, command, panel in (
    ("up", serve.up, _RUN),
    ("demo", demo.demo, _RUN),
    ("worker", gpu.worker, _RUN),
    ("doctor", serve.doctor, _RUN),
    ("fake-server", serve.fake_server, _RUN),
    ("estimate", films.estimate, _FILM),
    ("submit", films.submit, _FILM),
    ("films", films.list_films, _FILM),
    ("show", films.show, _FILM),
    ("watch", films.watch, _FILM),
    ("budget", films.budget, _FILM),
    ("cancel", films.cancel, _FILM),
    ("resume", films.resume, _FILM),
    ("download", films.download, _FILM),
    ("outputs", outputs.outputs, _FILM),
    ("export", cutting.export, _FILM),
    ("recut", cutting.recut, _FILM),
    ("rhythm", cutting.rhythm, _FILM),
    ("approve", shots.approve, _SHOT),
    ("reject", shots.reject, _SHOT),
    ("retry", shots.retry, _SHOT),
    ("skip", shots.skip, _SHOT),
    ("accept", shots.accept, _SHOT),
    ("replace", shots.replace, _SHOT),
    ("resolve", shots.resolve, _SHOT),
    ("share", sharing.share, _PEOPLE),
    ("shares", sharing.shares, _PEOPLE),
    ("costs", costs.costs, _LOOK),
    ("verify", outputs.verify, _LOOK),
    ("reconcile", reconcile.reconcile, _LOOK),
    ("upload", library.upload, _FILM),
    ("assets", library.assets, _LOOK),
):
    app.command(name, rich_help_panel=panel, no_args_is_help=False)(command)
app.add_typer(gpu.app, name="gpu", rich_help_panel=_RUN)
app.add_typer(notify.app, name="notify", rich_help_panel=_PEOPLE)
app.add_typer(caps.app, name="caps", rich_help_panel=_LOOK)
app.add_typer(sharing.team, name="members", rich_help_panel=_PEOPLE)


def run(arguments: Sequence[str]) -> int:
    """Run one command and return its exit status; expected failures become plain sentences."""
    try:
        app(args=list(arguments), prog_name="filmforge")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 0
    except FilmError as error:
        return complain(error, as_json="--json" in arguments)
    except KeyboardInterrupt:
        sys.stderr.write("\n")
        return 130
    return 0
