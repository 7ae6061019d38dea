"""A search on the machines of a Ray cluster.

Ray places the workers, and the cluster may grow or shrink. Only the driver asks the search for tasks, tells it losses and writes the
journal.
"""

from __future__ import annotations

import argparse
import json
import logging
import math
import os
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from . import _allot
from ._command import words
from ._progress import shown
from ._run import Run
from ._search import Search
from .errors import AllotError, ArgumentError

#: Number of attempts before a task counts as failed.
ATTEMPTS = 3
#: Seconds that the driver waits for an answer before it checks deadlines and free resources.
TICK = 0.25
#: The file in a run's folder that records the failed tasks, with reasons.
FAILURES = "failures.jsonl"


@dataclass(frozen=True)
class Workers:
    """The workers that a search asks Ray for.

    Attributes
    ----------
    count : int, optional
        The largest number of workers; by default as many as the cluster has room for. Each holds the models.
    cpus, gpus : float
        The processor cores and GPUs of a worker.
    device, precision : str
        The device that a worker computes on, and the type it computes in; Ray numbers a worker's own GPUs from 0.
    deadline : float, optional
        Seconds after which a task is started again on another worker.
    any_device : bool
        Whether workers may use devices of another kind than the driver's, whose losses differ in the last digits.
    """

    count: int | None = None
    cpus: float = 1.0
    gpus: float = 0.0
    device: str = "cpu"
    precision: str = "f32"
    deadline: float | None = None
    any_device: bool = False

    def __post_init__(self) -> None:
        wrong = [
            ("count", self.count, self.count is not None and self.count < 1),
            ("cpus", self.cpus, not self.cpus >= 0),
            ("gpus", self.gpus, not self.gpus >= 0),
            ("deadline", self.deadline, self.deadline is not None and not self.deadline > 0),
        ]
        for name, value, refused in wrong:
            if refused:
                raise ArgumentError(f"workers cannot have the {name} {value}")


class Measurer:
    """Measures a search's tasks in a Ray process."""

    def __init__(self, settings: str, workers: Workers):
        self._worker = _allot.Worker(
            settings, device=workers.device, precision=workers.precision, any_device=workers.any_device
        )

    def ready(self) -> str:
        """Returns the id of the worker's node, once its models are open."""
        import ray

        return ray.get_runtime_context().get_node_id()

    def measure(self, task: str) -> list[tuple[float, float]]:
        """Measures a task given as JSON by :meth:`Task.to_json`."""
        return self._worker.measure(task)


@dataclass
class _Pending:
    """A task that waits for its losses."""

    task: _allot.Task
    attempts: int = 0
    reasons: list[str] = field(default_factory=list)


@dataclass
class _Idle:
    """A worker that waits for a task."""

    actor: Any
    since: float = field(default_factory=time.monotonic)


@dataclass
class _Running:
    """A task that a worker measures."""

    pending: _Pending
    worker: _Idle
    begun: float = field(default_factory=time.monotonic)

    @property
    def may_have_been_dead(self) -> bool:
        """Whether the worker may have died before it got the task, which Ray does not report to the driver."""
        return self.begun - self.worker.since > 4 * TICK


