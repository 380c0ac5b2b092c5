"""Run the command line: python -m filmforge.cli."""

from filmforge.cli import main

if __name__ == "__main__":
    main()
