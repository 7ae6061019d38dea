"""Commands as functions, which return as data what the command prints with ``--format json``."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

from . import errors


def words(options: dict[str, Any]) -> list[str]:
    """Returns keyword options as words: ``shots=5`` is ``--shots 5``, ``force=True`` is ``--force``, and a list repeats its option."""
    found: list[str] = []
    for name, value in options.items():
        option = "--" + name.replace("_", "-")
        if value is None or value is False:
            continue
        if value is True:
            found.append(option)
            continue
        several = value if isinstance(value, (list, tuple, range)) else [value]
        for one in several:
            found += [option, os.fspath(one) if isinstance(one, os.PathLike) else str(one)]
    return found


def document(arguments: Sequence[str], progress: bool) -> Any:
    """Runs a command in a separate process, and returns the JSON that it prints."""
    quiet = [] if progress else ["--quiet"]
    command = [sys.executable, "-m", "allot", *arguments, "--format", "json", *quiet]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=None if progress else subprocess.PIPE) as process:
        try:
            printed, said = process.communicate()
        except KeyboardInterrupt:
            # The terminal sends Ctrl-C to both processes; a signal sent only to Python is passed on.
            process.send_signal(signal.SIGINT)
            process.wait()
            raise
    if process.returncode in (0, 1):
        return json.loads(printed)
    try:
        failure = json.loads(printed)
    except ValueError:
        text = (said or b"").decode(errors="replace").strip()
        raise errors.AllotError(text or f"the command ended with code {process.returncode}") from None
    if failure["kind"] == "interrupted":
        raise KeyboardInterrupt
    raise errors.from_failure(json.dumps(failure))


def _several(values: str | float | Sequence[str] | Sequence[float]) -> str:
    """Returns one value or several as commands take them, separated by commas."""
    return str(values) if isinstance(values, (str, int, float)) else ",".join(map(str, values))


def tasks(model: str | os.PathLike[str], tasks: str | Sequence[str], *, progress: bool = False, **options: Any) -> Any:
    """Measures accuracy on tasks, as ``allot tasks`` does, and returns its JSON.

    Parameters
    ----------
    model : path
        The model's folder, or its id in the hub.
    tasks : str or sequence of str
        The tasks' names, such as ``["piqa", "arc_easy"]``, or a group such as ``"seven"``.
    progress : bool
        Whether to print progress on standard error.
    **options
        The command's options, listed by ``allot tasks --help``: ``data="DATA", limit=100`` is ``--data DATA --limit 100``.
    """
    arguments = ["tasks", os.fspath(model), "--tasks", _several(tasks), *words(options)]
    return document(arguments, progress)


def compare(
    model: str | os.PathLike[str],
    scripts: Sequence[str | os.PathLike[str]],
    sparsity: float | Sequence[float],
    *,
    progress: bool = False,
    **options: Any,
) -> Any:
    """Compares scripts side by side, as ``allot compare`` does, and returns its JSON.

    Parameters
    ----------
    model : path
        The model's folder, or its id in the hub.
    scripts : sequence of str
        Names of published scripts, script files, or programs such as ``"descent"``.
    sparsity : float or sequence of float
        One sparsity, or several.
    progress : bool
        Whether to print progress on standard error.
    **options
        The command's options, listed by ``allot compare --help``.
    """
    arguments = ["compare", os.fspath(model), *(os.fspath(it) for it in scripts), "--sparsity", _several(sparsity), *words(options)]
    return document(arguments, progress)


def descend(
    model: str | os.PathLike[str],
    sparsity: float | Sequence[float],
    *,
    out: str | os.PathLike[str],
    progress: bool = False,
    **options: Any,
) -> Any:
    """Finds ratios with equal marginal damage, as ``allot descend`` does, and returns its JSON.

    Parameters
    ----------
    model : path
        The model's folder, or its id in the hub.
    sparsity : float or sequence of float
        One sparsity, or several.
    out : path
        The output folder, which gets an allocation file for each sparsity.
    progress : bool
        Whether to print progress on standard error.
    **options
        The command's options, listed by ``allot descend --help``.
    """
    options = {"sparsity": _several(sparsity), "out": out, **options}
    arguments = ["descend", os.fspath(model), *words(options)]
    return document(arguments, progress)
