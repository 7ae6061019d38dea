"""Sparsity allocation for pruning language models.

A small typed language says how much of each layer is pruned; this package checks and evaluates its scripts, prunes and measures models,
and searches for new ones. What the command ``allot`` does is done here by the same library.

Examples
--------
>>> import allot
>>> script = allot.Script("log(mean(score)) |> scale")
>>> script.hash[:8]
'c7aaa6f4'
"""

from __future__ import annotations

import os

# candle's own threads wait in a loop; the work that pays runs on others, which sleep. It is read when the first of them starts.
os.environ.setdefault("CANDLE_NUM_THREADS", "1")

from . import _allot
from ._allot import Allocation, Task, Worker, format, published
from ._command import compare, descend, tasks
from ._layers import Layers
from ._model import Model, Perplexity
from ._run import Run
from ._script import Script, check
from ._search import Search, search
from .errors import AllotError, AllotWarning, AnswerError, ArgumentError, Diagnostic, ScriptError

__version__ = _allot.__version__

__all__ = [
    "Allocation",
    "AllotError",
    "AllotWarning",
    "AnswerError",
    "ArgumentError",
    "Diagnostic",
    "Layers",
    "Model",
    "Perplexity",
    "Run",
    "Script",
    "ScriptError",
    "Search",
    "Task",
    "Worker",
    "check",
    "compare",
    "descend",
    "format",
    "published",
    "search",
    "tasks",
]
