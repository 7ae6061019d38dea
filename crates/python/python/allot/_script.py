"""Scripts of the language."""

from __future__ import annotations

from . import _allot
from .errors import Diagnostic, diagnostics


def check(text: str, *, name: str = "script", unit: str | None = None) -> tuple[Diagnostic, ...]:
    """Returns what is wrong with a script's text, and what is worth a warning in it.

    Parameters
    ----------
    text : str
        The script.
    name : str
        What stands for it in messages.
    unit : {"block", "projection", "row"}, optional
        The allocation unit that it will be used with, where that is not its own.

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
        The allocation unit that it will be used with, where that is not its own.
    name : str
        What stands for it in messages.

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
        """Returns the published script of a name, such as ``"owl"``, or reads the script in a file, which goes first."""
        name, text = _allot._read_script(name)
        return cls(text, name=name)

    @property
    def warnings(self) -> tuple[Diagnostic, ...]:
        """What is worth a warning in the text."""
        return diagnostics(self._warnings)

    def importance(self, layers, *, method: str = "wanda", unit: str | None = None) -> list[float]:
        """Returns the importance of each unit of some layers.

        Parameters
        ----------
        layers : Layers or mapping
            The layers; a mapping from names of terminals to lists of arrays, one array for each layer, as :meth:`Layers.of` takes it.
        method : str
            The pruning method whose scores ``score`` stands for, where the script has no metric of its own.
        unit : {"block", "projection", "row"}, optional
            The allocation unit, instead of the script's own.

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
        layers,
        sparsity: float,
        *,
        method: str = "wanda",
        unit: str | None = None,
        lower: float = 0.0,
        upper: float = 1.0,
    ) -> _allot.Allocation:
        """Returns how much of each layer is pruned.

        Parameters
        ----------
        layers : Layers or mapping
            As :meth:`importance` takes them.
        sparsity : float
            The share of all weights that is to be pruned, from 0 to 1.
        method, unit
            As :meth:`importance` takes them.
        lower, upper : float
            Between which sparsities each unit must stay.
        """
        from ._layers import Layers

        if not isinstance(layers, _allot.Layers):
            layers, method = Layers._of_terminals(layers, method)
        return layers._ratios(self, sparsity, method=method, unit=unit, lower=lower, upper=upper)
