#!/usr/bin/env python3
"""Writes gradients.json: the first-order gain of weights at the thresholds of the pruned bundled model, by PyTorch's autograd.

    pip install torch transformers safetensors
    python tests/reference/gradients.py

Every row of every linear in the blocks loses the 70 % of its weights with the lowest magnitude (the first ones among equals). The loss
is the mean over a window's positions of KL(dense || pruned). The gain of a weight is minus the dense weight times the gradient with
respect to the masked weight. The file holds the sum of gains over the ranks within a fiftieth of the row, at least two weights, on each
side of the threshold: for each linear, and for each row of the first block. The model computes in float64, so that its rounding does
not matter in the comparison.
"""

import json
import os

import torch
from transformers import AutoModelForCausalLM

HERE = os.path.dirname(os.path.abspath(__file__))
MODEL = os.path.join(HERE, "../../examples/tiny-stories-12l")
LENGTH, WINDOWS = 64, 2


def main():
    model = AutoModelForCausalLM.from_pretrained(MODEL, dtype=torch.float64, attn_implementation="eager").eval()
    linears = [(name, part) for name, part in model.named_modules() if name.endswith("_proj")]
    ids = torch.tensor([i * 7 % 2048 for i in range(WINDOWS * LENGTH)]).view(WINDOWS, LENGTH)
    with torch.no_grad():
        dense = [torch.log_softmax(model(input_ids=window[None]).logits[0, :-1], -1) for window in ids]
    weights, bands = {}, {}
    for name, part in linears:
        weight = part.weight.detach().clone()
        columns = weight.shape[1]
        pruned = int(0.7 * columns)
        half = min(max(round(0.02 * columns), 2), pruned, columns - pruned)
        ranks = torch.empty_like(weight, dtype=torch.long)
        ranks.scatter_(1, weight.abs().sort(dim=1, stable=True).indices, torch.arange(columns).expand_as(weight))
        weights[name] = weight
        bands[name] = (ranks >= pruned - half) & (ranks < pruned + half)
        part.weight.data = torch.where(ranks < pruned, torch.zeros_like(weight), weight)
    found = []
    for window, wanted in zip(ids, dense):
        model.zero_grad()
        logits = torch.log_softmax(model(input_ids=window[None]).logits[0, :-1], -1)
        loss = (wanted.exp() * (wanted - logits)).sum(-1).mean()
        loss.backward()
        worth = {name: -part.weight.grad * weights[name] * bands[name] for name, part in linears}
        rows = {name: it.sum(1).tolist() for name, it in worth.items() if ".layers.0." in name}
        found.append({"kl": loss.item(), "linears": {name: it.sum().item() for name, it in worth.items()}, "rows": rows})
    about = {"torch": torch.__version__, "length": LENGTH, "windows": found}
    with open(os.path.join(HERE, "gradients.json"), "w") as out:
        json.dump(about, out, indent=1)
        out.write("\n")


main()
