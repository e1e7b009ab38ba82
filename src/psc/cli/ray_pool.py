"""Tasks spread over a Ray cluster (``pip install psc-codec[cluster]``): process_pool's work on many machines.

A worker reads a task's input and writes its output itself, as a process of the pool does: on a disk that all
machines have under the same path, or behind URLs. So what comes of a file is on the disk before its worker
tells, and stays if the worker or this process dies. A task whose worker was lost is given to another, which
goes on from its journal where that has one; after some times it counts as failed, for it may be what kills
them (by its memory, say).
"""

import functools
import importlib.util
import json
import socket
from collections import deque
from collections.abc import Iterator
from contextlib import chdir, contextmanager, nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import psc
from psc.cli import worker
from psc.cli.batch import FileTask, Job
from psc.cli.decode_job import DecodeJob
from psc.cli.encode_job import EncodeJob
from psc.cli.process_pool import PATIENCE, Told
from psc.cli.tools import Load
from psc.cli.worker import Event, Model
from psc.errors import PscError

TRIES = 3
"""Workers that may be lost over a task."""


@dataclass(frozen=True)
class Cluster:
    """address: as Ray takes it ("auto", "HOST:PORT", "ray://HOST:PORT"; "local" starts one here). most: how
    many tasks are done at a time; None: as many as there are cores.
    """

    address: str
    most: int | None = None


def run(
    job: Job, tasks: list[FileTask], model: Model, cluster: Cluster, told: Told, quiet: bool = False
) -> None:
    """Do the tasks on a cluster; the other arguments, and what is raised, are those of process_pool.run."""
    if importlib.util.find_spec("ray") is None:
        raise PscError("Ray cannot be found: pip install psc-codec[cluster]")
    if not tasks:
        return
    said = json.dumps({"verb": job.verb, "job": asdict(job), "model": asdict(model), "quiet": quiet})
    with _connected(cluster.address) as ray:
        spread = _Spread(ray, said, model, cluster.most)
        spread.check()
        try:
            spread.run(tasks, told)
        finally:
            spread.stop()


@contextmanager
def _connected(address: str) -> Iterator[Any]:
    import ray

    started = not ray.is_initialized()
    if started:
        try:
            ray.init(address=address, log_to_driver=False, logging_level="error")
        except (ConnectionError, RuntimeError, ValueError) as error:
            said = " ".join(str(error).split())[:200]
            raise PscError(f"no Ray cluster answers at {address}: {said}") from error
    try:
        yield ray
    finally:
        if started:
            ray.shutdown()


class _Spread:
    def __init__(self, ray: Any, said: str, model: Model, most: int | None) -> None:
        self._ray, self._most = ray, most
        self._gpus = 1 if model.device.startswith("cuda") else 0
        # Ray's own tries would not end where memory is short
        remote = ray.remote(num_cpus=1, num_gpus=self._gpus, max_retries=0)
        self._begin, self._attempt = remote(begin), remote(attempt)
        self._said = ray.put(said)
        self._pending: dict[Any, tuple[FileTask, int]] = {}

    def check(self) -> None:
        """Refuse, as a PscError, a cluster without this psc or a GPU, and options that suit no file."""
        if self._gpus and not self._ray.cluster_resources().get("GPU"):
            raise PscError("the cluster has no GPU: leave out --device, or ask for cpu")
        try:
            version, refused = self._ray.get(self._begin.remote(self._said))
        except self._ray.exceptions.RayError as error:
            reason = " ".join(str(error).split())[-300:]
            raise PscError(f"the cluster's workers need psc-codec {psc.__version__}: {reason}") from error
        if version != psc.__version__:
            raise PscError(
                f"the cluster has psc-codec {version}, this is {psc.__version__}: install the same"
            )
        if refused:
            raise PscError(refused)

    def run(self, tasks: list[FileTask], told: Told) -> None:
        waiting = deque((task, 1) for task in tasks)
        while waiting or self._pending:
            while waiting and len(self._pending) < self._limit():
                task, number = waiting.popleft()
                paths = task.source, task.target, str(Path.cwd())
                reference = self._attempt.remote(self._said, *paths, again=number > 1)
                self._pending[reference] = task, number
            (reference, *_), _ = self._ray.wait(list(self._pending))
            task, number = self._pending.pop(reference)
            try:
                events = self._ray.get(reference)
            except self._ray.exceptions.RayError as error:
                events = [_lost(error, number)]
                if number < TRIES:
                    waiting.appendleft((task, number + 1))
            for event in events:
                told(task, event)

    def _limit(self) -> int:
        """Machines may join and leave meanwhile. Twice the cores, so that none waits for this process."""
        return self._most or 2 * max(1, int(self._ray.cluster_resources().get("CPU", 1)))

    def stop(self) -> None:
        """Interrupt whatever still works, as Ctrl-C would, and wait: nothing is left half-written."""
        for reference in self._pending:
            self._ray.cancel(reference)
        if self._pending:
            left = list(self._pending)
            self._ray.wait(left, num_returns=len(left), timeout=PATIENCE)


def _lost(error: Exception, number: int) -> Event:
    reason = f"the worker that worked on it was lost ({type(error).__name__})"
    if number < TRIES:
        return {"warning": f"{reason}: another one takes it up"}
    return {"error": f"{reason}, {TRIES} times: perhaps for want of memory"}


def begin(said: str) -> tuple[str, str]:
    """Of a worker: the version of its psc, and why no file can be done there, or an empty string."""
    job, load, _ = _understood(said)
    try:
        job.check(load)
    except Exception as error:
        return psc.__version__, worker.sentence(error)
    return psc.__version__, ""


def attempt(said: str, source: str, target: str, folder: str, again: bool = False) -> list[Event]:
    """Do one task in a worker.

    Args:
        said: What is to be done, with which prior: see run.
        source: As of worker.attempt.
        target: As of worker.attempt.
        folder: Where the command was given, which relative paths are from.
        again: A worker was lost over the task: go on from what it left.

    Returns:
        What happened, but for shares of the work.
    """
    job, load, quiet = _understood(said)
    if again and isinstance(job, EncodeJob) and not job.simulate:
        job = replace(job, resume=True)
    events: list[Event] = []

    def tell(event: Event) -> None:
        if "share" not in event:
            events.append(event)

    with chdir(folder) if Path(folder).is_dir() else nullcontext():
        worker.attempt(job, source, target, load, tell, quiet)
    return [_placed(event) for event in events]


def _placed(event: Event) -> Event:
    """An error with the machine's name: a disk or a library may be missing there alone."""
    return {"error": f"{event['error']} (on {socket.gethostname()})"} if "error" in event else event


@functools.lru_cache(1)
def _understood(said: str) -> tuple[Job, Load, bool]:
    """The job, what loads the prior (once in a process), and whether to be quiet."""
    known = json.loads(said)
    kind = EncodeJob if known["verb"] == EncodeJob.verb else DecodeJob
    return kind.from_dict(known["job"]), Model(**known["model"]).loader(), known["quiet"]
