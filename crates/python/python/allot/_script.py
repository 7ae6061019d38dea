"""Scripts of the language."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from . import _allot
from .errors import Diagnostic, diagnostics


def check(text: str, *, name: str = "script", unit: str | None = None) -> tuple[Diagnostic, ...]:
    """Returns the errors and warnings of a script's text.

    Parameters
    ----------
    text : str
        The script.
    name : str
        The name of the script in messages.
    unit : {"block", "projection", "row"}, optional
        The allocation unit that the script will be used with, if it differs from its own.

    Examples
    --------
    >>> [it.code for it in allot.check("log(meen(score)) |> scale")]
    ['unknown-operator']
    """
    return diagnostics(_allot._check(text, name, unit))


class Script(_allot.Script):
    """A checked allocation script.

    Parameters
    ----------
    text : str
        The script's text.
    unit : {"block", "projection", "row"}, optional
        The allocation unit that the script will be used with, if it differs from its own.
    name : str
        The name of the script in messages.

    Raises
    ------
    ScriptError
        When the text has errors; its ``diagnostics`` say where.

    Examples
    --------
    >>> allot.Script.open("owl").unit is None
    True
    """

    @classmethod
    def open(cls, name: str) -> "Script":
        """Returns the script in a file, or else the published script of this name, such as ``"owl"``."""
        name, text = _allot._read_script(name)
        return cls(text, name=name)

    @property
    def warnings(self) -> tuple[Diagnostic, ...]:
        """The warnings about the text."""
        return diagnostics(self._warnings)

    def importance(
        self, layers: _allot.Layers | Mapping[str, Sequence[Any]], *, method: str = "wanda", unit: str | None = None
    ) -> list[float]:
        """Returns the importance of each unit of some layers.

        Parameters
        ----------
        layers : Layers or mapping
            The layers, or a mapping from names of terminals to lists with one array for each layer, as for :meth:`Layers.of`.
        method : str
            The pruning method whose scores the terminal ``score`` holds, if the script has no metric of its own.
        unit : {"block", "projection", "row"}, optional
            The allocation unit to use instead of the script's own.

        Examples
        --------
        >>> import numpy as np
        >>> weights = [np.full((2, 3), 2.0, np.float32), np.full((2, 3), 8.0, np.float32)]
        >>> allot.Script("mean(score) |> scale").importance({"score": weights})
        [2.0, 8.0]
        """
        allocation = self.ratios(layers, 0.5, method=method, unit=unit)
        return list(allocation.importances.values())

    def ratios(
        self,
        layers: _allot.Layers | Mapping[str, Sequence[Any]],
        sparsity: float,
        *,
        method: str = "wanda",
        unit: str | None = None,
        lower: float = 0.0,
        upper: float = 1.0,
    ) -> _allot.Allocation:
        """Returns the allocation of the script on some layers.

        Parameters
        ----------
        layers : Layers or mapping
            As in :meth:`importance`.
        sparsity : float
            The target sparsity, from 0 to 1: the share of all weights to prune.
        method, unit
            As in :meth:`importance`.
        lower, upper : float
            The lowest and highest sparsity of a unit.
        """
        from ._layers import Layers

        if not isinstance(layers, _allot.Layers):
            layers, method = Layers._of_terminals(layers, method)
        return layers._ratios(self, sparsity, method=method, unit=unit, lower=lower, upper=upper)
