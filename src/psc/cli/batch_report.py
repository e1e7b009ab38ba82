"""Many files on the command line: progress, a line per file, a summary, and what failed."""

import json
import sys
import time
import warnings
from dataclasses import dataclass
from functools import partial

import typer
from tqdm import tqdm

from psc.cli import batch, console, names, process_pool, ray_pool, storage
from psc.cli.batch import FileTask, Job, Sources
from psc.cli.options import Output, Place
from psc.cli.worker import Event, Model, attempt


def many(job: Job, sources: Sources, place: Place, model: Model, output: Output) -> None:
    """Do a job on many files, whatever fails; then exit with 1 if anything has."""
    assert place.out is not None
    storage.make_folder(place.out)
    tasks, there = batch.plan(sources.names, place.out, job, force=place.force)
    if sources.left_out:
        warnings.warn(sources.sentence(), stacklevel=1)
    report = _Report(job, tasks, output, skipped=len(there), left_out=len(sources.left_out))
    try:
        if place.ray is not None:
            ray_pool.run(job, tasks, model, ray_pool.Cluster(place.ray, place.jobs), report, output.quiet)
        elif (place.jobs or 1) == 1 or len(tasks) < 2:
            _one_by_one(job, tasks, model, report, output.quiet)
        else:
            process_pool.run(job, tasks, model, place.jobs or 1, report, output.quiet)
    finally:
        report.conclude()
    if report.failed:
        raise typer.Exit(1)


def _one_by_one(job: Job, tasks: list[FileTask], model: Model, report: "_Report", quiet: bool) -> None:
    load = model.loader()
    if tasks:
        job.check(load)
    for task in tasks:
        attempt(job, task.source, task.target, load, partial(report, task), quiet)


@dataclass
class _Totals:
    """Files of a batch.

    Attributes:
        count: To be done.
        skipped: Whose output was there before.
        left_out: Pictures that cannot be read here.
        done: So far.
        bytes: That those take.
        pixels: Of those.
        psnr: The sum of the simulated pictures', in dB.
    """

    count: int
    skipped: int
    left_out: int
    done: int = 0
    bytes: int = 0
    pixels: int = 0
    psnr: float | None = None


class _Report:
    """Shows how the work goes, and in the end what came of it.

    Attributes:
        failed: What could not be done, and why.
    """

    def __init__(
        self, job: Job, tasks: list[FileTask], output: Output, *, skipped: int, left_out: int
    ) -> None:
        self.failed: list[str] = []
        self._job, self._output = job, output
        self._totals = _Totals(len(tasks), skipped, left_out)
        self._start = time.monotonic()
        self._shares: dict[FileTask, float] = {}
        self._bar = tqdm(
            desc=job.verb,
            total=max(sum(task.pixels for task in tasks), 1),
            disable=True if output.quiet else None,
            leave=False,
            smoothing=0,
            bar_format="{desc} |{bar}| {elapsed}, about {remaining} left",
        )
        self._advance(0)

    def __call__(self, task: FileTask, event: Event) -> None:
        """Take note of something that happened to a task."""
        if "warning" in event:
            self._say(f"psc: warning: {task.source}: {event['warning']}")
        self._progress(task, event.get("share", 1.0 if event.keys() & {"figures", "error"} else 0.0))
        if "figures" in event:
            self._conclude_one(event["figures"])
        elif "error" in event:
            self.failed.append(f"{task.source}: {event['error']}")
            if self._output.as_json:
                typer.echo(json.dumps({"input": task.source, "error": event["error"]}))
        self._advance(0)

    def _conclude_one(self, figures: Event) -> None:
        self._totals.done += 1
        self._totals.bytes += figures.get("bytes", 0)
        self._totals.pixels += figures["width"] * figures["height"]
        if "psnr" in figures:
            self._totals.psnr = (self._totals.psnr or 0.0) + figures["psnr"]
        if self._output.as_json:
            typer.echo(json.dumps(figures))
        else:
            self._say(self._job.line.format(**figures))

    def _progress(self, task: FileTask, share: float) -> None:
        before = self._shares.get(task, 0.0)
        self._shares[task] = max(share, before)
        self._advance(task.pixels * (self._shares[task] - before))

    def _advance(self, pixels: float) -> None:
        finished = self._totals.done + len(self.failed)
        title = f"{self._job.verb}: {finished} of {self._totals.count} files"
        self._bar.set_description_str(title, refresh=False)
        self._bar.update(pixels)

    def _say(self, line: str) -> None:
        if not self._output.quiet:
            tqdm.write(names.printable(line), file=sys.stderr)

    def conclude(self) -> None:
        """Say how much was done, and what failed."""
        self._bar.close()
        totals = self._totals
        left = totals.count - totals.done - len(self.failed)
        parts = [f"{totals.done} of {totals.count} files {self._job.verb}d"]
        if totals.bytes:
            parts.append(f"{totals.bytes} bytes, {8 * totals.bytes / totals.pixels:.4f} bpp")
        if totals.psnr is not None:
            parts.append(f"mean PSNR {totals.psnr / totals.done:.2f} dB")
        parts.append(tqdm.format_interval(time.monotonic() - self._start))
        if totals.skipped:
            parts.append(f"{totals.skipped} were there already (--force overwrites)")
        if totals.left_out:
            parts.append(f"{totals.left_out} left out: they cannot be read here")
        if left:
            parts.append(f"{left} not begun or not done: the same command goes on with them")
        if self.failed:
            parts.append(f"{len(self.failed)} failed")
        self._say("; ".join(parts))
        for failure in self.failed:
            console.say(f"psc: error: {failure}")
