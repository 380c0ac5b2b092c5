"""`filmforge up` with stand-ins, as a program: python -m tests.embedded.up_program DIR PORT."""

import asyncio
import json
import sys
from pathlib import Path

from filmforge.embedded import run_up
from filmforge.errors import FilmError
from filmforge.settings import Settings
from tests.embedded import standin


def main() -> int:
    state, port = Path(sys.argv[1]), int(sys.argv[2])
    commands = {
        "migrate": standin.MIGRATION,
        "worker": standin.WORKER,
        "gateway": standin.gateway(port),
    }
    commands |= {name: tuple(command) for name, command in json.loads(sys.argv[3]).items()}
    try:
        asyncio.run(run_up(state, port, settings=Settings(), commands=commands))
    except FilmError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
