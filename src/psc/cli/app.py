"""The command ``psc``: encode, decode, info, truncate, verify; the others are in modules of their own.

Exit codes: 0 done; 1 failed, and one line on stderr says why; 2 wrong usage; 130 interrupted. Only results go
to stdout. PyTorch is imported inside the commands, so that help and version come at once.
"""

import dataclasses
import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

import psc
from psc import files
from psc.cli import batch, batch_report, evaluate, priors, view, worker
from psc.cli.decode_job import Decoding
from psc.cli.encode_job import Encoding
from psc.cli.encode_job import captions as read_captions
from psc.cli.progress import Meter
from psc.errors import PscError

if TYPE_CHECKING:
    from psc.codec.verify import RoundState

app = typer.Typer(
    help="Compress pictures with a pre-trained diffusion model.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(priors.app, name="priors")
app.command()(view.view)
app.add_typer(evaluate.app, name="evaluate")


class Preset(StrEnum):
    """See :func:`psc.settings`."""

    default = "default"
    progressive = "progressive"
    paper = "paper"
    latent = "latent"
    latent_paper = "latent-paper"


class Restore(StrEnum):
    """See :mod:`psc.session.restore`."""

    preview = "preview"
    mean = "mean"
    ddrm = "ddrm"
    pigdm = "pigdm"
    sample = "sample"


Pictures = Annotated[
    list[str],
    typer.Argument(
        metavar="IN [OUT]",
        help="A picture, and its .psc file; - is a standard stream. With --out: any number of pictures, "
        "folders and patterns.",
    ),
]
Files = Annotated[
    list[str],
    typer.Argument(
        metavar="IN [OUT]",
        help="A .psc file, and its picture; - is a standard stream. With --out: any number of .psc files, "
        "folders and patterns.",
    ),
]
OutFolder = Annotated[
    Path | None,
    typer.Option(
        "--out", metavar="DIR", help="Write there; what is there already is left as it is (but see --force)."
    ),
]
Jobs = Annotated[
    int | None,
    typer.Option("--jobs", "-j", min=1, help="With --out: so many processes, which share the cores."),
]
File = Annotated[str, typer.Argument(metavar="IN", help="The .psc file; - is standard input.")]
Out = Annotated[
    str | None, typer.Argument(metavar="OUT", help="Default: IN with another suffix; - is standard output.")
]
Quality = Annotated[
    float | None,
    typer.Option("--quality", "-q", min=0, max=100, help="0 is the smallest file.  [default: 50]"),
]
TargetSize = Annotated[int | None, typer.Option(min=1, help="Bytes that are not exceeded.")]
TargetBpp = Annotated[float | None, typer.Option(min=0, help="Bits per pixel that are not exceeded.")]
TargetPsnr = Annotated[float | None, typer.Option(help="dB that the mean restoration reaches.")]
PresetName = Annotated[
    Preset | None,
    typer.Option(
        help="progressive: made to be cut; paper, latent-paper: as published.  [default: by the prior]"
    ),
]
Effort = Annotated[
    int | None,
    typer.Option(
        "--effort",
        "-e",
        min=1,
        max=9,
        help="1: fastest; 9: smallest. For encoding and decoding.  [default: 5]",
    ),
]
Caption = Annotated[
    str, typer.Option(metavar="TEXT", help="For a model with captions; auto: BLIP-2's. Stored in the file.")
]
Guidance = Annotated[
    float,
    typer.Option(min=0, help="Weight of the caption; other than 1 costs twice. Stored in the file."),
]
Class = Annotated[int | None, typer.Option("--class", min=0, help="For a class-conditional model.")]
Captions = Annotated[
    str | None, typer.Option(metavar="FILE", help="JSON: {picture's name: caption}, instead of --caption.")
]
Samples = Annotated[
    int | None, typer.Option(min=2, help="Posterior samples per round, instead of the preset's.")
]
Rows = Annotated[
    int | None, typer.Option(min=1, help="Rows per round and window; sets samples to 4/3 of it.")
]
Rounds = Annotated[int | None, typer.Option(min=1, help="Rounds, instead of the preset's.")]
RoundSteps = Annotated[int | None, typer.Option(min=2, help="Evaluations per sample and round.")]
Simulate = Annotated[
    Restore | None,
    typer.Option(help="Also write the restored picture, OUT.png, from the encoder's state: no decoding."),
]
Seed = Annotated[int, typer.Option(min=0, help="Of the noise; stored in the file.")]
How = Annotated[
    Restore | None,
    typer.Option(
        help="preview: at once; mean: least error; sample: natural; ddrm, pigdm: the published restorations, "
        "of low error and natural. Default: mean; sample for variations."
    ),
]
Steps = Annotated[int | None, typer.Option(min=2, help="Network evaluations per sample of the restoration.")]
Variations = Annotated[
    int | None, typer.Option(min=1, help="Write so many plausible pictures: OUT-1.png, OUT-2.png, ...")
]
Uncertainty = Annotated[
    str | None, typer.Option(metavar="MAP", help="Also draw how much the samples differ, with a scale.")
]
Partial = Annotated[bool, typer.Option("--allow-partial", help="Decode what is certain of a damaged file.")]
Model = Annotated[
    str, typer.Option("--prior", metavar="NAME|PATH", help="The diffusion model: see `psc priors`.")
]
Half = Annotated[bool, typer.Option("--half", help="Evaluate a float model in float16.")]
Device = Annotated[str, typer.Option(help="Where PyTorch evaluates the model: cpu, cuda, ...")]
Force = Annotated[bool, typer.Option("--force", "-f", help="Overwrite the output.")]
Resume = Annotated[
    bool, typer.Option("--resume", help="Go on from OUT.resume, which an interrupted encode has left.")
]
Strip = Annotated[
    bool,
    typer.Option("--strip", help="Leave out EXIF, ICC profile and XMP; an EXIF orientation is applied."),
]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="A line on stderr after every round.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="Nothing on stderr except errors.")]
AsJson = Annotated[
    bool, typer.Option("--json", help="The figures as JSON on stdout (on stderr if OUT is stdout).")
]


def main() -> None:
    """The console script."""
    try:
        app()
    except KeyboardInterrupt:
        raise SystemExit(130) from None


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"psc {psc.__version__}")
        raise typer.Exit


