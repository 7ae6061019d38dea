#!/usr/bin/env python3
"""Measures how reliable teachers are, and whether formulas near to them are good. `ablation.py` measures how much they help a search.

    cargo build --release && ALLOT=target/release/allot python3 benches/teachers.py [EVALUATIONS] [SEEDS]

It uses the bundled model at 70 % sparsity. Two descents read different windows in a different order: the searches learn from the first, and
the second is held out. The divergences are those of the best function on the report text, which no search reads before it ends. The rank
correlation (Spearman) is over the first fifty random formulas of the control; the losses of those that racing gave up are estimates. The
distance between the descents weights units only by their numbers of weights.
"""

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

MODEL = Path(__file__).parent.parent / "examples" / "tiny-stories-12l"
COMMON = ["--texts", MODEL / "text", "--length", "128", "--samples", "64", "--report-windows", "128"]
SPARSITY = "0.7"
FORMULAS = 50


def allot(*arguments):
    """Runs a command, and returns its standard error."""
    command = [os.environ.get("ALLOT", "allot"), *map(str, arguments)]
    return subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True).stderr


def read(path):
    return json.loads(path.read_text())


def descend(out, seed):
    """Runs a descent, and returns its divergence on the report text."""
    allot("descend", MODEL, "-s", SPARSITY, *COMMON, "--steps", "20", "--seed", seed, "--out", out, "--quiet")
    return read(out / "summary.json")["found"][0]["report"]["kl"]


def apart(one, other):
    """Returns the distance of the second descent's ratios from the first's, relative to that of uniform sparsity, as in the search."""
    units, others = (read(folder / f"{SPARSITY}.json")["units"] for folder in (one, other))
    square = lambda ratio: sum(unit["params"] * (ratio(place) - unit["sparsity"]) ** 2 for place, unit in enumerate(units))
    return square(lambda place: others[place]["sparsity"]) / square(lambda place: float(SPARSITY))


def search(out, seed, evaluations, *more):
    return allot("search", MODEL, "-s", SPARSITY, *COMMON, "--marginals", "--seed", seed, "--evaluations", evaluations, "--out", out, *more)


def evolution(run):
    return next(it for it in read(run / "summary.json")["runs"] if it["searcher"] == "evolution")


def ranks(values):
    """Returns the ranks of values, averaged for equal values."""
    order = sorted(range(len(values)), key=values.__getitem__)
    found = [0.0] * len(values)
    for value in set(values):
        places = [place for place, index in enumerate(order) if values[index] == value]
        for place in places:
            found[order[place]] = statistics.mean(places)
    return found


def rank_correlation(run):
    lines = [json.loads(line) for line in (run / "measured.jsonl").read_text().splitlines()]
    of_control = [it for it in lines if it["searcher"] == "random" and it["loss"] is not None and it["distance"] is not None]
    pairs = [(it["distance"], it["loss"]) for it in of_control][:FORMULAS]
    return statistics.correlation(*(ranks(list(side)) for side in zip(*pairs))), len(pairs)


def main(evaluations="200", seeds="2"):
    with tempfile.TemporaryDirectory() as scratch:
        scratch = Path(scratch)
        teacher, held_out = scratch / "teacher", scratch / "held-out"
        kl, other = descend(teacher, 0), descend(held_out, 1)
        print(f"Two descents: KL {kl:.4f} and {other:.4f} on the report text; the second is {apart(teacher, held_out):.3f} from the first\n")
        print("| seed | KL | distance from the teacher | from the one held out | judged |\n|---|---|---|---|---|")
        for seed in range(int(seeds)):
            run = scratch / f"taught-{seed}"
            control = ["--control", "random"] if seed == 0 else []
            said = search(run, seed, evaluations, "--teacher", teacher, "--held-out-teacher", held_out, *control)
            judged = next((line for line in said.splitlines() if line.startswith("teachers judged")), "")
            near, far = (it["distance"] for it in read(run / "summary.json")["teachers"])
            print(f"| {seed} | {evolution(run)['best']['report'][0]['kl']:.4f} | {near:.3f} | {far:.3f} | {judged} |", flush=True)
        correlation, count = rank_correlation(scratch / "taught-0")
        print(f"\nRank correlation of the distance with the loss over {count} random formulas: {correlation:.2f}", flush=True)
        # Without the journal of its steps, a descent does not tell how steeply the damage rises.
        sizes = scratch / "sizes"
        shutil.copytree(teacher, sizes, ignore=shutil.ignore_patterns("steps.jsonl"))
        search(scratch / "by-size", 0, evaluations, "--teacher", sizes, "--control", "random")
        by_size, _ = rank_correlation(scratch / "by-size")
        print(f"With units weighted only by their number of weights: {by_size:.2f}")


if __name__ == "__main__":
    main(*sys.argv[1:])
