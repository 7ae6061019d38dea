"""The results in a search's folder."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from ._script import Script
from .errors import AllotError


class Run:
    """The folder of a search that is finished or still running.

    Parameters
    ----------
    folder : path
        The folder that ``allot search --out`` or :func:`search` wrote.

    Examples
    --------
    >>> run = allot.Run(RUN)
    >>> run.best.has_metric
    True
    """

    def __init__(self, folder: str | os.PathLike[str]):
        self.folder = Path(folder)
        self.settings: dict[str, Any] = self._json("settings.json")

    def _json(self, name: str) -> Any:
        try:
            return json.loads((self.folder / name).read_text())
        except FileNotFoundError:
            raise AllotError(f"{self.folder} has no {name}: it is not a search's folder, or the search is not finished") from None

    @property
    def summary(self) -> dict[str, Any]:
        """The content of ``summary.json``; ``allot schema search`` describes it."""
        summary: dict[str, Any] = self._json("summary.json")
        return summary

    @property
    def best(self) -> Script:
        """The best script."""
        return Script.open(os.fspath(self.folder / "best.allot"))

    @property
    def front(self) -> list[Script]:
        """The scripts that are better than every smaller one, sorted by size, smallest first."""
        return [Script.open(os.fspath(path)) for path in sorted((self.folder / "front").glob("*.allot"))]

    @property
    def measured(self) -> list[dict[str, Any]]:
        """Every measured allocation with its loss, in order; also available while the search runs."""
        path = self.folder / "measured.jsonl"
        lines = path.read_text().splitlines() if path.exists() else []
        return [json.loads(line) for line in lines if line.endswith("}")]

    def __repr__(self) -> str:
        return f"Run({os.fspath(self.folder)!r})"
