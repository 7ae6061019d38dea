# The types of the extension. `tests/test_stub.py` compares them with the extension.

import os
from collections.abc import Callable, Sequence
from typing import final

import numpy as np
from numpy.typing import NDArray
from typing_extensions import Self, disjoint_base

__version__: str
__all__ = [
    "Allocation",
    "AskedSearch",
    "Layers",
    "Model",
    "Script",
    "Task",
    "Worker",
    "__version__",
    "_check",
    "_read_script",
    "format",
    "published",
    "run_command",
]

_Path = str | os.PathLike[str]
_Progress = Callable[[str, float, float | None], None] | None

def run_command(words: Sequence[str]) -> int: ...
def _check(text: str, name: str, unit: str | None = None) -> str: ...
def _read_script(name: str) -> tuple[str, str]: ...
def format(text: str) -> str:
    """Returns a script in the standard layout."""

def published() -> list[str]:
    """Returns the names of the published scripts."""

@disjoint_base
class Script:
    def __new__(cls, text: str, *, unit: str | None = None, name: str = "script") -> Self: ...
    @property
    def name(self) -> str:
        """The script's file, or its name."""
    @property
    def text(self) -> str:
        """The script's text."""
    @property
    def canonical(self) -> str:
        """The script in its normal form."""
    @property
    def hash(self) -> str:
        """The hash that identifies the formula: SHA-256 of its normal form."""
    @property
    def latex(self) -> str:
        """The formula in LaTeX."""
    @property
    def unit(self) -> str | None:
        """The allocation unit; None if the script does not set it."""
    @property
    def has_metric(self) -> bool:
        """Whether the script has a metric, which scores weights."""
    @property
    def _warnings(self) -> str: ...

@final
class Allocation:
    @staticmethod
    def load(path: _Path) -> Allocation:
        """Reads an allocation file, and checks that its numbers are consistent."""
    @property
    def sparsity(self) -> float:
        """The target sparsity."""
    @property
    def achieved(self) -> float:
        """The sparsity reached with whole weights."""
    @property
    def unit(self) -> str:
        """The allocation unit, which gets one ratio."""
    @property
    def script(self) -> str:
        """The script's file, or its name."""
    @property
    def is_noise(self) -> bool:
        """Whether the importances differed only by rounding errors, so that the ratios are uniform."""
    @property
    def ratios(self) -> dict[str, float]:
        """The pruned share of each module's weights, after rounding to whole weights, in the model's order."""
    @property
    def units(self) -> dict[str, float]:
        """The sparsity of each unit, before rounding to whole weights."""
    @property
    def pruned(self) -> dict[str, int]:
        """The number of weights that each module loses."""
    @property
    def importances(self) -> dict[str, float]:
        """The importance of each unit."""
    def to_json(self) -> str:
        """Returns the allocation file as text."""
    def save(self, path: _Path) -> None:
        """Writes the allocation file, which `allot prune`, `allot export` and `--allocation` options read."""
    def to_llm_compressor(self, *, modifier: str = "wanda") -> str:
        """Returns a recipe of llm-compressor, in YAML; the modifier is `wanda` or `sparsegpt`."""

@disjoint_base
class Layers:
    def __new__(cls, layers: Sequence[dict[str, object]]) -> Self: ...
    @property
    def names(self) -> list[str]:
        """The layers' names."""
    def _ratios(
        self,
        script: Script,
        sparsity: float,
        *,
        method: str = "wanda",
        unit: str | None = None,
        lower: float = 0.0,
        upper: float = 1.0,
    ) -> Allocation: ...
    def masks(
        self, allocation: Allocation, *, method: str = "wanda", unit: str | None = None
    ) -> dict[str, NDArray[np.bool_]]:
        """Returns the pruned weights by layer name: bool arrays of shape `[rows, columns]`, true where a weight is pruned."""
    def __len__(self) -> int: ...

@disjoint_base
class Model:
    def __new__(
        cls,
        folder: _Path,
        *,
        text: Sequence[_Path] = ...,
        tokens: str | None = None,
        statistics: _Path | None = None,
        samples: int = 128,
        length: int | None = None,
        seed: int = 0,
        device: str = "cpu",
        precision: str = "f32",
    ) -> Self: ...
    @property
    def folder(self) -> os.PathLike[str]:
        """The model's folder."""
    @property
    def architecture(self) -> str:
        """The display name of the model's family."""
    @property
    def blocks(self) -> int:
        """The number of blocks."""
    @property
    def linears(self) -> list[tuple[str, int, int, int]]:
        """The linears of the blocks, as tuples of module, block, rows and columns."""
    def fingerprint(self) -> str:
        """Returns the fingerprint of the weights, as `allot inspect` shows it."""
    def _ratios(
        self,
        script: Script,
        sparsity: float,
        method: str,
        unit: str | None,
        lower: float,
        upper: float,
        progress: _Progress,
    ) -> Allocation: ...
    def _masks(
        self, allocation: Allocation, method: str, pattern: str | None, progress: _Progress
    ) -> dict[str, NDArray[np.bool_]]: ...
    def _prune(
        self,
        allocation: Allocation,
        out: _Path,
        method: str,
        pattern: str | None,
        force: bool,
        progress: _Progress,
    ) -> str: ...
    def _perplexity(
        self, text: Sequence[_Path], tokens: str | None, length: int | None, limit: int | None, progress: _Progress
    ) -> tuple[float, float, int, list[float]]: ...
    def _second_moments(self, progress: _Progress) -> dict[str, NDArray[np.float32]]: ...
    def _save_statistics(self, path: _Path, progress: _Progress) -> bool: ...

@final
class Task:
    @property
    def id(self) -> int:
        """The number that identifies the task in `Search.tell`."""
    @property
    def script(self) -> str | None:
        """The formula that gave the ratios, without a metric; None if they come from no formula."""
    @property
    def sparsity(self) -> float:
        """The pruned share of all weights: the task's target, up to whole weights."""
    @property
    def ratios(self) -> dict[str, float]:
        """The pruned share of each module's weights, after rounding to whole weights."""
    @property
    def blocks(self) -> NDArray[np.float64]:
        """The pruned share of each block's weights."""
    @property
    def model(self) -> int:
        """The index of the model among the search's models, from 0."""
    @property
    def text(self) -> str:
        """The text to measure on: `fitness`, `selection` or `report`."""
    @property
    def windows(self) -> range:
        """The windows of the text to measure, with one loss each."""
    def to_json(self) -> str:
        """Returns the task as JSON, for `Worker.measure`."""

@final
class AskedSearch:
    def __new__(cls, words: Sequence[str], measure: str | None, progress: _Progress) -> AskedSearch: ...
    @property
    def folder(self) -> os.PathLike[str]: ...
    @property
    def is_over(self) -> bool: ...
    @property
    def progress(self) -> dict[str, object] | None: ...
    def settings(self) -> str: ...
    def ask(self) -> list[Task]: ...
    def _tell(self, id: int, losses: Sequence[tuple[float, float]]) -> None: ...
    def _measure(self, task: Task) -> list[tuple[float, float]]: ...
    def end(self) -> None: ...
    def stop(self) -> None: ...

@final
class Worker:
    """Measures the tasks of a search in another process, with the same models and texts."""

    def __new__(
        cls,
        settings: str,
        *,
        device: str = "cpu",
        precision: str = "f32",
        any_device: bool = False,
        progress: _Progress = None,
    ) -> Worker: ...
    def measure(self, task: str) -> list[tuple[float, float]]:
        """Measures a task given as JSON by `Task.to_json`, and returns one pair of divergence and loss for each window."""
