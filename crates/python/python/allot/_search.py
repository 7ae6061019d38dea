"""The search: asked for what it wants measured, and told losses in any order."""

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
    """A search that asks for tasks and is told their losses, in any order.

    Parameters
    ----------
    model : path, optional
        The model's folder, or its id in the hub.
    sparsity : float, optional
        The share of all weights in the blocks' linears that is to be pruned, from 0 to 1.
    out : path, optional
        The folder to be written.
    resume : path, optional
        Goes on with the run in this folder, in the place of model, sparsity, ``out`` and all options that the folder knows.
    measure : str, optional
        The name of a measure of one's own, which is kept with the run: losses of another measure are not mixed with these. Without it
        losses are taken for the model's own, such as :meth:`measure` and workers measure.
    progress : bool or callable, optional
        As :meth:`Model.ratios` takes it; it is told how far opening the models is.
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
        sparsity: float | None = None,
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
        """Opens the search that the words behind ``allot search`` describe."""
        self = cls.__new__(cls)
        self._open(list(arguments), measure, progress)
        return self

    def _open(self, arguments: list[str], measure: str | None, progress: Any) -> None:
        self._search = _allot.AskedSearch(arguments, measure, shown(progress))

    @property
    def folder(self) -> str:
        """The folder that the search writes."""
        return os.fspath(self._search.folder)

    @property
    def is_over(self) -> bool:
        """Whether nothing more is asked for."""
        return self._search.is_over

    @property
    def progress(self) -> dict[str, Any] | None:
        """How far the search is; None before its first measurement."""
        return self._search.progress

    def settings(self) -> str:
        """Returns the settings as JSON, with which :class:`Worker` opens the same models in another process."""
        return self._search.settings()

    def ask(self) -> list[_allot.Task]:
        """Returns the tasks that came up since the last call; none when losses of earlier tasks are waited for, or the search is over.

        The order of answers changes nothing. With ``lag=1`` each generation waits for the one before it; with a longer lag about as
        many tasks can be measured at a time.
        """
        return self._search.ask()

    def tell(self, task: _allot.Task | int, loss: Loss) -> None:
        """Takes the loss of a task.

        Parameters
        ----------
        task : Task or int
            The task, or its ``id``.
        loss : float or sequence
            The loss of each window: numbers, lower being better, or pairs of divergence and loss as :meth:`measure` returns them. One
            number will do for a task of one window. ``math.inf`` is the loss of a model that pruning has destroyed.

        Raises
        ------
        AnswerError
            When a loss is not a number, there are not as many as windows, the task is unknown or has its losses already, or the search
            is over. Nothing changes then.
        """
        number = task if isinstance(task, int) else task.id
        self._search._tell(number, _pairs(loss))

    def measure(self, task: _allot.Task) -> list[tuple[float, float]]:
        """Measures a task with the models of this process: pairs of divergence and loss, one for each window."""
        return self._search._measure(task)

    def run(self, loss: Callable[[_allot.Task], Loss] | None = None, *, workers: int | None = None) -> Run:
        """Measures all tasks, and returns what was found.

        Parameters
        ----------
        loss : callable, optional
            Measures a task, as :meth:`tell` takes it; :meth:`measure` by default.
        workers : int, optional
            How many threads call ``loss``: as many as there are cores by default, and one where ``loss`` is one's own.
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
        """Writes what was found into the folder, as the command does, and returns it.

        Raises
        ------
        AnswerError
            When the search is not over.
        """
        self._search.end()
        return Run(self.folder)

    def stop(self) -> None:
        """Ends the search where it is; ``Search(resume=FOLDER)`` goes on from there."""
        self._search.stop()

    def __enter__(self) -> "Search":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def _pairs(loss: Loss) -> list[tuple[float, float]]:
    values = [loss] if isinstance(loss, (int, float)) or getattr(loss, "ndim", None) == 0 else list(loss)
    pairs = []
    for value in values:
        try:
            pair = (float(value[0]), float(value[1])) if isinstance(value, (tuple, list)) else (float(value), float(value))
        except (TypeError, ValueError, IndexError):
            raise AnswerError(f"a loss is a number, or a pair of divergence and loss, and not {value!r}") from None
        pairs.append(pair)
    return pairs


def search(
    model: str | os.PathLike[str] | None = None,
    sparsity: float | None = None,
    *,
    out: str | os.PathLike[str] | None = None,
    resume: str | os.PathLike[str] | None = None,
    loss: Callable[[_allot.Task], float] | None = None,
    name: str | None = None,
    workers: int | None = None,
    progress: bool | Callable[[str, float, float | None], None] | None = None,
    **options: Any,
) -> Run:
    """Searches for an allocation function, and returns what was found.

    Parameters
    ----------
    model, sparsity, out, resume, progress, **options
        As :class:`Search` takes them.
    loss : callable, optional
        A measure of one's own: takes a :class:`Task`, whose ``ratios`` say how much each module loses, and returns a number, lower being
        better. Without it candidates are measured as the command does it.
    name : str, optional
        What the measure is called; ``loss.__qualname__`` by default. Runs of another name are not mixed with this one.
    workers : int, optional
        As :meth:`Search.run` takes it.

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
            # One number is the loss of one window; where no text is named, one has to stand for it.
            options.setdefault("windows", 1)
            if not {"texts", "fitness"} & set(options) and "calibration" in options:
                options["fitness"] = options["calibration"]
    elif name is not None:
        raise ArgumentError("`name` names a measure of one's own, and there is no `loss`")
    opened = Search(model, sparsity, out=out, resume=resume, measure=measure, progress=progress, **options)
    with opened:
        return opened.run(loss, workers=workers)
