#!/usr/bin/env python3
"""Compares step sizes of rows in `allot descend --unit row` on several models.

    cargo build --release && ALLOT=target/release/allot python benches/row_steps.py C4 OUT MODEL... [--sizes 0.0125,0.025,0.05]

C4 is a file of JSON lines with a thousand documents: 0 to 199 are the calibration text, 200 to 799 the fitness text, 800 to 899 the selection
text and 900 to 999 the report text. OUT is a folder that keeps every descent: the same command continues where it was stopped. The script
prints a Markdown table with the divergence from the dense model on the selection text after each reading of it, and on the report text for
the iterate that the selection text chose. `projection` is the descent with one ratio for each projection, for comparison.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

PARTS = {"calibration": (0, 200), "fitness": (200, 800), "selection": (800, 900), "report": (900, 1000)}


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("c4", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("models", type=Path, nargs="+")
    parser.add_argument("--sizes", default="0.0125,0.025,0.05")
    parser.add_argument("--sparsity", default="0.6")
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--step-windows", type=int, default=8)
    parser.add_argument("--length", type=int, default=256)
    return parser.parse_args()


def descend(given, model, size):
    """Returns the summary of a descent; `size` is None for projections."""
    out = given.out / f"{model.name}-{size or 'projection'}"
    if not (out / "summary.json").exists():
        unit = ["--unit", "row", "--row-step-size", size] if size else ["--unit", "projection"]
        command = [
            os.environ.get("ALLOT", "allot"), "descend", model, "--sparsity", given.sparsity, *unit, "--texts", given.out / "texts",
            "--length", given.length, "--samples", 32, "--windows", 6, "--report-windows", 8, "--steps", given.steps,
            "--step-windows", given.step_windows, "--check", 2, "--patience", given.steps, "--out", out, "--quiet",
        ]
        subprocess.run([str(word) for word in command], check=True, stdout=subprocess.DEVNULL)
    return json.loads((out / "summary.json").read_text())["found"][0], out


def readings(out):
    """Returns the divergence on the selection text at each reading, in order."""
    lines = [json.loads(line) for line in (out / "steps.jsonl").read_text().splitlines()]
    return [float(line[key]) for line in lines for key in ("began", "selection") if line.get(key) is not None]


def main():
    given = arguments()
    texts = given.out / "texts"
    texts.mkdir(parents=True, exist_ok=True)
    documents = given.c4.read_text(encoding="utf-8").splitlines(keepends=True)
    for name, (first, last) in PARTS.items():
        (texts / f"{name}.jsonl").write_text("".join(documents[first:last]), encoding="utf-8")
    print(f"{float(given.sparsity):.0%}, {given.steps} steps of {given.step_windows} windows of {given.length} tokens; {os.cpu_count()} cores\n")
    print("| model | step size of rows | readings of the selection text | report text |")
    print("|---|---|---|---:|")
    for model in given.models:
        for size in [None, *given.sizes.split(",")]:
            found, out = descend(given, model, size)
            read = ", ".join(f"{loss:.3f}" for loss in readings(out))
            print(f"| {model.name} | {size or 'projection'} | {read} | {found['report']['kl']:.4f} |", flush=True)


if __name__ == "__main__":
    sys.exit(main())
