"""Every benchmark, one after another, each in a process of its own: `make bench`."""

import subprocess
import sys

NAMES = ("orchestration", "schedule", "recovery", "memory", "cut", "cut_memory", "board")


def main() -> None:
    """Print a line for each; fails with the first that fails."""
    for name in NAMES:
        subprocess.run([sys.executable, "-m", f"tests.benchmarks.{name}"], check=True)


if __name__ == "__main__":
    main()
