#!/usr/bin/env python3
"""Measures how a lag affects the quality of a search, at equal evaluations.

    cargo build --release && ALLOT=target/release/allot python3 benches/lag.py [EVALUATIONS] [SEEDS]

Searches on the bundled model at 70 % sparsity with each lag and the same seeds, and prints the divergence of the best function on the report
text, which no search reads before it ends: the mean and standard deviation over seeds, and the value of each seed.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

MODEL = Path(__file__).parent.parent / "examples" / "tiny-stories-12l"
LAGS = [1, 8, 64, 256]


def reported(lag, evaluations, seeds, scratch):
    """Returns the divergence of each seed's best function on the report text."""
    run = scratch / str(lag)
    subprocess.run(
        [os.environ.get("ALLOT", "allot"), "search", MODEL, "--sparsity", "0.7", "--texts", MODEL / "text", "--length", "128",
         "--samples", "64", "--report-windows", "128", "--evaluations", str(evaluations), "--seeds", str(seeds), "--lag", str(lag),
         "--out", run, "--quiet"],
        check=True, stdout=subprocess.DEVNULL,
    )
    summary = json.loads((run / "summary.json").read_text())
    return [it["best"]["report"][0]["kl"] for it in summary["runs"]]


def main(evaluations="300", seeds="3"):
    print(f"KL to the dense model on the report text after {evaluations} evaluations, over {seeds} seeds")
    print("| lag | mean | deviation | each seed |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory() as scratch:
        for lag in LAGS:
            found = reported(lag, evaluations, seeds, Path(scratch))
            deviation = statistics.stdev(found) if len(found) > 1 else 0.0
            each = ", ".join(f"{it:.4f}" for it in found)
            print(f"| {lag} | {statistics.mean(found):.4f} | {deviation:.4f} | {each} |", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
