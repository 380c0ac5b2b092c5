"""What the command line asks of the functions: `list`, and `download FUNCTION FOLDER`."""

import argparse
import json
import sys
from pathlib import Path

from filmforge.errors import FilmError
from gpu_functions.catalogue import ENDPOINTS, MAKERS, maker_of
from gpu_functions.weights import download


def main() -> int:
    """Do one of them; 1 with a sentence on stderr where it cannot be done."""
    parser = argparse.ArgumentParser(prog="gpu_functions", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("list")
    fetching = verbs.add_parser("download")
    fetching.add_argument("function")
    fetching.add_argument("folder", type=Path)
    given = parser.parse_args()
    try:
        if given.verb == "download":
            maker = maker_of(given.function)
            folder = download(maker.source, given.folder, maker.name)
            sys.stdout.write(f"{folder}\n")
        else:
            sys.stdout.write(json.dumps(_listed()) + "\n")
    except FilmError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def _listed() -> list[dict[str, object]]:
    listed: list[dict[str, object]] = []
    for name in MAKERS:
        source = maker_of(name).source
        licences = list(source.licences)
        listed.append({"function": name, "licences": licences, "gib": source.gib})
    return listed + [{"function": name, "licences": [], "gib": None} for name in ENDPOINTS]


if __name__ == "__main__":
    sys.exit(main())
