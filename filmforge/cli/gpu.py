"""Commands about models of one's own: on Modal, or on a GPU of one's own."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from filmforge.cli import works
from filmforge.cli.connect import connect, tell
from filmforge.cli.options import DEFAULT_STATE, AsJson, State
from filmforge.errors import BadInput, NotConfigured, ProviderUnavailable

if TYPE_CHECKING:
    from rich.console import RenderableType

app = typer.Typer(
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Run models of one's own: on Modal, or on a GPU of one's own.",
    no_args_is_help=True,
)

app.command("run")(works.run)

# -P: a directory called modal where the user happens to stand is not what is meant.
_PYTHON = (sys.executable, "-P", "-m")
_PROVIDERS = ("modal", "local")

Function = Annotated[str, typer.Argument(metavar="FUNCTION", help="Such as image_sdxl.")]
Weights = Annotated[
    Path, typer.Option("--weights", metavar="DIR", help="Where the weights of all functions are.")
]


@app.command("deploy")
def deploy(
    functions: Annotated[
        list[str], typer.Argument(metavar="FUNCTION…", help="Such as image_sdxl.")
    ],
    weights: Annotated[
        bool, typer.Option("--weights/--no-weights", help="Fill the volume with its weights first.")
    ] = True,
) -> None:
    """Deploy functions to Modal: weights into their volume, then the function itself."""
    known = {each["function"] for each in _listed()}
    for name in functions:
        if name not in known:
            remedy = f"Use one of: {', '.join(sorted(known))}"
            raise BadInput("FUNCTION", f"there is no GPU function {name!r}", remedy)
    _have_token()
    for name in functions:
        module = f"gpu_functions.{name}"
        if weights:
            _run("modal", "run", "-m", f"{module}::download")
        _run("modal", "deploy", "-m", module)


@app.command("status")
def status(state: State = None, as_json: AsJson = False) -> None:
    """Show which functions are deployed to Modal, and who serves one's own GPU's queue."""
    with connect(state) as api:
        answer = api.get("/v1/gpu")
    answer["modal"] = _deployed() if _token() else None
    tell(answer, as_json, _status_table)


@app.command("logs")
def logs(
    function: Function,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until Ctrl-C.")] = False,
) -> None:
    """Print what a function on Modal has logged."""
    _have_token()
    _run("modal", "app", "logs", _app_of(function), *(("--follow",) if follow else ()))


@app.command("cost")
def cost(
    month: Annotated[
        str | None, typer.Option("--month", metavar="YYYY-MM", help="One month, in UTC.")
    ] = None,
    state: State = None,
    as_json: AsJson = False,
) -> None:
    """Show what each function cost, as charged to films: actual GPU seconds times their price."""
    params = {"month": month} if month else {}
    with connect(state) as api:
        answer = api.get("/v1/costs", params)
    lines = [line for line in answer["by"]["model"] if line["name"].startswith(_OURS)]
    tell({"month": month, "functions": lines}, as_json, _cost_table)


@app.command("download")
def download(function: Function, weights: Weights = DEFAULT_STATE / "weights") -> None:
    """Fetch a function's weights at their pinned revisions, to serve it on this machine."""
    _run("gpu_functions", "download", function, str(weights))


def worker(
    gpu: Annotated[
        Literal["local"],
        typer.Option("--gpu", help="Serve the GPU functions on this machine's GPU or processor."),
    ],
    budget_gib: Annotated[
        float | None,
        typer.Option("--budget-gib", min=0.1, help="GPU memory it may use; all by default."),
    ] = None,
    weights: Annotated[
        Path | None,
        typer.Option(
            "--weights", metavar="DIR", help="Of all functions; STATE/weights by default."
        ),
    ] = None,
    state: Annotated[
        Path, typer.Option("--state", metavar="DIR", help="Where FilmForge runs.")
    ] = DEFAULT_STATE,
) -> None:
    """Serve the GPU functions here, as models called local:FUNCTION, until Ctrl-C.

    For the FilmForge of --state if one runs there, otherwise for that of the environment.
    """
    from filmforge.embedded import environment_beside

    assert gpu == "local"
    environment = environment_beside(state)
    environment["FILMFORGE_GPU_WEIGHTS"] = str((weights or state / "weights").absolute())
    if budget_gib is not None:
        environment["FILMFORGE_GPU_BUDGET_GIB"] = str(budget_gib)
    os.execve(sys.executable, [*_PYTHON, "workers.gpu"], environment)  # noqa: S606 - it is ours


