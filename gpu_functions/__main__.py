"""What the command line asks of the functions: `list`, `download FUNCTION DIR`, `llm DIR PORT`."""

import argparse
import json
import os
import sys
from pathlib import Path

from filmforge.errors import FilmError
from gpu_functions import llm
from gpu_functions.catalogue import MAKERS, maker_of
from gpu_functions.weights import Source, download


def main() -> int:
    """Do one of them; 1 with a sentence on stderr where it cannot be done."""
    parser = argparse.ArgumentParser(prog="gpu_functions", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("list", help="names, licences and sizes as JSON")
    fetching = verbs.add_parser("download", help="fetch the weights of a function")
    fetching.add_argument("function")
    fetching.add_argument("folder", type=Path)
    serving = verbs.add_parser("llm", help="serve the language model on this machine")
    serving.add_argument("folder", type=Path)
    serving.add_argument("port", type=int)
    given = parser.parse_args()
    try:
        if given.verb == "download":
            folder = download(_source(given.function), given.folder, given.function)
            sys.stdout.write(f"{folder}\n")
        elif given.verb == "llm":
            _serve_llm(given.folder, given.port)
        else:
            sys.stdout.write(json.dumps([_told(name) for name in (*MAKERS, llm.NAME)]) + "\n")
    except FilmError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def _source(function: str) -> Source:
    return llm.SOURCE if function == llm.NAME else maker_of(function).source


def _told(function: str) -> dict[str, object]:
    source = _source(function)
    return {"function": function, "licences": list(source.licences), "gib": source.gib}


def _serve_llm(folder: Path, port: int) -> None:
    """Become the server."""
    command = llm.local_command(folder, port)
    os.chdir(folder)
    os.execvpe(command[0], command, llm.offline())  # noqa: S606 - it is the command


if __name__ == "__main__":
    sys.exit(main())
