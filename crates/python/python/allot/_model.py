"""Models in folders, as Hugging Face lays them out."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Union

import numpy as np

from . import _allot
from ._progress import shown
from ._script import Script
from .errors import ArgumentError

Paths = Union[str, "os.PathLike[str]", Sequence[Union[str, "os.PathLike[str]"]]]
Progress = Union[bool, Callable[[str, float, Union[float, None]], None], None]


def paths(files: Paths | None) -> list[str]:
    """Returns one file or several as a list."""
    if files is None:
        return []
    if isinstance(files, (str, os.PathLike)):
        return [os.fspath(files)]
    return [os.fspath(it) for it in files]


def _script(script: str | _allot.Script) -> _allot.Script:
    return script if isinstance(script, _allot.Script) else Script.open(script)


@dataclass(frozen=True)
class Perplexity:
    """How well a model predicts a text.

    Attributes
    ----------
    perplexity : float
        The exponential of the mean loss; infinite or NaN for a model that pruning has destroyed.
    mean_loss : float
        The mean negative log-likelihood of a token, in nats.
    tokens : int
        How many tokens were predicted: all but the first of each window.
    window_losses : numpy.ndarray
        The mean loss of each window, for paired comparisons.
    """

    perplexity: float
    mean_loss: float
    tokens: int
    window_losses: np.ndarray

    def __float__(self) -> float:
        return self.perplexity


class Model(_allot.Model):
    """A model's folder, with the text that its statistics are collected on.

    Parameters
    ----------
    folder : path
        The model's folder, or its id in the hub, ``OWNER/NAME``.
    text : path or sequence of path, optional
        The calibration text: plain text, or JSON lines with a ``text`` field. Statistics are collected when a script or a method needs
        them.
    tokens : str, optional
        Ready ids in the text's place: ``FILE.safetensors:NAME``.
    statistics : path, optional
        Statistics that :meth:`save_statistics` or ``allot stats`` wrote.
    samples : int
        How many windows are drawn from the text.
    length : int, optional
        How many tokens a window has; 2048, or the model's context where that is shorter.
    seed : int
        The seed by which windows are drawn.
    device, precision : str
        Where work is done, and in which type, as ``--device`` and ``--precision`` say it.

    Examples
    --------
    >>> model = allot.Model(MODEL, text=CALIBRATION, samples=16, length=128)
    >>> allocation = model.ratios("owl", 0.6)
    >>> round(allocation.achieved, 4)
    0.6
    """

    def __new__(
        cls,
        folder: str | os.PathLike[str],
        *,
        text: Paths | None = None,
        tokens: str | None = None,
        statistics: str | os.PathLike[str] | None = None,
        samples: int = 128,
        length: int | None = None,
        seed: int = 0,
        device: str = "cpu",
        precision: str = "f32",
    ) -> "Model":
        return super().__new__(
            cls,
            folder,
            text=paths(text),
            tokens=tokens,
            statistics=statistics,
            samples=samples,
            length=length,
            seed=seed,
            device=device,
            precision=precision,
        )

    def ratios(
        self,
        script: str | _allot.Script,
        sparsity: float,
        *,
        method: str = "wanda",
        unit: str | None = None,
        lower: float = 0.0,
        upper: float = 1.0,
        progress: Progress = None,
    ) -> _allot.Allocation:
        """Returns how much each part of the model loses by a script.

        Parameters
        ----------
        script : str or Script
            A script, the name of a published one such as ``"owl"``, or a script's file.
        sparsity : float
            The share of all weights in the blocks' linears that is to be pruned, from 0 to 1.
        method : str
            The pruning method whose scores ``score`` stands for, where the script has no metric of its own.
        unit : {"block", "projection", "row"}, optional
            The allocation unit, instead of the script's own.
        lower, upper : float
            Between which sparsities each unit must stay.
        progress : bool or callable, optional
            Is called with what is being done, the share that is done, and a value or None; ``True`` prints a line.
        """
        return self._ratios(_script(script), sparsity, method, unit, lower, upper, shown(progress))

    def masks(
        self,
        allocation: _allot.Allocation,
        *,
        method: str = "wanda",
        pattern: str | None = None,
        progress: Progress = None,
    ) -> dict[str, np.ndarray]:
        """Returns which weights are pruned, by module name: arrays of bool, ``[rows, columns]``, true where a weight goes.

        Later blocks are calibrated behind the pruned ones, as :meth:`prune` does it.

        Parameters
        ----------
        allocation : Allocation
            How much each part loses.
        method : str
            How weights are chosen: ``"wanda"``, ``"magnitude"``, ``"ria"``, ``"sparsegpt"``, or a script with a metric.
        pattern : str, optional
            Where zeros may stand, such as ``"2:4"``.
        progress
            As :meth:`ratios` takes it.
        """
        return self._masks(allocation, method, pattern, shown(progress))

    def prune(
        self,
        allocation: _allot.Allocation,
        out: str | os.PathLike[str],
        *,
        method: str = "wanda",
        pattern: str | None = None,
        force: bool = False,
        progress: Progress = None,
    ) -> Mapping[str, object]:
        """Writes the pruned model into a new folder, which loads in transformers as it is, and returns what pruning did.

        Parameters
        ----------
        allocation, method, pattern, progress
            As :meth:`masks` takes them.
        out : path
            The folder.
        force : bool
            Replaces a folder that allot wrote before.
        """
        return json.loads(self._prune(allocation, out, method, pattern, force, shown(progress)))

    def perplexity(
        self,
        text: Paths | None = None,
        *,
        tokens: str | None = None,
        length: int | None = None,
        limit: int | None = None,
        progress: Progress = None,
    ) -> Perplexity:
        """Measures the perplexity of a text, in windows that do not overlap.

        Parameters
        ----------
        text, tokens, length
            As :class:`Model` takes them.
        limit : int, optional
            The most windows.
        progress
            As :meth:`ratios` takes it.
        """
        value, loss, count, windows = self._perplexity(paths(text), tokens, length, limit, shown(progress))
        return Perplexity(value, loss, count, np.asarray(windows))

    def second_moments(self, *, progress: Progress = None) -> dict[str, np.ndarray]:
        """Returns the second moments of every linear's input, by module name, ``[columns]``.

        They are the mean over samples of the sum over tokens of the input squared; their root is the language's ``input_norm``.
        """
        return self._second_moments(shown(progress))

    def save_statistics(self, path: str | os.PathLike[str], *, progress: Progress = None) -> None:
        """Collects the inputs' statistics where they are not collected yet, and writes all that was collected into a file."""
        if not self._save_statistics(path, shown(progress)):
            raise ArgumentError("the model has no calibration text; pass `text` or `tokens`")
