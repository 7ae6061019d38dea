"""Sparsity allocation for pruning language models.

A small typed language describes how much of each layer to prune. This package checks and evaluates its scripts, prunes and measures
models, and searches for new scripts. It uses the same library as the command ``allot``.

Examples
--------
>>> import allot
>>> script = allot.Script("log(mean(score)) |> scale")
>>> script.hash[:8]
'c7aaa6f4'
"""

from __future__ import annotations

import os

# candle's own idle threads spin, and the heavy work runs on other threads. candle reads the variable when its first thread starts.
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
