#!/usr/bin/env python3
"""Loads a folder in transformers and compares its perplexity on token ids with that of `allot ppl`.

    pip install torch transformers
    python tests/load_in_transformers.py FOLDER IDS.safetensors:NAME

Fails when a tensor is missing, unexpected or of another shape, or when the relative difference of the two perplexities exceeds 1e-4.
No test runs this, as it needs gigabytes of packages.
"""

import json
import math
import os
import subprocess
import sys

import torch
import transformers
from safetensors.torch import load_file


def main(folder: str, tokens: str) -> None:
    path, name = tokens.rsplit(":", 1)
    ids = load_file(path)[name].long()
    # Uses the class that config.json names, as the general class for causal models does not cover LLaVA.
    kind = getattr(transformers, transformers.AutoConfig.from_pretrained(folder).architectures[0])
    model, loading = kind.from_pretrained(folder, dtype=torch.float32, output_loading_info=True)
    problems = {key: value for key, value in loading.items() if value}
    assert not problems, problems
    with torch.no_grad():
        logits = [model(input_ids=row[None]).logits[0] for row in ids]
    losses = [torch.nn.functional.cross_entropy(of[:-1].double(), row[1:]) for of, row in zip(logits, ids)]
    theirs = math.exp(torch.stack(losses).mean().item())
    allot = os.environ.get("ALLOT", "allot")
    command = [allot, "ppl", folder, "--tokens", tokens, "--format", "json"]
    ours = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)["perplexity"]
    apart = abs(ours - theirs) / theirs
    print(f"{folder}: torch {torch.__version__}, transformers {transformers.__version__}:", end=" ")
    print(f"perplexity {theirs:.6f}, allot {ours:.6f}, {apart:.1e} apart")
    assert apart < 1e-4


if __name__ == "__main__":
    main(*sys.argv[1:])
