"""Progress of long calls."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable


class Line:
    """Prints a line on standard error at most ten times a second, and overwrites it on a terminal."""

    def __init__(self) -> None:
        self._last = 0.0

    def __call__(self, phase: str, share: float, value: float | None) -> None:
        now = time.monotonic()
        if share < 1.0 and now - self._last < 0.1:
            return
        self._last = now
        text = f"{phase}: {100 * share:.0f} %" + ("" if value is None else f", {value:.4g}")
        if sys.stderr.isatty():
            print(f"\r\x1b[K{text}", end="\n" if share >= 1.0 else "", file=sys.stderr, flush=True)
        else:
            print(text, file=sys.stderr, flush=True)


def shown(
    progress: bool | Callable[[str, float, float | None], None] | None,
) -> Callable[[str, float, float | None], None] | None:
    """Returns the callable that receives progress, or None."""
    if progress is True:
        return Line()
    return progress or None
