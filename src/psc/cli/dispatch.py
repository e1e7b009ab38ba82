"""A job on one file or on many: names and outputs are checked, the work is done, figures are told."""

import json
from functools import partial
from pathlib import Path

import typer

from psc import files
from psc.cli import batch, batch_report, console, names
from psc.cli.options import Output, Place
from psc.cli.progress import ProgressBar
from psc.cli.tools import Tools
from psc.cli.worker import Model
from psc.errors import PscError


def run(job: batch.Job, arguments: list[str], place: Place, model: Model, output: Output) -> None:
    """Do what ``psc encode`` or ``psc decode`` was told.

    Args:
        job: What is to be done with every file.
        arguments: IN and OUT; with a folder as ``place.out``, any number of files, folders and patterns.
        place: Where outputs go.
        model: The prior.
        output: What is said.

    Raises:
        PscError: For whatever cannot be done with a single file, or with any of many.
        typer.Exit: With 1, if some of many files failed.
    """
    if place.out is None:
        source, target = _in_and_out(arguments, place)
        _one(job.prepared([source]), source, job.choose(source, target, place.force), model, output)
        return
    sources = batch.sources(arguments, job)
    batch_report.many(job.prepared(sources.names, many=True), sources, place, model, output)


def _in_and_out(arguments: list[str], place: Place) -> tuple[str, str | None]:
    if len(arguments) > 2:
        raise PscError(f"{len(arguments)} names came, expected IN and OUT; for many files, add --out DIR")
    for name, given in (("--jobs", place.jobs), ("--ray", place.ray)):
        if given is not None:
            raise PscError(f"{name} is for many files: add --out DIR")
    for name in filter(names.is_url, arguments):
        raise PscError(f"{name} is not on this machine: for files behind URLs, add --out DIR")
    if arguments[0] != files.STDIO and Path(arguments[0]).is_dir():
        raise PscError(f"{arguments[0]} is a folder; for many files, add --out DIR")
    return arguments[0], arguments[1] if len(arguments) == 2 else None


def _one(job: batch.Job, source: str, target: str, model: Model, output: Output) -> None:
    progress = partial(ProgressBar, job.verb, quiet=output.quiet, verbose=output.verbose)
    figures = job(source, target, Tools(model.loader(), progress, output.quiet))
    if output.as_json:
        typer.echo(json.dumps(figures), err=target == files.STDIO)
    elif not output.quiet:
        console.say(job.line.format(**figures))
