"""Layers in the memory of another program."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from . import _allot
from .errors import ArgumentError

if TYPE_CHECKING:
    from typing_extensions import Self

_MATRICES = ("weight", "gradient")
_CHANNELS = ("second_moment", "hessian_diagonal")


def array(value: Any, dimensions: int) -> np.ndarray:
    """Returns numbers as a float32 array; takes lists, NumPy arrays and tensors of any library that supports DLPack."""
    if not isinstance(value, np.ndarray):
        if hasattr(value, "detach"):
            value = value.detach()
        # NumPy has no bfloat16, and cannot read GPU memory.
        if hasattr(value, "float") and hasattr(value, "cpu"):
            value = value.float().cpu()
        value = np.from_dlpack(value) if hasattr(value, "__dlpack__") else np.asarray(value)
    found = np.ascontiguousarray(value, dtype=np.float32)
    if found.ndim != dimensions:
        raise ArgumentError(f"an array must have {dimensions} dimensions, not {found.ndim}")
    return found


class Layers(_allot.Layers):
    """Linear layers in memory, for weights outside a model folder, such as those of a live model.

    Parameters
    ----------
    layers : iterable of mapping
        One mapping for each layer: ``name``, ``weight`` (``[rows, columns]``), and if known ``block`` (an integer, by default the
        layer's own index), ``kind`` (``"query"``, ``"key"``, ``"value"``, ``"out"``, ``"gate"``, ``"up"`` or ``"down"``),
        ``second_moment`` (``[columns]``: the mean over samples of the sum over tokens of the input squared, whose root is
        ``input_norm``) or ``input_norm``, ``hessian_diagonal`` (``[columns]``) and ``gradient`` (``[rows, columns]``).
        Arrays are NumPy arrays, or tensors that support DLPack.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> layers = allot.Layers(
    ...     {"name": f"layer {i}", "weight": rng.normal(size=(4, 8)) * (i + 1), "input_norm": np.ones(8)} for i in range(3)
    ... )
    >>> allocation = allot.Script("mean(score) |> scale").ratios(layers, 0.5)
    >>> masks = layers.masks(allocation)
    >>> sum(int(mask.sum()) for mask in masks.values())
    48
    """

    def __new__(cls, layers: Iterable[Mapping[str, Any]]) -> "Self":
        return super().__new__(cls, [_layer(place, dict(layer)) for place, layer in enumerate(layers)])

    @classmethod
    def of(cls, terminals: Mapping[str, Sequence[Any]]) -> "Layers":
        """Builds layers from lists with one array for each layer, by the names of the language's terminals.

        Parameters
        ----------
        terminals : mapping
            ``weight`` or ``score``, and if known ``input_norm``, ``second_moment``, ``hessian_diagonal``, ``gradient``.
        """
        return cls._of_terminals(terminals, "wanda")[0]

    @classmethod
    def _of_terminals(cls, terminals: Mapping[str, Sequence[Any]], method: str) -> tuple["Layers", str]:
        terminals = dict(terminals)
        if "score" in terminals:
            if "weight" in terminals:
                raise ArgumentError("`score` replaces the weights; pass either `weight` and a method, or only `score`")
            terminals["weight"] = terminals.pop("score")
            method = _SCORES
        if "weight" not in terminals:
            raise ArgumentError("pass `weight` or `score`, with an array for each layer")
        counts = {name: len(values) for name, values in terminals.items()}
        if len(set(counts.values())) > 1:
            raise ArgumentError(f"every terminal needs an array for each layer, but their numbers differ: {counts}")
        layers = [
            {"name": f"layer {place}", **{name: values[place] for name, values in terminals.items()}}
            for place in range(counts["weight"])
        ]
        return cls(layers), method


# The method for weights that are scores already.
_SCORES = "scores"


def _layer(place: int, layer: dict[str, Any]) -> dict[str, Any]:
    known = {"name", "block", "kind", "input_norm", *_MATRICES, *_CHANNELS}
    unknown = sorted(set(layer) - known)
    if unknown:
        raise ArgumentError(f"a layer has no `{unknown[0]}`; it may have {', '.join(sorted(known))}")
    if "weight" not in layer:
        raise ArgumentError(f"layer {place} has no `weight`")
    if "input_norm" in layer:
        if "second_moment" in layer:
            raise ArgumentError(f"layer {place} has both `input_norm` and `second_moment`, but one follows from the other")
        layer["second_moment"] = array(layer.pop("input_norm"), 1) ** 2
    found: dict[str, Any] = {"name": str(layer.get("name", f"layer {place}")), "block": int(layer.get("block", place))}
    found["kind"] = layer.get("kind")
    for name, dimensions in [*((it, 2) for it in _MATRICES), *((it, 1) for it in _CHANNELS)]:
        value = layer.get(name)
        found[name] = None if value is None else array(value, dimensions)
    return found
