"""The command line: every command speaks to the HTTP API and to nothing behind it."""

import sys


def main() -> None:
    """Run the command given on the command line and exit with its status.

    0 done, 1 failed, 2 wrong use, 3 needs attention or approval, 130 interrupted.
    """
    from filmforge.cli.app import run

    sys.exit(run(sys.argv[1:]))
