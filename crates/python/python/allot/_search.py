"""The search, with an ask-and-tell interface that takes losses in any order."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from typing import Any, Union

from . import _allot
from ._command import words
from ._progress import shown
from ._run import Run
from .errors import AnswerError, ArgumentError

Loss = Union[float, Sequence[Union[float, tuple[float, float]]]]


class Search:
    """A search that hands out tasks and takes their losses in any order.

    Parameters
    ----------
    model : path, optional
        The model's folder, or its id in the hub.
    sparsity : float or sequence of float, optional
        The target sparsity, from 0 to 1: the share of all weights in the blocks' linears to prune; several for one function that is
        good at each. A task belongs to one of them, ``task.sparsity``.
    out : path, optional
        The output folder.
    resume : path, optional
        Continues the run in this folder; replaces model, sparsity, ``out`` and all options that the folder records.
    measure : str, optional
        The name of a custom measure. It is stored with the run, so that losses of different measures are never mixed. Without it,
        losses must be the model's own, as measured by :meth:`measure` and by workers.
    progress : bool or callable, optional
        As in :meth:`Model.ratios`; it reports the progress of opening the models.
    **options
        The options of ``allot search``: ``texts="TEXTS", evaluations=200, lag=16`` is ``--texts TEXTS --evaluations 200 --lag 16``.

    Examples
    --------
    >>> search = allot.Search(MODEL, 0.7, texts=TEXTS, samples=4, length=32, windows=4, evaluations=5, out=OUT)
    >>> while not search.is_over:
    ...     for task in search.ask():
    ...         search.tell(task, search.measure(task))
    >>> run = search.end()
    """

    def __init__(
        self,
        model: str | os.PathLike[str] | None = None,
        sparsity: float | Sequence[float] | None = None,
        *,
        out: str | os.PathLike[str] | None = None,
        resume: str | os.PathLike[str] | None = None,
        measure: str | None = None,
        progress: bool | Callable[[str, float, float | None], None] | None = None,
        **options: Any,
    ):
        given = [] if model is None else [os.fspath(model)]
        options = {"sparsity": sparsity, "out": out, "resume": resume, **options}
        self._open([*given, *words(options)], measure, progress)

    @classmethod
    def of_words(cls, arguments: Sequence[str], *, measure: str | None = None, progress: Any = None) -> "Search":
        """Opens the search that the arguments of ``allot search`` describe."""
        self = cls.__new__(cls)
        self._open(list(arguments), measure, progress)
        return self

    def _open(self, arguments: list[str], measure: str | None, progress: Any) -> None:
        self._search = _allot.AskedSearch(arguments, measure, shown(progress))

    @property
    def folder(self) -> str:
        """The search's output folder."""
        return os.fspath(self._search.folder)

    @property
    def is_over(self) -> bool:
        """Whether the search needs no more losses."""
        return self._search.is_over

    @property
    def progress(self) -> dict[str, Any] | None:
        """The progress of the search; None before its first measurement."""
        return self._search.progress

    def settings(self) -> str:
        """Returns the settings as JSON, from which :class:`Worker` opens the same models in another process."""
        return self._search.settings()

    def ask(self) -> list[_allot.Task]:
        """Returns the new tasks since the last call; empty if the search waits for losses of earlier tasks, or is over.

        The order of answers does not change the results. With ``lag=1`` each generation waits for the previous one; with a longer lag,
        about ``lag`` tasks can be measured at the same time.
        """
        return self._search.ask()

    def tell(self, task: _allot.Task | int, loss: Loss) -> None:
        """Records the losses of a task.

        Parameters
        ----------
        task : Task or int
            The task, or its ``id``.
        loss : float or sequence
            The loss of each window: numbers, where lower is better, or pairs of divergence and loss as returned by :meth:`measure`. A
            task of one window also takes a single number. Use ``math.inf`` for a model that pruning has destroyed.

        Raises
        ------
        AnswerError
            When a loss is not a number, the number of losses differs from the number of windows, the task is unknown or has its losses
            already, or the search is over. The search is then unchanged.
        """
        number = task if isinstance(task, int) else task.id
        self._search._tell(number, _pairs(loss))

    def measure(self, task: _allot.Task) -> list[tuple[float, float]]:
        """Measures a task with the models of this process, and returns one pair of divergence and loss for each window."""
        return self._search._measure(task)

    def run(self, loss: Callable[[_allot.Task], Loss] | None = None, *, workers: int | None = None) -> Run:
        """Measures all tasks, and returns the finished run.

        Parameters
        ----------
        loss : callable, optional
            Returns the loss of a task, in a form that :meth:`tell` takes; :meth:`measure` by default.
        workers : int, optional
            The number of threads that call ``loss``: by default one per core, or one if ``loss`` is given.
        """
        count = workers or (1 if loss else os.cpu_count() or 1)
        measure = loss or self.measure
        with ThreadPoolExecutor(count) as pool:
            running: dict[Any, _allot.Task] = {}
            try:
                while not self.is_over:
                    running.update({pool.submit(measure, task): task for task in self.ask()})
                    done, _ = wait(running, return_when=FIRST_COMPLETED)
                    for future in done:
                        self.tell(running.pop(future), future.result())
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
        return self.end()

    def end(self) -> Run:
        """Writes the results into the folder, as the command does, and returns the run.

        Raises
        ------
        AnswerError
            When the search is not over.
        """
        self._search.end()
        return Run(self.folder)

    def stop(self) -> None:
        """Stops the search; ``Search(resume=FOLDER)`` continues from there."""
        self._search.stop()

    def __enter__(self) -> "Search":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def _pairs(loss: Loss) -> list[tuple[float, float]]:
    values: list[Any]
    if isinstance(loss, (int, float)) or getattr(loss, "ndim", None) == 0:
        values = [loss]
    else:
        values = list(loss)
    pairs = []
    for value in values:
        try:
            pair = (float(value[0]), float(value[1])) if isinstance(value, (tuple, list)) else (float(value), float(value))
        except (TypeError, ValueError, IndexError):
            raise AnswerError(f"a loss is a number, or a pair of divergence and loss, not {value!r}") from None
        pairs.append(pair)
    return pairs


