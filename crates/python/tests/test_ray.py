"""A search on a cluster of several nodes gives the same results as one machine, even if nodes die."""

import random
import sys
import threading
import time

import pytest

import allot

ray = pytest.importorskip("ray", reason="Ray is not installed")

from ray.cluster_utils import Cluster  # noqa: E402

import allot.ray as spread  # noqa: E402

# Workers cannot import the tests.
ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])

FILES = ["journal.jsonl", "measured.jsonl", "summary.json", "settings.json", "best.allot"]
SMALL = {"samples": 4, "length": 32, "windows": 4, "evaluations": 30, "lag": 12}


@pytest.fixture(scope="module")
def small(texts):
    """The options of a search that measures little."""
    return {**SMALL, "calibration": texts / "calibration.jsonl", "fitness": texts / "fitness.jsonl"}


@pytest.fixture(scope="module")
def alone(bundled, small, tmp_path_factory):
    out = tmp_path_factory.mktemp("alone") / "run"
    allot.search(bundled, 0.7, out=out, **small)
    return out


@pytest.fixture()
def cluster():
    """A cluster whose head node measures nothing; tests add and remove other nodes."""
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    yield cluster
    ray.shutdown()
    cluster.shutdown()


def same(one, other):
    for name in FILES:
        assert (one / name).read_bytes() == (other / name).read_bytes(), name


@pytest.mark.parametrize("workers", [1, 4, 16])
def test_any_number_of_workers_gives_the_same_bytes(bundled, small, alone, tmp_path, cluster, workers):
    for _ in range(2):
        cluster.add_node(num_cpus=max(2, workers // 2))
    asked = spread.Workers(count=workers)
    out = tmp_path / "run"
    spread.run(bundled, 0.7, out=out, address=cluster.address, workers=asked, **small)
    same(out, alone)


def test_lost_and_joining_nodes_change_nothing(bundled, small, alone, tmp_path, cluster):
    nodes = [cluster.add_node(num_cpus=2), cluster.add_node(num_cpus=2)]
    rng, failed, lost = random.Random(11), [], 0
    out = tmp_path / "run"

    def search():
        try:
            spread.run(bundled, 0.7, out=out, address=cluster.address, **small)
        except BaseException as error:
            failed.append(error)

    # Ray can start nodes only on the main thread.
    other = threading.Thread(target=search)
    other.start()
    while other.is_alive():
        other.join(5.0)
        if other.is_alive() and (out / "journal.jsonl").exists():
            nodes.append(cluster.add_node(num_cpus=2))
            cluster.remove_node(nodes.pop(rng.randrange(2)), allow_graceful=False)
            lost += 1
    assert not failed, failed
    assert lost, "the search was over before any node was lost"
    same(out, alone)


class Poisoned(spread.Measurer):
    """A worker that dies on some allocations and hangs on others."""

    def measure(self, task):
        import json
        import os

        ratios = [share["pruned"] for share in json.loads(task)["model"]["shares"]]
        if sum(ratios[:7]) % 8 == 1:
            os._exit(1)
        if sum(ratios[:7]) % 8 == 2:
            time.sleep(3600)
        return super().measure(task)


def test_failures_are_recorded_and_the_search_continues(bundled, small, tmp_path, cluster):
    cluster.add_node(num_cpus=2)
    ray.init(address=cluster.address, log_to_driver=False, logging_level="error")
    options = {**small, "evaluations": 15, "lag": 4}
    with allot.Search(bundled, 0.7, out=tmp_path / "run", **options) as search:
        asked = spread.Workers(count=2, deadline=4.0)
        actor = ray.remote(Poisoned).options(num_cpus=1, max_restarts=0)
        settings = ray.put(search.settings())
        pool = spread.Pool(lambda: actor.remote(settings, asked), asked)
        try:
            run = spread.measure(search, pool)
        except allot.AllotError as error:
            # If uniform sparsity itself is poisoned, the search fails with this error.
            assert "divergence of" in str(error)
            run = None
        finally:
            pool.close()
    failures = (tmp_path / "run" / spread.FAILURES).read_text().splitlines()
    assert failures
    import json

    for line in failures:
        reasons = json.loads(line)["reasons"]
        assert len(reasons) == spread.ATTEMPTS
        assert set(reasons) <= {"its worker died", "it took more than 4 s"}
    assert run is None or len(run.measured) >= 15


def test_workers_with_other_files_are_refused(bundled, small, tmp_path, cluster):
    cluster.add_node(num_cpus=1)
    ray.init(address=cluster.address, log_to_driver=False, logging_level="error")
    with allot.Search(bundled, 0.7, out=tmp_path / "run", **small) as search:
        import json

        settings = json.loads(search.settings())
        settings["texts"]["seed"] = 3
        asked = spread.Workers(count=1)
        actor = ray.remote(spread.Measurer).options(num_cpus=1, max_restarts=0)
        pool = spread.Pool(lambda: actor.remote(json.dumps(settings), asked), asked)
        with pytest.raises(allot.AllotError, match="cannot open the search's models.*was started with other inputs"):
            spread.measure(search, pool)
        pool.close()
