#!/usr/bin/env python3
"""Prints what `--dry-run` reports for models without weights: LLaMA-2 7B, 13B and 70B, for which only config.json is written.

    cargo build --release && ALLOT=target/release/allot python3 benches/plans.py TEXT

TEXT is the text for calibration and perplexity. The script prints one Markdown table: for each model and command the highest memory of any
step, the disk space that is written, the tokens that go through the model, and the time on this machine, whose speed the command measures
briefly first.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

# Blocks, width, width of the MLP, heads, key and value heads.
SHAPES = {
    "LLaMA-2-7B": (32, 4096, 11008, 32, 32),
    "LLaMA-2-13B": (40, 5120, 13824, 40, 40),
    "LLaMA-2-70B": (80, 8192, 28672, 64, 8),
}
COMMANDS = [
    "stats MODEL --text TEXT --out S.safetensors",
    "prune MODEL -s 0.6 --method wanda --text TEXT --out pruned",
    "prune MODEL -s 0.6 --method sparsegpt --text TEXT --out pruned",
    "ppl MODEL --text TEXT --limit 64",
]


def config(blocks, hidden, mlp, heads, kv):
    return {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": hidden, "intermediate_size": mlp,
        "num_hidden_layers": blocks, "num_attention_heads": heads, "num_key_value_heads": kv, "vocab_size": 32000,
        "max_position_embeddings": 4096, "rms_norm_eps": 1e-5, "hidden_act": "silu", "tie_word_embeddings": False,
        "torch_dtype": "float16",
    }


def time(seconds):
    for unit, name in (86400, "days"), (3600, "hours"), (60, "minutes"):
        if seconds >= 1.5 * unit:
            return f"{seconds / unit:,.1f} {name}"
    return f"{seconds:.0f} s"


def main(text):
    print("| model | command | memory, GiB | disk, GiB | tokens | time |")
    print("|---|---|---|---|---|---|")
    machine = None
    with tempfile.TemporaryDirectory() as scratch:
        for name, shape in SHAPES.items():
            folder = Path(scratch) / name
            folder.mkdir()
            (folder / "config.json").write_text(json.dumps(config(*shape)))
            for command in COMMANDS:
                words = [{"MODEL": str(folder), "TEXT": os.path.abspath(text)}.get(word, word) for word in command.split()]
                words = [os.path.abspath(os.environ.get("ALLOT", "allot")), *words, "--dry-run", "--format", "json"]
                plan = json.loads(subprocess.run(words, check=True, stdout=subprocess.PIPE, cwd=scratch).stdout)
                machine = machine or plan["machine"]
                gib = lambda size: f"{size / 2**30:,.1f}"
                row = [name, f"`allot {command}`", gib(plan["memory"]), gib(plan["disk"]), f"{plan['tokens']:,}", time(plan["seconds"])]
                print("| " + " | ".join(row) + " |", flush=True)
    print(f"\n{machine['threads']} threads, {machine['operations'] / 1e9:.0f} GFLOP/s")


if __name__ == "__main__":
    main(*sys.argv[1:])
