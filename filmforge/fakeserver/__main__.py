"""Run the server: python -m filmforge.fakeserver --port 8799 --state fake.sqlite."""

import argparse
import ipaddress
import os
from pathlib import Path

import uvicorn

from filmforge.errors import NotConfigured
from filmforge.fakeserver.server import build_app

SECRET = "FILMFORGE_FAKE_WEBHOOK_SECRET"  # noqa: S105 - the name of a variable


def _loopback(host: str) -> str:
    if not ipaddress.ip_address(host).is_loopback:
        raise argparse.ArgumentTypeError("must be a loopback address such as 127.0.0.1")
    return host


def main() -> None:
    """Serve until a signal says stop."""
    parser = argparse.ArgumentParser(prog="filmforge.fakeserver", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--state", type=Path, required=True, help="SQLite file, made if missing")
    parser.add_argument("--host", type=_loopback, default="127.0.0.1")
    chosen = parser.parse_args()
    try:
        app = build_app(chosen.state, os.environ.get(SECRET, ""))
    except NotConfigured as error:
        parser.error(str(error))
    uvicorn.run(
        app,
        host=chosen.host,
        port=chosen.port,
        access_log=False,
        log_level="error",
        timeout_graceful_shutdown=1,
    )


if __name__ == "__main__":
    main()
