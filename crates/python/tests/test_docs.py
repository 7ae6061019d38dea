"""Runs the Python code in the guides and in docstrings."""

import doctest
import importlib
import pkgutil
import re
from pathlib import Path

import pytest

import allot
from conftest import BUNDLED, ROOT

PAGES = sorted(it for it in (ROOT / "docs").rglob("*.md") if "```python" in it.read_text())


@pytest.mark.parametrize("page", PAGES, ids=lambda it: it.stem)
def test_pages_run(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("model").symlink_to(BUNDLED)
    Path("text").symlink_to(BUNDLED / "text")
    names = {"__name__": page.stem}
    for block in re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL):
        exec(compile(block, str(page), "exec"), names)


def modules():
    yield allot
    for found in pkgutil.iter_modules(allot.__path__):
        # Ray and PyTorch may be missing, and importing `__main__` would run it.
        if found.name not in ("__main__", "_allot", "ray", "torch"):
            yield importlib.import_module(f"allot.{found.name}")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    out = tmp_path_factory.mktemp("doctest") / "run"
    options = {"samples": 4, "length": 32, "windows": 4, "evaluations": 5}
    allot.search(BUNDLED, 0.7, texts=BUNDLED / "text", out=out, **options)
    return out


@pytest.mark.parametrize("module", list(modules()), ids=lambda it: it.__name__)
def test_docstrings_run(module, tmp_path, run):
    names = {
        "allot": allot,
        "MODEL": BUNDLED,
        "TEXTS": BUNDLED / "text",
        "CALIBRATION": BUNDLED / "text" / "calibration.jsonl",
        "RUN": run,
    }
    finder, runner = doctest.DocTestFinder(), doctest.DocTestRunner()
    for number, test in enumerate(finder.find(module, extraglobs=names)):
        test.globs["OUT"] = tmp_path / f"out-{number}"
        runner.run(test)
    assert runner.summarize(verbose=False).failed == 0
