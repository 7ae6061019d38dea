"""Ask and tell: the same results as the command, and custom measures."""

import json
import math
import random
import re
import shutil

import pytest

import allot
from allot import _allot

FILES = ["journal.jsonl", "measured.jsonl", "summary.json", "settings.json", "best.allot", "report.html"]
SMALL = {"samples": 4, "length": 32, "windows": 8, "evaluations": 40, "lag": 12, "control": "random"}


@pytest.fixture(scope="module")
def alone(bundled, texts, command, tmp_path_factory):
    """The folder of a search by the command."""
    out = tmp_path_factory.mktemp("alone") / "run"
    words = [word for name, value in SMALL.items() for word in (f"--{name}", str(value))]
    command("search", bundled, "--sparsity", "0.7", "--texts", texts, *words, "--out", out, "--quiet")
    return out


def same(one, other):
    for name in FILES:
        assert (one / name).read_bytes() == (other / name).read_bytes(), name


def opened(bundled, texts, out, **more):
    return allot.Search(bundled, 0.7, texts=texts, out=out, **{**SMALL, **more})


def test_answers_in_any_order_give_the_commands_bytes(bundled, texts, alone, tmp_path):
    search = opened(bundled, texts, tmp_path / "run")
    rng, waiting, most = random.Random(5), [], 0
    while not search.is_over:
        waiting += search.ask()
        most = max(most, len(waiting))
        if waiting:
            task = waiting.pop(rng.randrange(len(waiting)))
            search.tell(task, search.measure(task))
    run = search.end()
    assert most > 4, "several tasks can be measured at a time"
    same(tmp_path / "run", alone)
    assert run.best.hash == allot.Run(alone).best.hash
    assert len(run.measured) >= 40 and run.front


def test_search_without_a_measure_gives_the_commands_bytes(bundled, texts, alone, tmp_path):
    allot.search(bundled, 0.7, texts=texts, out=tmp_path / "run", **SMALL)
    same(tmp_path / "run", alone)


def test_a_stopped_search_can_be_resumed(bundled, texts, alone, tmp_path):
    search = opened(bundled, texts, tmp_path / "run")
    for _ in range(3):
        for task in search.ask():
            search.tell(task, search.measure(task))
    search.stop()
    assert search.is_over
    begun = (tmp_path / "run" / "journal.jsonl").read_bytes()
    assert begun and (alone / "journal.jsonl").read_bytes().startswith(begun)
    again = allot.Search(resume=tmp_path / "run")
    again.run()
    same(tmp_path / "run", alone)


def test_another_process_measures_the_same(bundled, texts, tmp_path):
    search = opened(bundled, texts, tmp_path / "run")
    worker = allot.Worker(search.settings())
    for task in search.ask():
        assert worker.measure(task.to_json()) == search.measure(task)
    search.stop()
    # A worker with another seed does not read the search's text.
    settings = json.loads((tmp_path / "run" / "settings.json").read_text())
    settings["texts"]["seed"] = 1
    with pytest.raises(allot.AllotError, match="was started with other inputs"):
        allot.Worker(json.dumps(settings))


def test_a_custom_measure(bundled, texts, tmp_path):
    def uneven(task):
        # Lower if late blocks lose more.
        return sum(ratio * (1 - place / 12) for place, ratio in enumerate(task.blocks)) + 1e-9

    options = {"samples": 4, "length": 32, "evaluations": 30, "calibration": texts / "calibration.jsonl"}
    run = allot.search(bundled, 0.7, out=tmp_path / "run", loss=uneven, **options)
    losses = [it["loss"] for it in run.measured if it["full"]]
    uniform = uneven(type("T", (), {"blocks": [0.7] * 12}))
    assert min(losses) < uniform
    # Losses of another measure are not mixed with these.
    with pytest.raises(allot.AllotError, match="what measures"):
        allot.search(resume=tmp_path / "run", loss=lambda task: 1.0, name="another")
    again = allot.search(bundled, 0.7, out=tmp_path / "again", loss=uneven, **options)
    assert (tmp_path / "run" / "journal.jsonl").read_bytes() == (tmp_path / "again" / "journal.jsonl").read_bytes()
    assert again.best.hash == run.best.hash


