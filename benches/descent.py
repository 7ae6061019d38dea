#!/usr/bin/env python3
"""Compares ways to allocate on a real model, by the perplexity of the folders that `allot prune` writes.

    cargo build --release && ALLOT=target/release/allot python benches/descent.py MODEL C4 WIKITEXT OUT [--sparsity 0.6] [--seeds 3]

MODEL is a model's folder, C4 a file of JSON lines with at least a thousand documents, WIKITEXT is WikiText-2's `wiki.test.raw`, and OUT is
a folder that keeps every result: the same command continues where it was stopped. Documents 0 to 199 of C4 are the calibration text,
200 to 799 the fitness text, 800 to 899 the selection text; only the last measurement reads WikiText-2. Each seed draws different
calibration windows, and different windows of the fitness text for each step. The script prints a Markdown table with the perplexity on
WikiText-2 for each method (the mean over seeds, with the lowest and highest), and the tokens that deciding took (a backward pass counts as
two forward passes).

Uniform and OWL decide nothing by measurement. The slope of ATP is the one of SLOPES with the lowest divergence on the selection text.
"""

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import time
from pathlib import Path

SLOPES = (0.002, 0.004, 0.006, 0.008, 0.010, 0.012)
UNITS = ("block", "projection", "row")
MEASURES = {"wanda": ["--method", "wanda"], "sparsegpt": ["--method", "sparsegpt"]}


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("c4", type=Path)
    parser.add_argument("wikitext", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--sparsity", type=float, default=0.6)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--methods", default="wanda,sparsegpt")
    parser.add_argument("--ways", default="uniform,owl,ramp," + ",".join(f"descent-{unit}" for unit in UNITS))
    parser.add_argument("--steps", type=int, default=18)
    parser.add_argument("--step-windows", type=int, default=8)
    parser.add_argument("--length", type=int, default=512)
    parser.add_argument("--samples", type=int, default=32, help="number of calibration windows")
    parser.add_argument("--selection-windows", type=int, default=6)
    parser.add_argument("--limit", type=int, help="largest number of windows of WikiText-2")
    parser.add_argument("--window", type=int, default=1024, help="tokens in a window of WikiText-2")
    parser.add_argument("--minutes", type=float, help="starts no further command after this number of minutes")
    return parser.parse_args()


class Bench:
    def __init__(self, given):
        self.given, self.begun = given, time.monotonic()
        given.out.mkdir(parents=True, exist_ok=True)
        lines = given.c4.read_text(encoding="utf-8").splitlines(keepends=True)
        for name, part in (("calibration", lines[:200]), ("fitness", lines[200:800]), ("selection", lines[800:900])):
            (given.out / f"{name}.jsonl").write_text("".join(part), encoding="utf-8")

    def text(self, name):
        return str(self.given.out / f"{name}.jsonl")

    def allot(self, *words):
        """Runs a command, and returns the JSON that it prints."""
        given = self.given
        if given.minutes and time.monotonic() - self.begun > 60 * given.minutes:
            sys.exit("stopped after --minutes; the same command continues")
        command = [os.environ.get("ALLOT", "allot"), *map(str, words), "--quiet", "--format", "json"]
        ran = subprocess.run(command, stdout=subprocess.PIPE, check=True)
        return json.loads(ran.stdout)

    def kept(self, name, make):
        """Returns a result from its file, after computing it if the file is missing."""
        path = self.given.out / f"{name}.json"
        if not path.exists():
            found = make()
            path.with_suffix(".part").write_text(json.dumps(found))
            path.with_suffix(".part").rename(path)
        return json.loads(path.read_text())

    def calibration(self, seed):
        given = self.given
        return ["--samples", given.samples, "--length", given.length, "--seed", seed]

    def decided(self, way, seed):
        """Returns the script argument for `allot prune`, and the tokens that deciding took."""
        given = self.given
        read = given.samples * given.length
        if way == "uniform":
            return "uniform", 0
        if way == "owl":
            return "owl", read
        if way == "ramp":
            return self.ramp(seed)
        unit = way.removeprefix("descent-")
        out = given.out / f"{way}-{seed}"
        summary = out / "summary.json"
        if not summary.exists():
            self.allot(
                "descend", given.model, "--sparsity", given.sparsity, "--unit", unit, "--out", out,
                "--calibration", self.text("calibration"), "--fitness", self.text("fitness"),
                "--selection", self.text("selection"), "--windows", given.selection_windows,
                "--steps", given.steps, "--step-windows", given.step_windows, *self.calibration(seed),
            )
        found = json.loads(summary.read_text())["found"][0]
        return str(out / f"{given.sparsity}.json"), read + found["tokens"]

    def ramp(self, seed):
        given = self.given
        scripts = []
        for slope in SLOPES:
            script = given.out / f"ramp-{slope}.allot"
            script.write_text(f"ramp(beta = {slope})\n")
            scripts.append(script)
        compared = self.kept(f"ramps-{seed}", lambda: self.allot(
            "compare", given.model, *scripts, "--sparsity", given.sparsity, "--propagate", "dense",
            "--calibration", self.text("calibration"), "--report", self.text("selection"),
            "--report-windows", given.selection_windows, *self.calibration(seed),
        ))
        losses = [row["cells"][0]["measured"]["damage"]["kl"] for row in compared["rows"]]
        best = min(range(len(SLOPES)), key=lambda at: losses[at])
        tokens = given.samples * given.length + len(SLOPES) * given.selection_windows * given.length
        return str(scripts[best]), tokens

    def perplexity(self, way, method, seed):
        """Prunes and measures; returns the perplexity and the tokens that deciding took."""
        given = self.given
        script, tokens = self.decided(way, seed)

        def measure():
            pruned = given.out / "pruned"
            self.allot("prune", given.model, script, *([] if script.endswith(".json") else ["--sparsity", given.sparsity]),
                       *MEASURES[method], "--text", self.text("calibration"), *self.calibration(seed), "--out", pruned, "--force")
            limit = ["--limit", given.limit] if given.limit else []
            found = self.allot("ppl", pruned, "--text", given.wikitext, "--length", given.window, *limit)
            shutil.rmtree(pruned)
            return found

        return self.kept(f"ppl-{way}-{method}-{seed}", measure)["perplexity"], tokens


def main():
    given = arguments()
    bench = Bench(given)
    methods, ways = given.methods.split(","), given.ways.split(",")
    rows = {way: {method: [] for method in methods} | {"tokens": 0} for way in ways}
    # The outer loop is over seeds, so that an interrupted run has all ways for the first seeds.
    for seed in range(given.seeds):
        for method in methods:
            for way in ways:
                found, rows[way]["tokens"] = bench.perplexity(way, method, seed)
                rows[way][method].append(found)
                print(f"{way}, {method}, seed {seed}: {found:.2f}", file=sys.stderr, flush=True)
    name = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), "?")
    print(f"{given.model.name} at {given.sparsity:.0%}, perplexity on WikiText-2, {given.seeds} seeds; "
          f"{os.cpu_count()} cores of {name}; {platform.system()}\n")
    print("| way | " + " | ".join(methods) + " | tokens to decide |")
    print("|---|" + "---:|" * (len(methods) + 1))
    for way, row in rows.items():
        cells = [cell(row[method]) for method in methods]
        print(f"| {way} | " + " | ".join(cells) + f" | {row['tokens']:,} |")


def cell(values):
    mean = sum(values) / len(values)
    spread = f" ({min(values):.2f} to {max(values):.2f})" if len(values) > 1 else ""
    return f"{mean:.2f}{spread}"


if __name__ == "__main__":
    main()
