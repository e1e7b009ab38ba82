"""Many files on the command line: progress, a line per file, a summary, and what failed."""

import json
import sys
import time
from functools import partial
from pathlib import Path

import typer
from tqdm import tqdm

from psc.cli import batch, process_pool
from psc.cli.batch import Job, Task
from psc.cli.worker import Event, Model, attempt
from psc.errors import PscError


def many(
    job: Job, sources: list[str], out: Path, model: Model, count: int, force: bool, quiet: bool, as_json: bool
) -> None:
    """Do all of them, whatever fails; then exit with 1 if anything has."""
    _prepare(out)
    tasks, there = batch.plan(sources, out, job, force=force)
    shown = _Shown(job, tasks, len(there), quiet, as_json)
    try:
        if count == 1 or len(tasks) < 2:
            _one_by_one(job, tasks, model, shown, quiet)
        else:
            process_pool.run(job, tasks, model, count, shown, quiet)
    finally:
        shown.conclude()
    if shown.failed:
        raise typer.Exit(1)


def _one_by_one(job: Job, tasks: list[Task], model: Model, shown: "_Shown", quiet: bool) -> None:
    load = model.loader()
    if tasks:
        job.check(load)
    for task in tasks:
        attempt(job, task.source, task.target, load, partial(shown, task), quiet)


def _prepare(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PscError(f"cannot write to {out}: {error.strerror or error}") from error


class _Shown:
    """What is seen of the work; ``failed``: what could not be done, and why."""

    def __init__(self, job: Job, tasks: list[Task], there: int, quiet: bool, as_json: bool) -> None:
        self.failed: list[str] = []
        self._job, self._quiet, self._as_json = job, quiet, as_json
        self._count, self._there = len(tasks), there
        self._done = self._bytes = self._pixels = 0
        self._start = time.monotonic()
        self._shares: dict[Task, float] = {}
        self._bar = tqdm(
            desc=job.verb,
            total=max(sum(task.pixels for task in tasks), 1),
            disable=True if quiet else None,
            leave=False,
            smoothing=0,
            bar_format="{desc} |{bar}| {elapsed}, about {remaining} left",
        )
        self._advance(0)

    def __call__(self, task: Task, event: Event) -> None:
        """Something happened to a task."""
        if "warning" in event:
            self._say(f"psc: warning: {task.source}: {event['warning']}")
        self._progress(task, event.get("share", 1.0 if event.keys() & {"figures", "error"} else 0.0))
        if "figures" in event:
            self._conclude_one(event["figures"])
        elif "error" in event:
            self.failed.append(f"{task.source}: {event['error']}")
            if self._as_json:
                typer.echo(json.dumps({"input": task.source, "error": event["error"]}))
        self._advance(0)

    def _conclude_one(self, figures: Event) -> None:
        self._done += 1
        self._bytes += figures.get("bytes", 0)
        self._pixels += figures["width"] * figures["height"]
        if self._as_json:
            typer.echo(json.dumps(figures))
        else:
            self._say(self._job.line.format(**figures))

    def _progress(self, task: Task, share: float) -> None:
        before = self._shares.get(task, 0.0)
        self._shares[task] = max(share, before)
        self._advance(task.pixels * (self._shares[task] - before))

    def _advance(self, pixels: float) -> None:
        finished = self._done + len(self.failed)
        self._bar.set_description_str(f"{self._job.verb}: {finished} of {self._count} files", refresh=False)
        self._bar.update(pixels)

    def _say(self, line: str) -> None:
        if not self._quiet:
            tqdm.write(line, file=sys.stderr)

    def conclude(self) -> None:
        """The summary, and what failed."""
        self._bar.close()
        words = [f"{self._done} of {self._done + len(self.failed) + self._left()} files {self._job.verb}d"]
        if self._bytes:
            words.append(f"{self._bytes} bytes, {8 * self._bytes / self._pixels:.4f} bpp")
        words.append(tqdm.format_interval(time.monotonic() - self._start))
        if self._there:
            words.append(f"{self._there} were there already (--force overwrites)")
        if self._left():
            words.append(f"{self._left()} not begun or not done: the same command goes on with them")
        if self.failed:
            words.append(f"{len(self.failed)} failed")
        self._say("; ".join(words))
        for failure in self.failed:
            typer.echo(f"psc: error: {failure}", err=True)

    def _left(self) -> int:
        return self._count - self._done - len(self.failed)
