"""The commands ``psc evaluate DIR`` and ``psc evaluate merge``."""

import platform
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from tqdm import tqdm

import psc
from psc import files
from psc.errors import PscError

if TYPE_CHECKING:
    from psc.evaluate.results import Results, Row
    from psc.evaluate.run import Options, Task

PACKAGES = ("torch", "numpy", "pillow", "torchmetrics", "ssimulacra2", "imagecodecs", "pillow-heif", "ray")
PRESETS = ("default", "paper")


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
Quiet = Annotated[bool, typer.Option("--quiet", help="Nothing on stderr except errors.")]


@app.command()
def run(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder of pictures.")],
    out: Out = Path("evaluation"),
    codecs: Annotated[
        str | None,
        typer.Option(help="psc, jpeg, jpeg2000, webp, avif, heic, jpegxl, bpg. Default: all here."),
    ] = None,
    rates: Annotated[str, typer.Option(help="Bits per pixel that no file exceeds.")] = "0.05,0.1,0.2,0.4",
    presets: Annotated[str, typer.Option(help="Of PSC: default, paper.")] = "default",
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
    model_name: Annotated[str, typer.Option("--prior", metavar="NAME|PATH")] = "embedded",
    half: Annotated[bool, typer.Option("--half", help="Evaluate a float model in float16.")] = False,
    device: Annotated[str, typer.Option(help="Where PyTorch evaluates the model.")] = "cpu",
    quiet: Quiet = False,
) -> None:
    """Compress a folder's pictures with PSC and other codecs to equal sizes; measure, draw, and report.

    Lists are separated by commas. `psc evaluate merge` joins the folders of several shards.
    """
    with files.reported(quiet):
        from psc.evaluate import report
        from psc.evaluate.results import Results
        from psc.evaluate.run import Options, missing, pictures, work
        from psc.evaluate.run import run as run_tasks
        from psc.evaluate.run import shard as part_of

        report.require()
        names = _codecs(codecs, quiet)
        tasks = work(
            pictures(folder, limit), names, _numbers(rates), _presets(presets), _restorations(restore)
        )
        part, count = _shard(shard)
        tasks = part_of(tasks, part, count)
        options = Options(crop, model_name, device, half, simulate)
        results = Results(out, f"{part}-of-{count}" if count > 1 else "")
        results.begin(_facts(options), resume=resume)
        left = missing(tasks, results.rows())
        with _bar(tasks, left, quiet) as bar:
            run_tasks(folder, left, options, results, _backend(ray), _follow(bar))
        if count == 1:
            _conclude(results, anchor, overlay, show, quiet)


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
    quiet: Quiet = False,
) -> None:
    """Join the results of several shards or machines, and report; with one folder, report anew."""
    with files.reported(quiet):
        from psc.evaluate import report
        from psc.evaluate.results import merge as merged

        report.require()
        target = out or (folders[0] if len(folders) == 1 else Path("evaluation"))
        _conclude(merged(folders, target), anchor, overlay, show, quiet)


def _conclude(results: "Results", anchor: str, overlay: list[Path] | None, show: int, quiet: bool) -> None:
    from psc.evaluate import report

    notes = report.write(results, anchor, overlay or [], show)
    if not quiet:
        for note in notes:
            typer.echo(f"left out: {note}", err=True)
        typer.echo(f"{results.folder / 'report.html'}", err=True)


def _codecs(wanted: str | None, quiet: bool) -> list[str]:
    """Names to run: those asked for, which must be here, or all that are."""
    from psc.evaluate.run import OURS, known

    if wanted is None:
        absent = [codec for codec in known().values() if codec.missing]
        for codec in [] if quiet else absent:
            typer.echo(f"left out: {codec.label}: {codec.missing}", err=True)
        return [OURS, *(name for name, codec in known().items() if not codec.missing)]
    names = _chosen(wanted, (OURS, *known()), "codec")
    for name in names:
        if name != OURS and known()[name].missing:
            raise PscError(f"{known()[name].label} cannot be used here: {known()[name].missing}")
    return names


def _presets(wanted: str) -> list[str]:
    return _chosen(wanted, PRESETS, "preset")


def _restorations(wanted: str) -> list[str]:
    from typing import get_args

    from psc.session.restore import Restoration

    return _chosen(wanted, get_args(Restoration), "restoration")


def _chosen(wanted: str, known: tuple[str, ...], what: str) -> list[str]:
    """The names in a list, once each; PscError if one is not known."""
    names = [name.strip() for name in wanted.split(",") if name.strip()]
    for name in names:
        if name not in known:
            raise PscError(f"{what} {name!r} is unknown; choose from: {', '.join(known)}")
    if not names:
        raise PscError(f"no {what} was named; choose from: {', '.join(known)}")
    return list(dict.fromkeys(names))


def _numbers(wanted: str) -> list[float]:
    try:
        rates = sorted({float(word) for word in wanted.split(",")})
    except ValueError:
        rates = []
    if not rates or not all(0 < rate <= 24 for rate in rates):
        raise PscError(f"--rates {wanted} came; expected bits per pixel above 0, as in 0.05,0.1,0.2")
    return rates


def _shard(wanted: str) -> tuple[int, int]:
    try:
        part, count = map(int, wanted.split("/"))
    except ValueError as error:
        raise PscError(f"--shard {wanted} came; expected I/N, as in 1/4") from error
    return part, count


def _backend(ray: str | None) -> Any:
    if ray is None:
        from psc.evaluate.run import here

        return here
    from psc.evaluate import cluster

    return cluster.backend(ray)


def _facts(options: "Options") -> dict[str, Any]:
    """What run.json keeps."""
    from PIL import features

    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    found |= {n: features.version(n) or "none" for n in ("jpg", "jpg_2000", "webp", "avif")}
    return {
        "psc": psc.__version__, "crop": options.crop, "prior": options.prior, "device": options.device,
        "half": options.half, "simulate": options.simulate, "versions": found, "machine": platform.platform(),
    }  # fmt: skip


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
