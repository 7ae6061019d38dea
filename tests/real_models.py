#!/usr/bin/env python3
"""Compares allot with transformers on real models: logits, perplexity, and pruned folders.

    pip install torch transformers safetensors
    ALLOT=target/release/allot python tests/real_models.py MODELS WIKITEXT [NAME ...]

MODELS is a folder of model folders; WIKITEXT is WikiText-2's `wiki.test.raw`. For each model, the script writes transformers' logits for one
window next to the model's folder, as NAME.transformers.safetensors; `cargo test` compares them with allot's if ALLOT_REAL_MODELS names MODELS.
Then it compares perplexity on windows of the text, on token ids from allot and from this script, for the dense model and for copies written by
`allot prune`. Everything is in f32. It fails when the relative difference of a perplexity exceeds 1e-5, or a pruned folder does not load
completely. No test runs this, as it needs gigabytes of packages.
"""

import json
import math
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
import transformers
from safetensors.torch import save_file
from tokenizers import Tokenizer

LENGTH, WINDOWS, LOGITS = 512, 4, 64
WAYS = {
    "magnitude": ["--method", "magnitude"],
    "Wanda": ["--method", "wanda"],
    "SparseGPT": ["--method", "sparsegpt"],
    "Wanda, 2:4": ["--method", "wanda", "--pattern", "2:4"],
}


def allot(*arguments):
    command = [os.environ.get("ALLOT", "allot"), *map(str, arguments)]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)


def joined(path):
    """Returns the text as pruning papers read it: lines with their ends, blank lines empty, joined by two line breaks."""
    lines = Path(path).read_bytes().decode("utf-8").split("\n")
    lines = [line + "\n" for line in lines[:-1]] + lines[-1:]
    return "\n\n".join(line if line.strip() else "" for line in lines if line)


def load(folder):
    model, problems = transformers.AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float32, output_loading_info=True
    )
    problems = {key: value for key, value in problems.items() if value}
    assert not problems, problems
    return model.eval()


@torch.no_grad()
def perplexity(model, ids):
    losses = []
    for row in ids:
        logits = model(input_ids=row[None], use_cache=False).logits[0]
        losses.append(torch.nn.functional.cross_entropy(logits[:-1].double(), row[1:]).item())
    return math.exp(sum(losses) / len(losses))


def same(what, ours, theirs):
    apart = abs(ours - theirs) / theirs
    print(f"  {what:<24} transformers {theirs:14.6f}  allot {ours:14.6f}  {apart:.1e} apart", flush=True)
    assert apart < 1e-5, f"{what}: {apart}"


def compare(folder, text, scratch):
    ids = Tokenizer.from_file(str(folder / "tokenizer.json")).encode(joined(text)).ids
    ids = torch.tensor(ids[: WINDOWS * LENGTH]).reshape(WINDOWS, LENGTH)
    tokens = scratch / "ids.safetensors"
    save_file({"ids": ids}, tokens)
    model = load(folder)
    with torch.no_grad():
        logits = model(input_ids=ids[:1, :LOGITS], use_cache=False).logits
    kept = {"ids": ids[:1, :LOGITS].int().contiguous(), "logits": logits.contiguous()}
    save_file(kept, folder.with_suffix(".transformers.safetensors"))
    dense = perplexity(model, ids)
    del model
    same("dense, token ids", allot("ppl", folder, "--tokens", f"{tokens}:ids", "--format", "json")["perplexity"], dense)
    windows = ["--length", LENGTH, "--limit", WINDOWS]
    same("dense, text", allot("ppl", folder, "--text", text, *windows, "--format", "json")["perplexity"], dense)
    for way, arguments in WAYS.items():
        pruned = scratch / "pruned"
        calibration = [] if way == "magnitude" else ["--text", text, "--samples", 8, "--length", 256]
        allot("prune", folder, "--sparsity", 0.5, *arguments, *calibration, "--out", pruned, "--format", "json")
        ours = allot("ppl", pruned, "--tokens", f"{tokens}:ids", "--format", "json")["perplexity"]
        same(way, ours, perplexity(load(pruned), ids))
        shutil.rmtree(pruned)


def main(models, text, *names):
    transformers.utils.logging.disable_progress_bar()
    print(f"torch {torch.__version__}, transformers {transformers.__version__}, {WINDOWS} windows of {LENGTH} tokens")
    folders = sorted(it for it in Path(models).iterdir() if (it / "config.json").is_file())
    for folder in folders:
        if not names or folder.name in names:
            print(folder.name, flush=True)
            with tempfile.TemporaryDirectory() as scratch:
                compare(folder, text, Path(scratch))


if __name__ == "__main__":
    main(*sys.argv[1:])