class Pool:
    """A changing set of workers on a cluster."""

    def __init__(self, make: Callable[[], Any], workers: Workers):
        import ray

        self._ray: Any = ray
        self._make = make
        self._workers = workers
        self._idle: list[_Idle] = []
        self._starting: dict[Any, Any] = {}
        self._running: dict[Any, _Running] = {}
        self._queue: deque[_Pending] = deque()
        self._looked = 0.0
        self._failed_starts = 0
        self.failed: list[_Pending] = []

    @property
    def size(self) -> int:
        """The number of workers, including those that are starting."""
        return len(self._idle) + len(self._starting) + len(self._running)

    @property
    def ready(self) -> int:
        """The number of workers that wait for a task."""
        return len(self._idle)

    @property
    def open(self) -> int:
        """The number of tasks without losses."""
        return len(self._queue) + len(self._running)

    def put(self, task: _allot.Task) -> None:
        """Adds a task to the queue."""
        self._queue.append(_Pending(task))

    def results(self) -> list[tuple[_allot.Task, list[tuple[float, float]]]]:
        """Waits a short time, and returns the tasks measured meanwhile with their losses."""
        self._grow()
        self._dispatch()
        refs = [*self._running, *self._starting]
        if not refs:
            time.sleep(TICK)
            return []
        done, _ = self._ray.wait(refs, num_returns=1, timeout=TICK)
        if done:
            # Takes everything that is done by now.
            done, _ = self._ray.wait(refs, num_returns=len(refs), timeout=0)
        found = []
        for ref in done:
            if ref in self._starting:
                self._started(ref)
            else:
                found += self._finished(ref)
        self._overdue()
        return found

    def close(self) -> None:
        """Ends all workers."""
        idle = [it.actor for it in self._idle]
        busy = [it.worker.actor for it in self._running.values()]
        for actor in [*idle, *busy, *self._starting.values()]:
            self._ray.kill(actor)

    def _grow(self) -> None:
        """Starts workers while the cluster has room for them."""
        now = time.monotonic()
        if now - self._looked < 1.0 and self.size:
            return
        self._looked = now
        most = self._workers.count or sys.maxsize
        # Keeps one worker waiting, which starts as soon as a node with room joins.
        if not self.size:
            self._start()
        room = self._ray.available_resources()
        while self.size < most and self._fits(room):
            self._start()
            room["CPU"] = room.get("CPU", 0.0) - self._workers.cpus
            room["GPU"] = room.get("GPU", 0.0) - self._workers.gpus

    def _fits(self, room: dict[str, float]) -> bool:
        return room.get("CPU", 0.0) >= self._workers.cpus and room.get("GPU", 0.0) >= self._workers.gpus

    def _start(self) -> None:
        actor = self._make()
        self._starting[actor.ready.remote()] = actor

    def _started(self, ref: Any) -> None:
        actor = self._starting.pop(ref)
        try:
            self._ray.get(ref)
        except self._ray.exceptions.RayError as error:
            # A lost node is gone on the next try. Errors of the worker's own code, such as files that differ from the search's, are
            # raised again.
            if "creation task" in str(error):
                self._failed_starts += 1
                if "AllotError" in str(error) or self._failed_starts >= ATTEMPTS:
                    raise AllotError(f"a worker cannot open the search's models: {_reason(error)}") from None
        else:
            self._failed_starts = 0
            self._idle.append(_Idle(actor))

    def _dispatch(self) -> None:
        while self._queue and self._idle:
            pending, worker = self._queue.popleft(), self._idle.pop()
            pending.attempts += 1
            ref = worker.actor.measure.remote(pending.task.to_json())
            self._running[ref] = _Running(pending, worker)

    def _finished(self, ref: Any) -> list[tuple[_allot.Task, list[tuple[float, float]]]]:
        running = self._running.pop(ref)
        try:
            losses = self._ray.get(ref)
        except self._ray.exceptions.RayActorError:
            if running.may_have_been_dead:
                running.pending.attempts -= 1
                self._queue.appendleft(running.pending)
            else:
                self._again(running.pending, "its worker died")
        except self._ray.exceptions.RayError as error:
            # The worker is alive, and the cause, such as too little memory, may be temporary.
            self._idle.append(_Idle(running.worker.actor))
            self._again(running.pending, _reason(error))
        else:
            self._idle.append(_Idle(running.worker.actor))
            return [(running.pending.task, losses)]
        return []

    def _overdue(self) -> None:
        if self._workers.deadline is None:
            return
        now = time.monotonic()
        for ref, running in list(self._running.items()):
            if now - running.begun > self._workers.deadline:
                del self._running[ref]
                self._ray.kill(running.worker.actor)
                self._again(running.pending, f"it took more than {self._workers.deadline:g} s")

    def _again(self, pending: _Pending, reason: str) -> None:
        pending.reasons.append(reason)
        if pending.attempts < ATTEMPTS:
            self._queue.appendleft(pending)
        else:
            self.failed.append(pending)


def _last_line(text: str) -> str:
    """Returns the last line of an error's text before its help lines, which follows all stack frames."""
    lines = [line.strip() for line in text.strip().splitlines()]
    said = [line for line in lines if line and not line.startswith("= help:")]
    return said[-1] if said else "no reason was given"


def _reason(error: Exception) -> str:
    cause = getattr(error, "cause", None)
    return _last_line(str(cause if cause is not None else error))


