"""Live PyTorch models: statistics by hooks, ratios, and masks that are applied in place. The caller has to install PyTorch."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ._layers import Layers
from .errors import ArgumentError

if TYPE_CHECKING:
    import torch

# The kind of a projection by the end of its module's name, in the model families of transformers.
_KINDS = {
    "q_proj": "query",
    "k_proj": "key",
    "v_proj": "value",
    "o_proj": "out",
    "out_proj": "out",
    "gate_proj": "gate",
    "up_proj": "up",
    "down_proj": "down",
    "fc1": "up",
    "fc2": "down",
}

_BLOCK = re.compile(r"(?:^|\.)(?:layers|blocks|h)\.(\d+)\.")


def linears(model: "torch.nn.Module") -> dict[str, "torch.nn.Linear"]:
    """Returns the linears in a model's blocks, by name, in the order of ``named_modules()``."""
    import torch

    named = model.named_modules()
    return {name: it for name, it in named if isinstance(it, torch.nn.Linear) and _BLOCK.search(name)}


def collect(model: "torch.nn.Module", batches: Iterable[Any]) -> Layers:
    """Runs a model on batches, and returns its linears with the second moments of their inputs.

    Parameters
    ----------
    model : torch.nn.Module
        A model whose blocks are in ``layers``, ``blocks`` or ``h``, as in transformers.
    batches : iterable
        Tensors of token ids, ``[samples, tokens]``, or mappings of keyword arguments.
    """
    import torch

    found = linears(model)
    if not found:
        raise ArgumentError("the model has no linears in blocks named `layers`, `blocks` or `h`")
    sums = {name: torch.zeros(it.in_features, dtype=torch.float64) for name, it in found.items()}
    samples = 0

    def hook(name: str) -> Callable[[Any, tuple[Any, ...]], None]:
        def add(_module: Any, inputs: tuple[Any, ...]) -> None:
            read = inputs[0].detach().reshape(-1, inputs[0].shape[-1])
            sums[name] += read.double().square().sum(dim=0).cpu()

        return add

    handles = [it.register_forward_pre_hook(hook(name)) for name, it in found.items()]
    try:
        with torch.no_grad():
            for batch in batches:
                given = isinstance(batch, Mapping)
                model(**batch) if given else model(batch)
                samples += len(next(iter(batch.values()))) if given else len(batch)
    finally:
        for handle in handles:
            handle.remove()
    if samples == 0:
        raise ArgumentError("there are no batches to collect statistics on")
    return layers(model, {name: (total / samples).float().numpy() for name, total in sums.items()})


def layers(model: "torch.nn.Module", second_moments: Mapping[str, Any] | None = None) -> Layers:
    """Returns a model's linears with statistics that were collected elsewhere.

    Parameters
    ----------
    model : torch.nn.Module
        The model.
    second_moments : mapping, optional
        For each linear, by name, the mean over samples of the sum over tokens of its input squared, ``[columns]``: from your own hooks,
        or from :meth:`allot.Model.second_moments`.
    """
    found = linears(model)
    moments = second_moments or {}
    unknown = sorted(set(moments) - set(found))
    if unknown:
        raise ArgumentError(f"the model has no linear `{unknown[0]}` in its blocks")

    def layer(name: str, module: Any) -> dict[str, Any]:
        match = _BLOCK.search(name)
        described: dict[str, Any] = {
            "name": name,
            "block": int(match.group(1)) if match else 0,
            "kind": _KINDS.get(name.rsplit(".", 1)[-1]),
            "weight": module.weight,
        }
        if name in moments:
            described["second_moment"] = moments[name]
        return described

    return Layers(layer(name, module) for name, module in found.items())


def apply(model: "torch.nn.Module", masks: Mapping[str, np.ndarray]) -> int:
    """Sets the weights marked by masks to zero, in place, and returns their number.

    Parameters
    ----------
    model : torch.nn.Module
        The model.
    masks : mapping
        For each linear, by name, a bool array of shape ``[rows, columns]``, true where a weight is pruned, as returned by
        :meth:`Layers.masks` and :meth:`Model.masks`.
    """
    import torch

    found = linears(model)
    unknown = sorted(set(masks) - set(found))
    if unknown:
        raise ArgumentError(f"the model has no linear `{unknown[0]}` in its blocks")
    # Checks all shapes before any weight is changed.
    for name, mask in masks.items():
        if tuple(mask.shape) != tuple(found[name].weight.shape):
            raise ArgumentError(f"the mask of {name} has the shape {mask.shape}, but its weight {tuple(found[name].weight.shape)}")
    pruned = 0
    with torch.no_grad():
        for name, mask in masks.items():
            weight = found[name].weight
            weight.masked_fill_(torch.from_numpy(np.ascontiguousarray(mask)).to(weight.device), 0)
            pruned += int(mask.sum())
    return pruned
