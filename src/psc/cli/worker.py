"""One file after another, in this process: psc.cli.batch's tasks, done and told of.

:func:`main` is what a process of psc.cli.process_pool runs: it reads lines of JSON from standard input, first
what is to be done and with which model, then a file each; it writes what happens as lines of JSON.
"""

import functools
import json
import os
import sys
import time
import warnings
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

from psc import prior
from psc.cli import console, storage
from psc.cli.batch import Job
from psc.cli.decode_job import DecodeJob
from psc.cli.encode_job import EncodeJob
from psc.cli.progress import ProgressBar
from psc.cli.tools import Load, Tools
from psc.prior import Prior
from psc.session.progress import Progress

PERIOD = 1.0
"""Seconds between two reports of a share."""

Event = dict[str, Any]
"""One of: share (of a task's work that is done), warning, figures (it is done), error (it failed)."""
Tell = Callable[[Event], None]


@dataclass(frozen=True)
class Model:
    """Which prior to load (psc.load_prior)."""

    name: str = "embedded"
    device: str = "cpu"
    half: bool = False

    def load(self) -> Prior:
        """Load the prior."""
        return prior.load_prior(self.name, device=self.device, half=self.half)

    def loader(self) -> Load:
        """A function that loads the prior when it is first called."""
        return functools.cache(self.load)


class _Follower(ProgressBar):
    """Keeps the figures, and tells at times which share of the work is done."""

    def __init__(self, verb: str, tell: Tell) -> None:
        super().__init__(verb, quiet=True)
        self._tell, self._due = tell, time.monotonic() + PERIOD

    def __call__(self, now: Progress) -> None:
        """Take note of where the session stands."""
        super().__call__(now)
        if time.monotonic() >= self._due:
            self._due = time.monotonic() + PERIOD
            self._tell({"share": min(now.nfe / now.total, 1.0) if now.total else 0.0})


def attempt(job: Job, source: str, target: str, load: Load, tell: Tell, quiet: bool) -> None:
    """Do one task, and tell whatever happens: shares of the work, then figures or an error.

    Args:
        job: What is to be done.
        source: The input's name.
        target: The output's.
        load: Gives the prior.
        tell: Is told.
        quiet: Do not say that an interrupted encode can go on.
    """
    with warnings.catch_warnings():
        for category in (UserWarning, RuntimeWarning):
            warnings.simplefilter("always", category)
        warnings.showwarning = lambda message, *_, **__: tell({"warning": console.one_line(message)})
        try:
            with storage.staged(source, target, job.outputs) as (here, there):
                for output in job.outputs(there):
                    console.choose_output(here, output, job.suffix, force=True)
                if isinstance(job, EncodeJob) and not Path(f"{there}.resume").exists():
                    job = replace(job, resume=False)  # among many, few were interrupted
                figures = job(here, there, Tools(load, lambda: _Follower(job.verb, tell), quiet))
                if "outputs" in figures:
                    figures["outputs"] = job.outputs(target)
                figures |= {"input": source, "output": job.outputs(target)[0]}
        except Exception as error:
            tell({"error": sentence(error)})
        else:
            tell({"figures": figures})


def sentence(error: Exception) -> str:
    """What is said of an error; a defect of psc is told in a line, too: the other files are to be done."""
    try:
        return console.sentence(error)
    except Exception:
        return f"a defect of psc: {type(error).__name__}: {console.one_line(error)}"


def main() -> None:
    """Be a process of the pool; it ends when standard input does."""
    lines = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever a library prints
    with suppress(KeyboardInterrupt, BrokenPipeError):
        _serve(sys.stdin, lines)
        lines.close()
    os._exit(0)  # without a second word on a closed pipe


def _serve(tasks: IO[str], lines: IO[str]) -> None:
    def tell(event: Event) -> None:
        lines.write(json.dumps(event) + "\n")
        lines.flush()

    said = json.loads(tasks.readline())
    kind = EncodeJob if said["verb"] == EncodeJob.verb else DecodeJob
    job, load = kind.from_dict(said["job"]), Model(**said["model"]).loader()
    tell({"share": 0.0})  # it can be interrupted from now on
    try:
        job.check(load)
    except Exception as error:
        tell({"refused": sentence(error)})
        return
    tell({"ready": True})
    for line in tasks:
        source, target = json.loads(line)
        attempt(job, source, target, load, tell, said["quiet"])
