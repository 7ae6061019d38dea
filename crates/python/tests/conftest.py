"""Shared fixtures: the bundled model, its texts, and the command."""

import os
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
BUNDLED = ROOT / "examples" / "tiny-stories-12l"


@pytest.fixture(scope="session")
def bundled() -> Path:
    return BUNDLED


@pytest.fixture(scope="session")
def texts() -> Path:
    return BUNDLED / "text"


@pytest.fixture(scope="session")
def command():
    """Returns a function that runs the package's command in a separate process."""
    import subprocess

    def run(*words, check=True, **more):
        arguments = [sys.executable, "-m", "allot", *map(os.fspath, words)]
        found = subprocess.run(arguments, capture_output=True, text=True, **more)
        if check:
            assert found.returncode == 0, found.stderr + found.stdout
        return found

    return run