_OURS = tuple(f"{name}:" for name in _PROVIDERS)


def _app_of(function: str) -> str:
    return f"filmforge-{function.replace('_', '-')}"


def _listed() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(_run("gpu_functions", "list", quiet=True))
    return found


def _token() -> bool:
    from filmforge.settings import Settings

    settings = Settings()
    return bool(settings.modal_token_id and settings.modal_token_secret.get_secret_value())


def _have_token() -> None:
    if not _token():
        raise NotConfigured(
            "modal: has no token: make one at modal.com, set MODAL_TOKEN_ID and MODAL_TOKEN_SECRET"
        )


def _deployed() -> list[dict[str, Any]]:
    """The apps of ours that are on Modal, as it tells them."""
    told = _run("modal", "app", "list", "--json", quiet=True)
    apps: list[dict[str, Any]] = json.loads(told)
    return [each for each in apps if any(_is_ours(value) for value in each.values())]


def _is_ours(value: Any) -> bool:
    return isinstance(value, str) and value.startswith("filmforge-")


def _run(module: str, *arguments: str, quiet: bool = False) -> str:
    """Run a module's command; what it prints goes where ours does, or is returned.

    Raises ProviderUnavailable with the last line of what it said.
    """
    done = subprocess.run(  # noqa: S603 - our own Python, and no shell
        (*_PYTHON, module, *arguments),
        check=False,
        stdout=subprocess.PIPE if quiet else None,
        stderr=subprocess.PIPE,
        text=True,
    )
    if done.returncode:
        said = done.stderr.strip().splitlines()
        why = said[-1] if said else f"ended with {done.returncode}"
        raise ProviderUnavailable(f"{module} {' '.join(arguments[:2])}: {why}")
    return done.stdout or ""


def _status_table(answer: dict[str, Any]) -> "RenderableType":
    from rich.console import Group

    from filmforge.cli.tables import grid, unbroken, usd

    functions = grid("model", "kind", "a second", "guides", "options", right=("a second",))
    for each in answer["functions"]:
        price = usd(each["usd_a_second"])
        kind = each["makes"] or each["kind"]
        functions.add_row(
            each["ref"], kind, price, ", ".join(each["guides"]), ", ".join(each["options"])
        )
    local = answer["local"]
    who = ", ".join(local["workers"]) or "nobody: filmforge worker --gpu local"
    lines = [f"Own GPU  {who}", f"Waiting  {local['waiting']}"]
    if answer["modal"] is None:
        lines.append("Modal    no token: set MODAL_TOKEN_ID and MODAL_TOKEN_SECRET")
    else:
        names = (next(v for v in each.values() if _is_ours(v)) for each in answer["modal"])
        lines.append(f"Modal    {', '.join(names) or 'nothing of ours is deployed'}")
    return Group(functions, *map(unbroken, lines))


def _cost_table(answer: dict[str, Any]) -> "RenderableType":
    from filmforge.cli.tables import grid, usd

    table = grid("function", "spent", "saved", "works", "reused", right=("spent", "saved"))
    for line in answer["functions"]:
        table.add_row(
            line["name"],
            usd(line["spent_usd"]),
            usd(line["saved_usd"]),
            str(line["charges"]),
            str(line["reuses"]),
        )
    return table
