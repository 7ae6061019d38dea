#!/usr/bin/env python3
"""Measures the speedup of sixteen workers over one, and checks that the order of their answers changes nothing.

    pip install './crates/python[ray]'
    python benches/workers.py [EVALUATIONS] [SCALE]

Measurements are simulated: the worker sleeps for a time from a log-normal distribution (mean 2 s times SCALE, sigma 0.7), and returns a loss;
both depend only on the task's ratios. The driver really proposes candidates, evaluates their formulas on the bundled model and writes the
journal. The lag is 64.
"""

import hashlib
import json
import math
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

import ray

import allot
from allot.ray import Pool, Workers, measure

BUNDLED = Path(__file__).resolve().parent.parent / "examples" / "tiny-stories-12l"
LAG = 64
MEAN, SIGMA = 2.0, 0.7
WORKERS = [1, 4, 16]


def drawn(task, salt):
    """Returns a number between 0 and 1 that depends only on a task's ratios."""
    pruned = [share["pruned"] for share in json.loads(task)["model"]["shares"]]
    digest = hashlib.sha256(f"{salt} {pruned}".encode()).digest()
    return (int.from_bytes(digest[:7], "little") + 0.5) / 2**56


def cost(task):
    """Returns the seconds that a measurement takes."""
    normal = statistics.NormalDist().inv_cdf(drawn(task, "cost"))
    return MEAN * math.exp(SIGMA * normal - SIGMA**2 / 2)


class Simulated:
    """A worker that sleeps instead of measuring."""

    def __init__(self, scale):
        self._scale = scale

    def ready(self):
        return ""

    def measure(self, task):
        time.sleep(cost(task) * self._scale)
        loss = 1.0 + drawn(task, "loss")
        return [(loss, loss)]


def search(out, workers, evaluations, scale):
    text = BUNDLED / "text" / "calibration.jsonl"
    options = {"samples": 4, "length": 32, "windows": 1, "evaluations": evaluations, "lag": LAG}
    opened = allot.Search(BUNDLED, 0.7, calibration=text, fitness=text, out=out, measure="simulated", **options)
    actor = ray.remote(Simulated).options(num_cpus=1)
    pool = Pool(lambda: actor.remote(scale), Workers(count=workers))
    slept, put = 0.0, pool.put

    def counted(task):
        nonlocal slept
        slept += cost(task.to_json()) * scale
        put(task)

    pool.put = counted
    with opened:
        # Starting the workers does not count.
        while pool.ready < workers:
            pool.results()
        begun = time.perf_counter()
        measure(opened, pool)
        seconds = time.perf_counter() - begun
    pool.close()
    return seconds, slept


def main():
    evaluations = int(sys.argv[1]) if len(sys.argv) > 1 else 600
    scale = float(sys.argv[2]) if len(sys.argv) > 2 else 0.2
    # Another cluster may run on this machine.
    ray.init(address="local", num_cpus=max(WORKERS), log_to_driver=False, logging_level="error")
    print(f"{os.cpu_count()} cores, Ray {ray.__version__}; {evaluations} evaluations of {MEAN * scale:g} s on average, lag {LAG}\n")
    print("| workers | seconds | measuring | times one worker | busy |")
    print("|---|---|---|---|---|")
    first, journals = None, set()
    for workers in WORKERS:
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "run"
            seconds, slept = search(out, workers, evaluations, scale)
            journals.add(hashlib.sha256((out / "journal.jsonl").read_bytes()).hexdigest())
        first = first or seconds
        busy = slept / (seconds * workers)
        print(f"| {workers} | {seconds:.1f} | {slept:.1f} | {first / seconds:.1f} | {100 * busy:.0f} % |", flush=True)
    print(f"\n{len(WORKERS)} runs, {len(journals)} journal" + ("s: they differ" if len(journals) > 1 else ", the same bytes"))
    if len(journals) > 1:
        sys.exit(1)


if __name__ == "__main__":
    main()