@app.callback()
def _common(
    version: Annotated[
        bool, typer.Option("--version", "-V", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    pass


@app.command()
def encode(
    names: Pictures,
    out: OutFolder = None,
    jobs: Jobs = None,
    quality: Quality = None,
    target_size: TargetSize = None,
    target_bpp: TargetBpp = None,
    target_psnr: TargetPsnr = None,
    preset: PresetName = None,
    effort: Effort = None,
    samples: Samples = None,
    rows: Rows = None,
    rounds: Rounds = None,
    round_steps: RoundSteps = None,
    caption: Caption = "",
    captions: Captions = None,
    guidance: Guidance = 1.0,
    label: Class = None,
    seed: Seed = 0,
    simulate: Simulate = None,
    model_name: Model = "embedded",
    half: Half = False,
    device: Device = "cpu",
    strip: Strip = False,
    resume: Resume = False,
    force: Force = False,
    verbose: Verbose = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Compress a picture to a .psc file; with --out, many pictures."""
    with files.reported(quiet):
        job = Encoding(
            quality, target_size, target_bpp, target_psnr, _value(preset), effort, samples, rows,
            rounds, round_steps, caption, {}, guidance, label, seed, _value(simulate), strip, resume,
        )  # fmt: skip
        model = worker.Model(model_name, device, half)
        if out is not None:
            sources = batch.sources(names, job)
            job = dataclasses.replace(job, captions=read_captions(sources, captions))
            batch_report.many(job, sources, out, model, jobs or 1, force, quiet, as_json)
            return
        source, target = _in_and_out(names, jobs)
        target = files.choose_output(source, target, job.suffix, force=force)
        for output in job.outputs(target)[1:]:
            files.choose_output(source, output, ".png", force=force)
        job = dataclasses.replace(job, captions=read_captions([source], captions))
        _one(job, source, target, model, quiet, verbose, as_json)


@app.command()
def decode(
    names: Files,
    out: OutFolder = None,
    jobs: Jobs = None,
    restore: How = None,
    steps: Steps = None,
    variations: Variations = None,
    uncertainty: Uncertainty = None,
    allow_partial: Partial = False,
    model_name: Model = "embedded",
    half: Half = False,
    device: Device = "cpu",
    force: Force = False,
    verbose: Verbose = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Decompress a .psc file to a picture; OUT's extension chooses the format, stdout gets PNG.

    With --out, many files, to PNG.
    """
    if uncertainty and (variations or out):
        other = "--variations" if variations else "--out"
        raise typer.BadParameter(f"{other} and --uncertainty cannot be combined: run psc twice")
    with files.reported(quiet):
        job = Decoding(_value(restore), steps, variations, uncertainty, allow_partial)
        model = worker.Model(model_name, device, half)
        if out is not None:
            sources = batch.sources(names, job)
            batch_report.many(job, sources, out, model, jobs or 1, force, quiet, as_json)
            return
        source, target = _in_and_out(names, jobs)
        files.choose_outputs(source, target, job.suffix, variations, force=force)
        target = files.choose_output(source, target, job.suffix, force=force or bool(variations))
        if uncertainty and uncertainty != files.STDIO:
            files.choose_output(source, uncertainty, ".png", force=force)
        _one(job, source, target, model, quiet, verbose, as_json)


def _value(choice: StrEnum | None) -> Any:
    return choice and choice.value


def _in_and_out(names: list[str], jobs: int | None) -> tuple[str, str | None]:
    if len(names) > 2:
        raise PscError(f"{len(names)} names came, expected IN and OUT; for many files, add --out DIR")
    if jobs is not None:
        raise PscError("--jobs is for many files: add --out DIR")
    if names[0] != files.STDIO and Path(names[0]).is_dir():
        raise PscError(f"{names[0]} is a folder; for many files, add --out DIR")
    return names[0], names[1] if len(names) == 2 else None


def _one(
    job: batch.Job,
    source: str,
    target: str,
    model: worker.Model,
    quiet: bool,
    verbose: bool,
    as_json: bool,
) -> None:
    figures = job(source, target, model.loader(), lambda: Meter(job.verb, quiet, verbose), quiet)
    if as_json:
        typer.echo(json.dumps(figures), err=target == files.STDIO)
    elif not quiet:
        typer.echo(job.line.format(**figures), err=True)


@app.command()
def truncate(
    source: File,
    target: Out = None,
    size: Annotated[int | None, typer.Option(min=1, help="At most this many bytes.")] = None,
    bpp: Annotated[float | None, typer.Option(min=0, help="At most this many bits per pixel.")] = None,
    rounds: Annotated[int | None, typer.Option(min=1, help="This many whole rounds (is decoded).")] = None,
    model_name: Model = "embedded",
    half: Half = False,
    device: Device = "cpu",
    force: Force = False,
    quiet: Quiet = False,
) -> None:
    """Cut a .psc file to a shorter one: by --size, --bpp or --rounds. OUT: default IN.cut.psc."""
    with files.reported(quiet):
        if [size, bpp, rounds].count(None) != 2:
            raise PscError("say how much to keep by one of --size, --bpp and --rounds")
        target = files.choose_output(source, target, ".cut.psc", force=force)
        data = files.read(source)
        from psc import prior
        from psc.codec import truncate

        if rounds is not None:
            model = prior.load_prior(model_name, device=device, half=half)
            with Meter("truncate", quiet, False) as meter:
                shorter = truncate.keep_rounds(data, rounds, prior=model, progress=meter)
        else:
            header = psc.info(data)
            limit = size or int((bpp or 0) * header["width"] * header["height"] / 8)
            shorter = truncate.truncate(data, size=limit)
        files.write(target, shorter)
        if not quiet:
            typer.echo(f"{target}: {len(shorter)} of {len(data)} bytes", err=True)


@app.command()
def info(source: File, as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False) -> None:
    """Say what a .psc file's header holds; no model is loaded."""
    with files.reported():
        header = psc.info(files.read(source))
        lines = [f"{name.replace('_', ' '):13} {_word(value)}" for name, value in header.items()]
        typer.echo(json.dumps(header) if as_json else "\n".join(lines))


@app.command()
def verify(
    source: File,
    model_name: Model = "embedded",
    half: Half = False,
    device: Device = "cpu",
    quiet: Quiet = False,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Decode a .psc file and say, round by round, whether this machine rebuilds the encoder's state.

    Equal states and an equal picture on two machines show that both decode the file to the same bits.
    """
    with files.reported(quiet):
        data = files.read(source)
        from psc import prior
        from psc.codec import verify

        def line(now: "RoundState") -> str:
            verdict = "agrees" if now.agrees else "DIFFERS"
            where = f"round {now.number:3}  scale {now.scale:2}  {now.symbols:8} numbers"
            return f"{where}  state {now.digest}  {verdict}"

        def show(now: "RoundState") -> None:
            if not (quiet or as_json):
                typer.echo(line(now))

        model = prior.load_prior(model_name, device=device, half=half)
        with Meter("verify", quiet, False) as meter:
            found = verify.verify(data, prior=model, report=show, progress=meter)
        if as_json:
            typer.echo(json.dumps(dataclasses.asdict(found) | {"ok": found.ok}))
        elif found.ok and not quiet:
            typer.echo(f"all {found.planned} rounds agree; picture's SHA-256: {found.picture}")
        if not found.ok:
            agreed = sum(state.agrees for state in found.rounds)
            raise PscError(f"{agreed} of {found.planned} rounds agree: {found.note}")


def _word(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, dict):
        value = ", ".join(f"{name} {count} bytes" for name, count in value.items())
    return "none" if value in (None, "") else str(value)
