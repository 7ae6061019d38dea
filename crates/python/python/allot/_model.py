"""Models in folders with Hugging Face's layout."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Union

import numpy as np

from . import _allot
from ._progress import shown
from ._script import Script
from .errors import ArgumentError

if TYPE_CHECKING:
    from typing_extensions import Self

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
    """The perplexity of a model on a text.

    Attributes
    ----------
    perplexity : float
        The exponential of the mean loss; infinite or NaN for a model that pruning has destroyed.
    mean_loss : float
        The mean negative log-likelihood of a token, in nats.
    tokens : int
        The number of predicted tokens: all except the first of each window.
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
    """A model in a folder, with the calibration text for its statistics.

    Parameters
    ----------
    folder : path
        The model's folder, or its id in the hub, ``OWNER/NAME``.
    text : path or sequence of path, optional
        The calibration text: plain text, or JSON lines with a ``text`` field. Statistics are collected when a script or a method needs
        them.
    tokens : str, optional
        Token ids instead of a text: ``FILE.safetensors:NAME``.
    statistics : path, optional
        A statistics file written by :meth:`save_statistics` or ``allot stats``.
    samples : int
        The number of windows to draw from the text.
    length : int, optional
        The length of a window in tokens; by default 2048, or the model's context if that is shorter.
    seed : int
        The seed for drawing the windows.
    device, precision : str
        The device to compute on, and the type to compute in, as for ``--device`` and ``--precision``.

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
    ) -> "Self":
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
        """Returns the allocation of a script on the model.

        Parameters
        ----------
        script : str or Script
            A script, the name of a published script such as ``"owl"``, or a script's file.
        sparsity : float
            The target sparsity, from 0 to 1: the share of all weights in the blocks' linears to prune.
        method : str
            The pruning method whose scores the terminal ``score`` holds, if the script has no metric of its own.
        unit : {"block", "projection", "row"}, optional
            The allocation unit to use instead of the script's own.
        lower, upper : float
            The lowest and highest sparsity of a unit.
        progress : bool or callable, optional
            Called with the name of the current work, the share that is done, and a value or None; ``True`` prints a progress line.
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
        """Returns the pruned weights by module name: bool arrays of shape ``[rows, columns]``, true where a weight is pruned.

        Later blocks are calibrated on the outputs of the pruned blocks, as in :meth:`prune`.

        Parameters
        ----------
        allocation : Allocation
            The sparsity of each part.
        method : str
            The method that chooses the weights to prune: ``"wanda"``, ``"magnitude"``, ``"ria"``, ``"sparsegpt"``, or a script with a metric.
        pattern : str, optional
            The pattern of the zeros, such as ``"2:4"``.
        progress
            As in :meth:`ratios`.
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
        """Writes the pruned model into a new folder, which transformers can load, and returns the report of pruning.

        Parameters
        ----------
        allocation, method, pattern, progress
            As in :meth:`masks`.
        out : path
            The new folder.
        force : bool
            Whether to replace an existing folder that allot wrote.
        """
        report: Mapping[str, object] = json.loads(self._prune(allocation, out, method, pattern, force, shown(progress)))
        return report

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
            As in :class:`Model`.
        limit : int, optional
            The largest number of windows.
        progress
            As in :meth:`ratios`.
        """
        value, loss, count, windows = self._perplexity(paths(text), tokens, length, limit, shown(progress))
        return Perplexity(value, loss, count, np.asarray(windows))

    def second_moments(self, *, progress: Progress = None) -> dict[str, np.ndarray]:
        """Returns the second moments of every linear's input, by module name, ``[columns]``.

        A second moment is the mean over samples of the sum over tokens of the input squared; its root is the terminal ``input_norm``.
        """
        return self._second_moments(shown(progress))

    def save_statistics(self, path: str | os.PathLike[str], *, progress: Progress = None) -> None:
        """Collects the inputs' statistics if necessary, and writes all collected statistics into a file."""
        if not self._save_statistics(path, shown(progress)):
            raise ArgumentError("the model has no calibration text; pass `text` or `tokens`")