def search(
    model: str | os.PathLike[str] | None = None,
    sparsity: float | Sequence[float] | None = None,
    *,
    out: str | os.PathLike[str] | None = None,
    resume: str | os.PathLike[str] | None = None,
    loss: Callable[[_allot.Task], float] | None = None,
    name: str | None = None,
    workers: int | None = None,
    progress: bool | Callable[[str, float, float | None], None] | None = None,
    **options: Any,
) -> Run:
    """Searches for an allocation function, and returns the finished run.

    Parameters
    ----------
    model, sparsity, out, resume, progress, **options
        As in :class:`Search`.
    loss : callable, optional
        A custom measure: takes a :class:`Task`, whose ``ratios`` hold the pruned share of each module, and returns a number, where lower
        is better. Without it, candidates are measured as by the command.
    name : str, optional
        The name of the measure; ``loss.__qualname__`` by default. A run can only be resumed with the same name.
    workers : int, optional
        As in :meth:`Search.run`.

    Examples
    --------
    >>> def far_from_flat(task):
    ...     return sum((ratio - 0.7) ** 2 for ratio in task.ratios.values())
    >>> run = allot.search(
    ...     MODEL, 0.7, calibration=CALIBRATION, samples=4, length=32, evaluations=5, out=OUT, loss=far_from_flat
    ... )
    >>> len(run.measured) >= 5
    True
    """
    measure = None
    if loss is not None:
        measure = name or getattr(loss, "__qualname__", type(loss).__qualname__)
        if resume is None:
            # A single number is the loss of one window. The search needs a fitness text, so the calibration text replaces a missing one.
            options.setdefault("windows", 1)
            if not {"texts", "fitness"} & set(options) and "calibration" in options:
                options["fitness"] = options["calibration"]
    elif name is not None:
        raise ArgumentError("`name` is the name of a custom measure, but there is no `loss`")
    opened = Search(model, sparsity, out=out, resume=resume, measure=measure, progress=progress, **options)
    with opened:
        return opened.run(loss, workers=workers)
