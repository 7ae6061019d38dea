#!/usr/bin/env python3
"""Times `allot tasks` against lm-evaluation-harness, on the same documents and the same cores: HellaSwag, and MMLU with five examples.

    V/bin/python benches/tasks.py MODEL DATA ALLOT WORK [--limit 200] [--threads 2]

Arguments and required packages are those of `tests/tasks_harness.py`, which also compares the results of both. ALLOT must be a release
build, and nothing else should run; if something does, `GOMP_SPINCOUNT=0` keeps torch from spinning. Wall time includes loading the model
for allot, but not for the harness.
"""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests"))
import tasks_harness


def main():
    if "--tasks" not in sys.argv:
        sys.argv += ["--tasks", "hellaswag,mmlu"]
    sys.argv.append("--time")
    tasks_harness.main()


if __name__ == "__main__":
    main()