def test_wrong_losses_are_refused(bundled, texts, tmp_path):
    search = opened(bundled, texts, tmp_path / "run")
    with pytest.raises(allot.AnswerError, match="not over"):
        search.end()
    (task, *_) = search.ask()
    count = len(task.windows)
    for losses, words in [
        ([math.nan] * count, "not a number"),
        (1.0, f"needs {count} losses"),
        ([1.0] * (count + 1), f"needs {count} losses"),
        (["one"] * count, "a loss is a number"),
    ]:
        with pytest.raises(allot.AnswerError, match=words):
            search.tell(task, losses)
    with pytest.raises(allot.AnswerError, match="no task has the number"):
        search.tell(99_999, [1.0] * count)
    search.tell(task, [1.0] * count)
    with pytest.raises(allot.AnswerError, match="has its losses already"):
        search.tell(task, [2.0] * count)
    search.stop()
    with pytest.raises(allot.AnswerError, match="has ended"):
        search.tell(task, [1.0] * count)


def test_options_are_checked_as_by_the_command(bundled, texts, tmp_path):
    with pytest.raises(allot.ArgumentError, match="unexpected argument"):
        opened(bundled, texts, tmp_path / "run", nonsense=1)
    with pytest.raises(allot.AllotError):
        opened(bundled, texts, tmp_path / "run", fitness=texts / "nowhere.jsonl")
    opened(bundled, texts, tmp_path / "run").stop()
    with pytest.raises(allot.AllotError, match="exists"):
        opened(bundled, texts, tmp_path / "run")
    shutil.rmtree(tmp_path / "run")


def test_unsupported_options_are_refused(bundled, texts, tmp_path):
    with pytest.raises(allot.AllotError, match="measure on Ray"):
        opened(bundled, texts, tmp_path / "run", ray="auto")
    with pytest.raises(allot.ArgumentError, match="dry-run"):
        opened(bundled, texts, tmp_path / "run", dry_run=True)
    assert not (tmp_path / "run").exists()


def test_the_cluster_options_match_the_help(command):
    from allot.ray import Workers, _parser

    section = command("search", "--help").stdout.split("\nMany machines:\n")[1].split("\n\nOptions:")[0]
    described = set(re.findall(r"^ +--([a-z-]+)", section, re.MULTILINE))
    ours = {it.option_strings[0][2:] for it in _parser()._actions}
    for name in ["workers", "worker-cpus", "worker-gpus", "deadline", "any-device"]:
        assert name in described and name in ours, name
    for wrong in [{"count": 0}, {"cpus": -1.0}, {"gpus": float("nan")}, {"deadline": 0.0}]:
        with pytest.raises(allot.ArgumentError, match="workers cannot have"):
            Workers(**wrong)


def test_workers_take_models_of_the_hub_from_their_own_cache(bundled, texts, tmp_path, monkeypatch):
    def cache(name, revision):
        model = tmp_path / name / "models--someone--tiny"
        shutil.copytree(bundled, model / "snapshots" / revision)
        (model / "refs").mkdir()
        (model / "refs" / "main").write_text(revision)
        return tmp_path / name

    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HUB_CACHE", str(cache("drivers", "1a2b")))
    options = {"calibration": texts / "calibration.jsonl", "fitness": texts / "fitness.jsonl"}
    with allot.Search("someone/tiny", 0.7, out=tmp_path / "run", samples=4, length=32, windows=2, evaluations=5, **options) as search:
        settings, task = search.settings(), search.ask()[0]
        losses = search.measure(task)
    shutil.rmtree(tmp_path / "drivers")
    # The revision that the search uses comes first, and the current one has the same bytes.
    for name, revision in [("same", "1a2b"), ("later", "3c4d")]:
        monkeypatch.setenv("HF_HUB_CACHE", str(cache(name, revision)))
        assert _allot.Worker(settings).measure(task.to_json()) == losses
    other = next((tmp_path / "later").glob("*/snapshots/*")) / "config.json"
    other.write_text(other.read_text().replace("1e-05", "1e-06"))
    with pytest.raises(allot.AllotError, match="was started with other inputs"):
        _allot.Worker(settings)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "empty"))
    with pytest.raises(allot.AllotError, match="someone/tiny"):
        _allot.Worker(settings)
