"""Every benchmark, one after another: `make bench`."""

from tests.benchmarks import memory, orchestration, recovery, schedule


def main() -> None:
    """Print a line for each."""
    orchestration.main()
    schedule.main()
    recovery.main()
    memory.main()


if __name__ == "__main__":
    main()
