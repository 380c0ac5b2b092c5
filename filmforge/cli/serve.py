"""Commands that run servers, and the one that examines them."""

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from filmforge.cli.connect import print_json, say, tell
from filmforge.cli.options import DEFAULT_STATE, AsJson

if TYPE_CHECKING:
    from filmforge.embedded import Finding, UpInfo

_PORT = 8700

Directory = Annotated[
    Path, typer.Option("--state", metavar="DIR", help="Where everything is kept.")
]


def up(
    state: Directory = DEFAULT_STATE,
    port: Annotated[
        int, typer.Option("--port", min=1, max=65_535, help="Port of the API on 127.0.0.1.")
    ] = _PORT,
    fake: Annotated[
        bool, typer.Option("--fake", help="Add the fake provider, for trials without money.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Start everything on this machine and keep it running until Ctrl-C."""
    import structlog

    from filmforge.embedded import run_up
    from filmforge.settings import Settings

    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))

    def announce(info: "UpInfo") -> None:
        if as_json:
            print_json(info.model_dump(exclude={"api_key"}))
        else:
            say(*addresses(info.model_dump()), f"State        {state}", "Stop with Ctrl-C.")
        sys.stdout.flush()

    asyncio.run(run_up(state, port, settings=Settings(), fake=fake, on_ready=announce))


def addresses(info: dict[str, Any]) -> list[str]:
    """The addresses of a running FilmForge, a line each."""
    lines = [f"API          {info['api']}"]
    if info.get("temporal_ui"):
        lines.append(f"Temporal UI  {info['temporal_ui']}")
    return lines


def doctor(state: Directory = DEFAULT_STATE, as_json: AsJson = False) -> None:
    """Say what is found, started, reachable or missing, and what to do about it."""
    from dataclasses import asdict

    from filmforge.cli.tables import findings_table
    from filmforge.embedded import examine
    from filmforge.settings import Settings

    findings: list[Finding] = examine(state, Settings())
    healthy = all(finding.ok for finding in findings)
    document = {"healthy": healthy, "findings": [asdict(finding) for finding in findings]}
    tell(document, as_json, findings_table)
    if not healthy:
        raise typer.Exit(1)


def fake_server(
    port: Annotated[int, typer.Option("--port", min=1, max=65_535)] = 8799,
    state: Annotated[
        Path, typer.Option("--state", metavar="FILE", help="SQLite file; made if missing.")
    ] = Path("fake.sqlite"),
    as_json: AsJson = False,
) -> None:
    """Serve the fake provider until Ctrl-C: a queue with prices, delays and faults, no money."""
    import uvicorn

    from filmforge.errors import BadInput
    from filmforge.fakeserver.server import build_app
    from filmforge.settings import Settings

    address = f"http://127.0.0.1:{port}"
    if not _is_free(port):
        raise BadInput("--port", f"{port} is taken", "Choose another with --port")
    serving = build_app(state, Settings().fake_webhook_secret.get_secret_value())
    if as_json:
        print_json({"url": address, "state": str(state)})
    else:
        say(f"Fake provider  {address}", "Use it with FILMFORGE_FAKE_URL. Stop with Ctrl-C.")
    sys.stdout.flush()
    uvicorn.run(serving, host="127.0.0.1", port=port, access_log=False, log_level="error")


def _is_free(port: int) -> bool:
    from filmforge.embedded.ports import is_free

    return is_free(port)
