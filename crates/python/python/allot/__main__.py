"""The command ``allot`` of the package."""

from __future__ import annotations

import sys

from . import _allot


def main() -> int:
    """Runs the command in the process's arguments; ``allot search ... --ray ADDRESS`` searches on a cluster."""
    arguments = sys.argv[1:]
    if arguments[:1] == ["search"] and any(it == "--ray" or it.startswith("--ray=") for it in arguments):
        from .ray import main as search_on_a_cluster

        return search_on_a_cluster(arguments[1:])
    return _allot.run_command(["allot", *arguments])


if __name__ == "__main__":
    sys.exit(main())
