"""Models in folders give the same numbers as the command."""

import json
import threading
import time

import numpy as np
import pytest

import allot


@pytest.fixture(scope="module")
def model(bundled, texts):
    return allot.Model(bundled, text=texts / "calibration.jsonl", samples=8, length=64)


def test_ratios_equal_the_commands(model, bundled, texts, command):
    allocation = model.ratios("owl", 0.7)
    words = ["eval", bundled, "owl", "--sparsity", "0.7", "--text", texts / "calibration.jsonl", "--samples", "8"]
    printed = json.loads(command(*words, "--length", "64", "--format", "json").stdout)
    assert json.loads(allocation.to_json())["units"] == printed["units"]
    assert list(allocation.ratios) == [name for name, *_ in model.linears]
    assert abs(allocation.achieved - 0.7) < 1e-6


def test_an_allocation_is_saved_and_read(model, tmp_path):
    allocation = model.ratios(allot.Script("log(mean(score)) |> scale"), 0.6)
    allocation.save(tmp_path / "a.json")
    again = allot.Allocation.load(tmp_path / "a.json")
    assert again.ratios == allocation.ratios and again.unit == allocation.unit
    (tmp_path / "a.json").write_text("{}")
    with pytest.raises(allot.AllotError):
        allot.Allocation.load(tmp_path / "a.json")


def test_pruning_and_perplexity(model, bundled, texts, tmp_path, command):
    allocation = model.ratios("owl", 0.6)
    report = model.prune(allocation, tmp_path / "pruned")
    masks = model.masks(allocation)
    assert sum(int(mask.sum()) for mask in masks.values()) == report["pruned"] == sum(allocation.pruned.values())
    pruned = allot.Model(tmp_path / "pruned")
    found = pruned.perplexity(texts / "report.jsonl", length=64, limit=4)
    words = ["ppl", tmp_path / "pruned", "--text", texts / "report.jsonl", "--length", "64", "--limit", "4"]
    printed = json.loads(command(*words, "--format", "json").stdout)
    assert found.perplexity == printed["perplexity"]
    assert len(found.window_losses) == 4 and found.mean_loss == pytest.approx(np.log(found.perplexity))
    with pytest.raises(allot.AllotError, match="already exists"):
        model.prune(allocation, tmp_path / "pruned")


def test_statistics_are_arrays_and_a_file(model, bundled, tmp_path):
    moments = model.second_moments()
    assert list(moments) and all(it.dtype == np.float32 and (it >= 0).all() for it in moments.values())
    model.save_statistics(tmp_path / "s.safetensors")
    again = allot.Model(bundled, statistics=tmp_path / "s.safetensors")
    assert again.ratios("owl", 0.7).ratios == model.ratios("owl", 0.7).ratios
    with pytest.raises(allot.ArgumentError, match="no calibration text"):
        allot.Model(bundled).save_statistics(tmp_path / "other.safetensors")


def test_mistakes_raise_exceptions(bundled, texts):
    with pytest.raises(allot.AllotError):
        allot.Model(bundled / "nowhere")
    with pytest.raises(allot.ArgumentError, match="two sources"):
        allot.Model(bundled, text=texts / "fitness.jsonl", tokens="t.safetensors:ids")
    with pytest.raises(allot.ArgumentError):
        allot.Model(bundled, device="tpu")
    with pytest.raises(allot.AllotError, match="sparsity|ratio"):
        allot.Model(bundled).ratios("uniform", 1.5)


def test_progress_is_reported_and_the_interpreter_lock_is_free(bundled, texts):
    model = allot.Model(bundled, text=texts / "calibration.jsonl", samples=24, length=128)
    told, ticks, done = [], [], threading.Event()

    def tick():
        while not done.is_set():
            ticks.append(time.monotonic())
            time.sleep(0.005)

    other = threading.Thread(target=tick)
    other.start()
    model.ratios("owl", 0.7, progress=lambda phase, share, value: told.append((phase, share)))
    done.set()
    other.join()
    assert any(phase == "calibrating" for phase, _ in told)
    assert len(ticks) > 10
    assert max(b - a for a, b in zip(ticks, ticks[1:])) < 0.5


def test_ctrl_c_stops_a_long_call(tmp_path):
    import os
    import signal
    import subprocess
    import sys

    from conftest import BUNDLED

    # A shell that starts pytest in the background makes its processes ignore the signal.
    program = (
        "import allot, signal\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        f"m = allot.Model({os.fspath(BUNDLED)!r}, text={os.fspath(BUNDLED / 'text/calibration.jsonl')!r}, samples=128, length=256)\n"
        "print('begun', flush=True)\n"
        "m.ratios('owl', 0.7, progress=lambda *it: print('told', flush=True))\n"
    )
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "begun\n"
    assert process.stdout.readline() == "told\n"
    begun = time.monotonic()
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=20)
    assert "KeyboardInterrupt" in said
    assert time.monotonic() - begun < 5.0
