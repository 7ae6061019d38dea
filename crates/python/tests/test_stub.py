"""Tests that the stub agrees with the extension."""

import ast
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import allot
from allot import _allot

STUB = ast.parse(Path(_allot.__file__).with_name("_allot.pyi").read_text())


def members(body):
    return {it.name: it for it in body if isinstance(it, (ast.FunctionDef, ast.ClassDef))}


def parameters(function):
    names = [it.arg for it in [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]]
    return [it for it in names if it not in ("self", "cls")]


def found_parameters(callable_):
    return [it for it in inspect.signature(callable_).parameters if it not in ("self", "cls")]


def public(names):
    return {it for it in names if not it.startswith("__")}


def test_the_stub_has_every_name():
    assert public(members(STUB.body)) == public(dir(_allot))


def test_classes_have_the_same_members():
    for name, described in members(STUB.body).items():
        if isinstance(described, ast.ClassDef):
            found = public(vars(getattr(_allot, name)))
            assert public(members(described.body)) == found, name


def test_parameters_have_the_same_names():
    for name, described in members(STUB.body).items():
        found = getattr(_allot, name)
        if isinstance(described, ast.FunctionDef):
            assert parameters(described) == found_parameters(found), name
            continue
        for member, function in members(described.body).items():
            decorators = [it.id for it in function.decorator_list if isinstance(it, ast.Name)]
            if "property" in decorators or (member.startswith("__") and member != "__new__"):
                continue
            callable_ = found if member == "__new__" else getattr(found, member)
            assert parameters(function) == found_parameters(callable_), f"{name}.{member}"


def test_every_public_name_has_a_docstring():
    for name in allot.__all__:
        assert inspect.getdoc(getattr(allot, name)) or name in ("Allocation", "Task", "Worker", "format", "published"), name


@pytest.mark.parametrize("words", [["mypy", "--strict", "--package", "allot"], ["mypy.stubtest", "allot._allot"]], ids=" ".join)
def test_mypy_accepts_the_package(words, tmp_path):
    pytest.importorskip("mypy", reason="mypy is not installed")
    found = subprocess.run([sys.executable, "-m", *words], cwd=tmp_path, capture_output=True, text=True)
    assert found.returncode == 0, found.stdout + found.stderr
