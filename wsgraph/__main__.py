"""``python -m wsgraph``: the command line."""

from wsgraph.cli import main

if __name__ == "__main__":
    main()
