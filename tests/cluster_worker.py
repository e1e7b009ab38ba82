"""What tests/test_cluster.py puts in the place of psc.cli.ray_pool's functions, in Ray's workers.

A line of the file ``log``, in the command's folder, says when a task begins or goes on from a journal, and
when it is done. The worker that is first to be in the middle of b.jpg, when there is a journal, is killed;
c.webp sleeps if the file ``sleep`` is there.
"""

import os
import signal
import time
from pathlib import Path
from typing import Any

from psc import prior
from psc.cli import ray_pool, worker
from psc.session import journal

attempt_of_psc, begin_of_psc = ray_pool.attempt, ray_pool.begin


def small_prior(name: str = "embedded", **how: Any) -> prior.Prior:
    return prior.HaarGaussian(detail=(0.2, 0.5))


def begin(said: str) -> tuple[str, str]:
    prior.load_prior = small_prior  # type: ignore[assignment]
    return begin_of_psc(said)


def attempt(said: str, source: str, target: str, folder: str, again: bool = False) -> list[worker.Event]:
    prior.load_prior = small_prior  # type: ignore[assignment]
    journal.PATIENCE = 0.0
    kept = Path(folder, f"{target}.resume")
    followed = worker._Follower.__call__

    def follow(self: Any, now: Any) -> None:
        followed(self, now)
        if "b.jpg" in source and kept.exists() and not Path(folder, "killed").exists():
            Path(folder, "killed").touch()
            os.kill(os.getpid(), signal.SIGKILL)
        if "c.webp" in source and kept.exists() and Path(folder, "sleep").exists():
            note(folder, f"sleeps {source}")
            for _ in range(6000):  # Ray's interruption, unlike a signal, does not end a sleep
                time.sleep(0.1)

    note(folder, f"{'goes on' if kept.exists() else 'begins'} {source}")
    worker._Follower.__call__ = follow  # type: ignore[method-assign]
    try:
        events = attempt_of_psc(said, source, target, folder, again)
    finally:
        worker._Follower.__call__ = followed  # type: ignore[method-assign]
    note(folder, f"ends {source}")
    return events


def note(folder: str, line: str) -> None:
    with Path(folder, "log").open("a") as log:
        log.write(f"{line}\n")