def measure(search: Search, pool: Pool, progress: Callable[[str, float, float | None], None] | None = None) -> Run:
    """Measures all tasks of a search with a pool of workers, and returns the finished run."""
    while not search.is_over:
        if not pool.open:
            # No task is open, so the search has new tasks or is over.
            for task in search.ask():
                pool.put(task)
        for task, losses in pool.results():
            search.tell(task, losses)
            for more in search.ask():
                pool.put(more)
        for pending in pool.failed:
            _record(search, pending)
            search.tell(pending.task, [math.inf] * len(pending.task.windows))
            for more in search.ask():
                pool.put(more)
        pool.failed.clear()
        now = search.progress
        if progress and now:
            share = now["measured"] / max(now["evaluations"], now["measured"], 1)
            progress(f"searching with {pool.size} workers", share, now["best"])
    return search.end()


def _record(search: Search, pending: _Pending) -> None:
    """Records a failed task in the run's folder."""
    line = {"task": pending.task.id, "script": pending.task.script, "reasons": pending.reasons}
    with open(os.path.join(search.folder, FAILURES), "a") as file:
        file.write(json.dumps(line) + "\n")


def run(
    model: str | os.PathLike[str] | None = None,
    sparsity: float | Sequence[float] | None = None,
    *,
    address: str | None = "auto",
    workers: Workers = Workers(),
    out: str | os.PathLike[str] | None = None,
    resume: str | os.PathLike[str] | None = None,
    progress: bool | Callable[[str, float, float | None], None] | None = None,
    **options: Any,
) -> Run:
    """Searches on a cluster, and returns the finished run: to the byte the same as on one machine with the same seed and lag.

    Parameters
    ----------
    model, sparsity, out, resume, progress, **options
        As in :class:`Search`. The paths of models and texts must lead to the same files on every node. ``lag`` is about the number of
        tasks that can be measured at the same time; its default here is 64.
    address : str, optional
        Ray's address: ``"auto"`` for the cluster of this machine, None to start one here.
    workers : Workers
        The number and resources of the workers.
    """
    given = [] if model is None else [os.fspath(model)]
    if resume is None:
        options.setdefault("lag", 64)
    asked = words({"sparsity": sparsity, "out": out, "resume": resume, **options})
    return _of_words([*given, *asked], address, workers, shown(progress))


def _of_words(arguments: Sequence[str], address: str | None, workers: Workers, progress: Any) -> Run:
    try:
        import ray
    except ImportError:
        raise AllotError("Ray is not installed", ("run `pip install 'allot[ray]'`",)) from None
    with Search.of_words([*arguments, *_device(workers)], progress=progress) as search:
        if not ray.is_initialized():
            ray.init(address=address, log_to_driver=False, logging_level=logging.WARNING)
        actor = ray.remote(Measurer).options(num_cpus=workers.cpus, num_gpus=workers.gpus, max_restarts=0)
        settings = ray.put(search.settings())
        pool = Pool(lambda: actor.remote(settings, workers), workers)
        try:
            return measure(search, pool, progress)
        finally:
            pool.close()


def _device(workers: Workers) -> list[str]:
    """Returns the options for the driver's device: the same as the workers', so that its own measurements equal theirs."""
    return ["--device", workers.device, "--precision", workers.precision]


def _parser() -> argparse.ArgumentParser:
    """Returns the parser of the cluster's options, which `allot search --help` describes; the command parses the other options."""
    parser = argparse.ArgumentParser(prog="allot search", add_help=False, allow_abbrev=False)
    parser.add_argument("--ray", metavar="ADDRESS")
    parser.add_argument("--workers", type=int)
    parser.add_argument("--worker-cpus", type=float, default=1.0)
    parser.add_argument("--worker-gpus", type=float, default=0.0)
    parser.add_argument("--deadline", type=float, metavar="SECONDS")
    parser.add_argument("--any-device", action="store_true")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", default="f32")
    parser.add_argument("--quiet", "-q", action="store_true")
    return parser


def main(arguments: Sequence[str]) -> int:
    """Runs ``allot search ... --ray ADDRESS``, and returns the exit code."""
    if {"--help", "-h"} & set(arguments):
        return _allot.run_command(["allot", "search", *arguments])
    ours, rest = _parser().parse_known_args(list(arguments))
    address = None if ours.ray == "local" else ours.ray
    try:
        workers = Workers(
            ours.workers, ours.worker_cpus, ours.worker_gpus, ours.device, ours.precision, ours.deadline, ours.any_device
        )
        found = _of_words(rest, address, workers, shown(None if ours.quiet else True))
    except KeyboardInterrupt:
        print("interrupted; `allot search --resume RUN --ray ADDRESS` continues from there", file=sys.stderr)
        return 130
    except (AllotError, ArgumentError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return _allot.run_command(["allot", "show", os.fspath(found.folder)])
