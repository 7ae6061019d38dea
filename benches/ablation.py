#!/usr/bin/env python3
"""Compares searches at equal tokens: random formulas, evolution, evolution with a surrogate, evolution with a teacher, and with both.

    cargo build --release && ALLOT=target/release/allot python3 benches/ablation.py MODEL TEXTS OUT [--sparsity 0.7] [--evaluations 200] [--seeds 5]

OUT is a folder that keeps every run: the same command continues where it was stopped. The search with a teacher measures EVALUATIONS
allocations. Its tokens and those of its descent, where a backward pass counts as two forward passes, are what each of the others may spend:
they get additional evaluations until they have spent them. Formulas may use `marginal` in every search.

The divergences are those of the best function on the report text, which no search reads before it ends. `effort` is the median share of
evolution's tokens after which a search had a function with the loss, on the fitness text, of evolution's final one, the descent included.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

NAMES = {
    "random": "random formulas",
    "evolution": "evolution",
    "surrogate": "evolution with the surrogate",
    "teacher": "evolution with a teacher",
    "both": "evolution with both",
}


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("texts", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--sparsity", default="0.7")
    parser.add_argument("--evaluations", type=int, default=200)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--length", type=int, default=128)
    parser.add_argument("--samples", type=int, default=64)
    parser.add_argument("--windows", type=int, default=16)
    parser.add_argument("--report-windows", type=int, default=128)
    parser.add_argument("--steps", type=int, default=20, help="steps of the descent")
    return parser.parse_args()


def allot(*words):
    """Runs a command."""
    command = [os.environ.get("ALLOT", "allot"), *map(str, words), "--quiet"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def read(folder):
    return json.loads((folder / "summary.json").read_text())


def run_of(folder, searcher="evolution"):
    """Returns the run of a searcher in a search's summary."""
    return next(it for it in read(folder)["runs"] if it["searcher"] == searcher)


class Ablation:
    def __init__(self, given):
        self.given = given
        given.out.mkdir(parents=True, exist_ok=True)
        self.common = [
            "--texts", given.texts, "--length", given.length, "--samples", given.samples, "--windows", given.windows,
            "--report-windows", given.report_windows,
        ]
        self.descent = given.out / f"{given.sparsity}-descent"
        if not (self.descent / "summary.json").exists():
            allot("descend", given.model, "-s", given.sparsity, *self.common, "--steps", given.steps, "--out", self.descent)
        self.descended = read(self.descent)["found"][0]["tokens"]

    def search(self, name, seed, budget, *more):
        """Returns the folder of a search that has spent a budget of tokens; without a budget it measures the given evaluations."""
        given = self.given
        folder = given.out / f"{given.sparsity}-{name}-{seed}"
        if not (folder / "settings.json").exists():
            allot(
                "search", given.model, "-s", given.sparsity, *self.common, "--marginals", "--seed", seed,
                "--evaluations", given.evaluations, "--out", folder, *more,
            )
        elif not (folder / "summary.json").exists():
            allot("search", "--resume", folder)
        while budget and (run := run_of(folder)["spent"])["tokens"] < budget:
            measured = run["evaluations"]
            allot("search", "--resume", folder, "--evaluations", max(measured + 1, round(measured * budget / run["tokens"])))
        return folder

    def of_seed(self, seed):
        """Returns the runs of a seed by name, each with the tokens spent before it."""
        taught = self.search("teacher", seed, None, "--teacher", self.descent)
        budget = run_of(taught)["spent"]["tokens"] + self.descended
        plain = self.search("evolution", seed, budget, "--control", "random")
        screened = self.search("surrogate", seed, budget, "--surrogate")
        both = self.search("both", seed, budget - self.descended, "--surrogate", "--teacher", self.descent)
        return {
            "random": (run_of(plain, "random"), 0),
            "evolution": (run_of(plain), 0),
            "surrogate": (run_of(screened), 0),
            "teacher": (run_of(taught), self.descended),
            "both": (run_of(both), self.descended),
        }


def best_loss(run):
    return min(point["loss"] for point in run["points"] if point["full"])


def effort(run, before, plain):
    """Returns the share of evolution's tokens after which a run was as good as evolution at its end; infinite if it never was."""
    wanted = best_loss(plain)
    spent = run["spent"]
    reached = (it["evaluation"] for it in run["points"] if it["full"] and it["loss"] <= wanted)
    evaluation = next(reached, None)
    if evaluation is None:
        return float("inf")
    return (before + spent["tokens"] * evaluation / spent["evaluations"]) / plain["spent"]["tokens"]


def row(name, runs, plain):
    kl = lambda run: run["best"]["report"][0]["kl"]
    found = [kl(run) for run, _ in runs]
    tokens = statistics.mean(run["spent"]["tokens"] + before for run, before in runs)
    evaluations = statistics.mean(run["spent"]["evaluations"] for run, _ in runs)
    deviation = statistics.stdev(found) if len(found) > 1 else 0.0
    each = ", ".join(f"{it:.4f}" for it in found)
    better = sum(kl(run) < kl(own) for (run, _), (own, _) in zip(runs, plain))
    efforts = statistics.median(effort(run, before, own) for (run, before), (own, _) in zip(runs, plain))
    effort_text = "never" if efforts == float("inf") else f"{efforts:.0%}"
    compared = ("", "") if runs is plain else (f"{better} of {len(runs)}", effort_text)
    print(
        f"| {name} | {tokens:,.0f} | {evaluations:.0f} | {statistics.mean(found):.4f} | {deviation:.4f} | {each} | {compared[0]} | {compared[1]} |",
        flush=True,
    )


def main():
    given = arguments()
    ablation = Ablation(given)
    arms = {name: [] for name in NAMES}
    for seed in range(given.seeds):
        for name, run in ablation.of_seed(seed).items():
            arms[name].append(run)
    descent = read(ablation.descent)["found"][0]
    print(f"{given.model.name} at {float(given.sparsity):.0%}; the descent's own KL is {descent['report']['kl']:.4f}\n")
    print("| search | tokens | evaluations | KL, mean | deviation | each seed | better than evolution | effort |")
    print("|---|---:|---:|---:|---:|---|---|---:|")
    for name, title in NAMES.items():
        row(title, arms[name], arms["evolution"])


if __name__ == "__main__":
    sys.exit(main())
