"""The commands ``psc evaluate DIR`` and ``psc evaluate merge``."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from tqdm import tqdm

from psc.cli import console, options

if TYPE_CHECKING:
    from psc.evaluate.results import Results, Row
    from psc.evaluate.tasks import Task


class _RunByDefault(typer.core.TyperGroup):
    """``psc evaluate DIR`` is ``psc evaluate run DIR``."""

    def parse_args(self, context: Any, arguments: list[str]) -> list[str]:
        """Name the command that is meant."""
        if not arguments or arguments[0] not in self.commands:
            arguments = ["run", *arguments]
        return super().parse_args(context, arguments)


app = typer.Typer(cls=_RunByDefault, help="Curves against other codecs, and a report.", rich_markup_mode=None)

Out = Annotated[Path, typer.Option(help="The folder of lines, pictures, curves and report.html.")]
Anchor = Annotated[str, typer.Option(help="What BD-rates are first shown against; the page offers all.")]
Overlay = Annotated[
    list[Path] | None, typer.Option(help="A published curve, in CompressAI's JSON; may be repeated.")
]
Show = Annotated[int, typer.Option(min=0, help="How many pictures the report has.")]


@dataclass(frozen=True)
class _Page:
    """What the report is to show: see psc.evaluate.report.write."""

    anchor: str
    overlays: list[Path]
    shown: int


@app.command()
def run(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder of pictures.")],
    out: Out = Path("evaluation"),
    codecs: Annotated[
        str | None,
        typer.Option(help="psc, jpeg, jpeg2000, webp, avif, avif-420, heic, jpegxl, bpg. Default: all here."),
    ] = None,
    rates: Annotated[str, typer.Option(help="Bits per pixel that no file exceeds.")] = "0.05,0.1,0.2,0.4",
    presets: Annotated[str, typer.Option(help="Of PSC: default, paper, effort1 to effort9.")] = "default",
    restore: Annotated[str, typer.Option(help="Of PSC: see psc decode.")] = "mean,sample",
    limit: Annotated[int | None, typer.Option(min=1, help="So many pictures, by name.")] = None,
    crop: Annotated[int, typer.Option(min=0, help="Side of the central square; 0: whole pictures.")] = 256,
    shard: Annotated[str, typer.Option(metavar="I/N", help="The I-th of N parts; see merge.")] = "1/1",
    resume: Annotated[bool, typer.Option("--resume", help="Go on with OUT.")] = False,
    simulate: Annotated[
        bool,
        typer.Option("--simulate", help="Restore from the encoder's session; do not decode PSC's files."),
    ] = False,
    ray: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Work on a Ray cluster; local: on this machine's.")
    ] = None,
    anchor: Anchor = "jpeg2000",
    overlay: Overlay = None,
    show: Show = 4,
    prior: options.PriorName = "embedded",
    half: options.Half = False,
    device: options.Device = "cpu",
    quiet: options.Quiet = False,
) -> None:
    """Compress a folder's pictures with PSC and other codecs to equal sizes; measure, draw, and report.

    Lists are separated by commas. What fails becomes a line with its error, the rest is done, and the exit
    code is 1. `psc evaluate merge` joins the folders of several shards.
    """
    with console.reported(quiet):
        from psc.evaluate import report, results, run, setup, tasks

        report.require()
        chosen, absent = setup.codecs(codecs)
        pictures = tasks.pictures(folder, limit)
        _note([*absent, *tasks.unreadable(folder)], quiet)
        todo = tasks.work(
            pictures,
            chosen,
            setup.rates(rates),
            setup.presets(presets),
            setup.restorations(restore),
        )
        part, count = setup.shard(shard)
        todo = tasks.shard(todo, part, count)
        kept = results.Results(out, f"{part}-of-{count}" if count > 1 else "")
        how = tasks.Options(crop, prior, device, half, simulate)
        kept.begin(setup.facts(how), resume=resume)
        left = tasks.missing(todo, kept.rows())
        with _bar(todo, left, quiet) as bar:
            run.run(folder, left, how, kept, setup.backend(ray), _follow(bar))
        _conclude(kept, _Page(anchor, overlay or [], show) if count == 1 else None, quiet)


@app.command()
def merge(
    folders: Annotated[list[Path], typer.Argument(metavar="OUT...", help="Folders of psc evaluate.")],
    out: Annotated[
        Path | None,
        typer.Option(help="Where to; may be one of them.  [default: the only one, or evaluation]"),
    ] = None,
    anchor: Anchor = "jpeg2000",
    overlay: Overlay = None,
    show: Show = 4,
    quiet: options.Quiet = False,
) -> None:
    """Join the results of several shards or machines, and report; with one folder, report anew."""
    with console.reported(quiet):
        from psc.evaluate import report, results

        report.require()
        target = out or (folders[0] if len(folders) == 1 else Path("evaluation"))
        _conclude(results.merge(folders, target), _Page(anchor, overlay or [], show), quiet)


def _conclude(results: "Results", page: _Page | None, quiet: bool) -> None:
    """Write the report, if all shards are there, and end with 1 if there are lines with errors."""
    rows = results.rows()
    errors = Counter(f"{row['image']}: {row['error']}" for row in rows if "error" in row)
    try:
        if page is not None and any("error" not in row for row in rows):
            from psc.evaluate import report

            notes = report.write(results, page.anchor, page.overlays, page.shown)
            _note(notes, quiet)
            if not quiet:
                console.say(f"{results.folder / 'report.html'}")
    finally:
        for error, count in errors.items():
            console.say(f"psc: error: {error}" + (f" ({count} lines)" if count > 1 else ""))
    if errors:
        raise typer.Exit(1)


def _note(left_out: Sequence[str], quiet: bool) -> None:
    for line in [] if quiet else left_out:
        console.say(f"left out: {line}")


def _bar(tasks: "list[Task]", left: "list[Task]", quiet: bool) -> "tqdm[Any]":
    """Lines done and to do. No smoothing: the time left is told by whole pictures, not by the last codec."""
    total, todo = (sum(len(task.keys()) for task in some) for some in (tasks, left))
    return tqdm(
        total=total, initial=total - todo, desc="evaluate", unit="file", smoothing=0,
        disable=True if quiet else None,
    )  # fmt: skip


def _follow(bar: "tqdm[Any]") -> "Callable[[Row], None]":
    def follow(row: "Row") -> None:
        bar.set_postfix_str(f"{row['image']} {row['codec']}", refresh=False)
        bar.update()

    return follow
