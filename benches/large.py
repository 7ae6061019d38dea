#!/usr/bin/env python3
"""Plans the commands of docs/guides/large-models.md for a model that has only its config.json, or runs them on a small model.

    cargo build --release
    ALLOT=target/release/allot python3 benches/large.py plan CALIBRATION REPORT
    ALLOT=target/release/allot python3 benches/large.py run MODEL CALIBRATION REPORT

`plan` writes Qwen3-8B's config.json and prints a Markdown table of what `--dry-run` reports for each command that has it: memory, disk, tokens,
and operations, which divided by a machine's speed give the time. `run` runs every line in a scratch folder on MODEL, with 8 windows of 512
tokens instead of 128 of 2048, and prints the time and peak memory of each.
"""

import json
import os
import shlex
import subprocess
import sys
import tempfile
import time
from pathlib import Path

GUIDE = Path(__file__).parent.parent / "docs/guides/large-models.md"
CONFIG = {
    "architectures": ["Qwen3ForCausalLM"], "model_type": "qwen3", "hidden_size": 4096, "intermediate_size": 12288,
    "num_hidden_layers": 36, "num_attention_heads": 32, "num_key_value_heads": 8, "head_dim": 128, "vocab_size": 151936,
    "max_position_embeddings": 40960, "rms_norm_eps": 1e-6, "rope_theta": 1000000, "hidden_act": "silu",
    "attention_bias": False, "tie_word_embeddings": False, "torch_dtype": "bfloat16",
}
SMALL = [("--samples 128", "--samples 8"), ("--length 2048", "--length 512")]


def lines():
    """Returns the guide's commands, in order."""
    found, shell = [], False
    for line in GUIDE.read_text().splitlines():
        if line.startswith("```"):
            shell = line == "```sh"
        elif shell and line.startswith("allot "):
            found.append(line)
    return found


def words(line, names):
    binary = os.path.abspath(os.environ.get("ALLOT", "allot"))
    return [binary, *(names.get(word, word) for word in shlex.split(line)[1:])]


def plan(calibration, report):
    print("| command | memory, GiB | disk, GiB | tokens | operations, 10^15 |")
    print("|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as scratch:
        model = Path(scratch) / "qwen3-8b"
        model.mkdir()
        (model / "config.json").write_text(json.dumps(CONFIG))
        names = {"calibration.txt": os.path.abspath(calibration), "report.txt": os.path.abspath(report)}
        seen = set()
        for line in lines():
            # Plans the search for the large model, although the guide runs it on a small relative.
            line = line.replace("small-model", "qwen3-8b").removesuffix(" --dry-run")
            if line in seen:
                continue
            seen.add(line)
            asked = [*words(line, names), "--dry-run", "--format", "json"]
            done = subprocess.run(asked, cwd=scratch, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            if b"unexpected argument '--dry-run'" in done.stderr or "qwen3-8b" not in line:
                continue
            # Some commands need files that an earlier command would have written.
            if done.returncode != 0:
                continue
            told = json.loads(done.stdout)
            operations = sum(step["operations"] * step["times"] for step in told["steps"]) / 1e15
            gib = lambda size: f"{size / 2**30:,.1f}"
            row = [f"`{line}`", gib(told["memory"]), gib(told["disk"]), f"{told['tokens']:,}", f"{operations:,.1f}"]
            print("| " + " | ".join(row) + " |", flush=True)


def run(model, calibration, report):
    print("| command | seconds | peak, MiB |")
    print("|---|---|---|")
    with tempfile.TemporaryDirectory() as scratch:
        full = os.path.abspath(model)
        names = {"calibration.txt": os.path.abspath(calibration), "report.txt": os.path.abspath(report),
                 "qwen3-8b": full, "small-model": full}
        for line in lines():
            for large, small in SMALL:
                line = line.replace(large, small)
            begun = time.monotonic()
            with open(Path(scratch) / "log", "wb") as log:
                child = subprocess.Popen(words(line, names), cwd=scratch, stdout=log, stderr=log)
                _, status, usage = os.wait4(child.pid, 0)
            took = time.monotonic() - begun
            if status != 0:
                sys.exit(f"{line}\n{(Path(scratch) / 'log').read_text()}")
            print(f"| `{line}` | {took:.1f} | {usage.ru_maxrss / 1024:,.0f} |", flush=True)
            for said in (Path(scratch) / "log").read_text().splitlines():
                if said.startswith(("perplexity ", "divergence ")):
                    print(f"| → {said} | | |", flush=True)


if __name__ == "__main__":
    {"plan": plan, "run": run}[sys.argv[1]](*sys.argv[2:])
