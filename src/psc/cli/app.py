"""The command ``psc``: encode, decode, info, truncate, verify; the others are in modules of their own.

Exit codes: 0 done; 1 failed, and one line on stderr says why; 2 wrong usage; 130 interrupted. Only results go
to stdout. PyTorch is imported inside the commands, so that help and version come at once.
"""

import dataclasses
import json
from typing import TYPE_CHECKING, Annotated

import typer

import psc
from psc import files
from psc.cli import console, evaluate, names, options, priors, view
from psc.cli.progress import ProgressBar
from psc.errors import PscError
from psc.rate.goals import bytes_of_bpp

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


def main() -> None:
    """Be the console script."""
    console.ensure_streams()
    try:
        app()
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    except OSError as error:  # help or version, which nobody can read
        raise SystemExit(console.unwritten(error)) from None


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
    arguments: options.Pictures,
    out: options.OutFolder = None,
    jobs: options.Jobs = None,
    ray: options.Ray = None,
    quality: options.Quality = None,
    target_size: options.TargetSize = None,
    target_bpp: options.TargetBpp = None,
    target_psnr: options.TargetPsnr = None,
    preset: options.PresetName = None,
    effort: options.Effort = None,
    samples: options.Samples = None,
    rows: options.Rows = None,
    rounds: options.Rounds = None,
    round_steps: options.RoundSteps = None,
    caption: options.Caption = "",
    captions: options.Captions = None,
    guidance: options.Guidance = 1.0,
    label: options.Class = None,
    seed: options.Seed = 0,
    simulate: options.Simulate = None,
    prior: options.PriorName = "embedded",
    half: options.Half = False,
    device: options.Device = "cpu",
    roi: options.Roi = None,
    strip: options.Strip = False,
    keep_profile: options.KeepProfile = False,
    resume: options.Resume = False,
    force: options.Force = False,
    verbose: options.Verbose = False,
    quiet: options.Quiet = False,
    as_json: options.JsonFigures = False,
) -> None:
    """Compress a picture to a .psc file; with --out, many pictures."""
    with console.reported(quiet):
        from psc.cli import dispatch, encode_job, encode_options, worker

        job = encode_job.EncodeJob(
            goal=encode_options.Goal(
                quality=quality,
                target_size=target_size,
                target_bpp=target_bpp,
                target_psnr=target_psnr,
                preset=preset,
                effort=effort,
                seed=seed,
            ),
            changes=encode_options.PlanChanges(samples=samples, rows=rows, steps=round_steps, rounds=rounds),
            condition=encode_options.Condition(
                caption=caption, captions_file=captions, guidance=guidance, label=label
            ),
            simulate=simulate,
            roi=tuple(roi or ()),
            strip=strip,
            keep_profile=keep_profile,
            resume=resume,
        )
        place, output = options.Place(out, jobs, force, ray), options.Output(quiet, verbose, as_json)
        dispatch.run(job, arguments, place, worker.Model(prior, device, half), output)


@app.command()
def decode(
    arguments: options.Files,
    out: options.OutFolder = None,
    jobs: options.Jobs = None,
    ray: options.Ray = None,
    restore: options.Restore = None,
    steps: options.Steps = None,
    variations: options.Variations = None,
    uncertainty: options.Uncertainty = None,
    allow_partial: options.Partial = False,
    prior: options.PriorName = "embedded",
    half: options.Half = False,
    device: options.Device = "cpu",
    force: options.Force = False,
    verbose: options.Verbose = False,
    quiet: options.Quiet = False,
    as_json: options.JsonFigures = False,
) -> None:
    """Decompress a .psc file to a picture; OUT's extension chooses the format, stdout gets PNG.

    With --out, many files, to PNG.
    """
    if uncertainty and (variations or out):
        other = "--variations" if variations else "--out"
        raise typer.BadParameter(f"{other} and --uncertainty cannot be combined: run psc twice")
    with console.reported(quiet):
        from psc.cli import decode_job, dispatch, worker

        job = decode_job.DecodeJob(
            restore=restore,
            steps=steps,
            variations=variations,
            uncertainty=uncertainty,
            allow_partial=allow_partial,
        )
        place, output = options.Place(out, jobs, force, ray), options.Output(quiet, verbose, as_json)
        dispatch.run(job, arguments, place, worker.Model(prior, device, half), output)


@app.command()
def truncate(
    source: options.File,
    target: options.Out = None,
    size: Annotated[int | None, typer.Option(min=1, help="At most this many bytes.")] = None,
    bpp: Annotated[float | None, typer.Option(min=0, help="At most this many bits per pixel.")] = None,
    rounds: Annotated[int | None, typer.Option(min=1, help="This many whole rounds (is decoded).")] = None,
    prior: options.PriorName = "embedded",
    half: options.Half = False,
    device: options.Device = "cpu",
    force: options.Force = False,
    quiet: options.Quiet = False,
) -> None:
    """Cut a .psc file to a shorter one: by --size, --bpp or --rounds. OUT: default IN.cut.psc."""
    with console.reported(quiet):
        if [size, bpp, rounds].count(None) != 2:
            raise PscError("say how much to keep by one of --size, --bpp and --rounds")
        target = console.choose_output(source, target, ".cut.psc", force=force)
        data = files.read(source)
        if rounds is not None:
            from psc.cli.worker import Model

            model = Model(prior, device, half).load()
            with ProgressBar("truncate", quiet=quiet) as progress:
                shorter = psc.keep_rounds(data, rounds, prior=model, progress=progress)
        else:
            header = psc.info(data)
            limit = size or bytes_of_bpp(bpp, header["width"] * header["height"])
            shorter = psc.truncate(data, size=limit)
        files.write(target, shorter)
        if not quiet:
            console.say(f"{target}: {len(shorter)} of {len(data)} bytes")


@app.command()
def info(source: options.File, as_json: options.AsJson = False) -> None:
    """Say what a .psc file's header holds; no model is loaded."""
    with console.reported():
        header = psc.info(files.read(source))
        lines = [f"{name.replace('_', ' '):13} {_shown(name, value)}" for name, value in header.items()]
        typer.echo(json.dumps(header) if as_json else "\n".join(lines))


@app.command()
def verify(
    source: options.File,
    prior: options.PriorName = "embedded",
    half: options.Half = False,
    device: options.Device = "cpu",
    quiet: options.Quiet = False,
    as_json: options.AsJson = False,
) -> None:
    """Decode a .psc file and say, round by round, whether this machine rebuilds the encoder's state.

    Equal states and an equal picture on two machines show that both decode the file to the same bits.
    """
    with console.reported(quiet):
        from psc.cli.worker import Model

        data = files.read(source)

        def show(now: "RoundState") -> None:
            if not (quiet or as_json):
                typer.echo(_round_line(now))

        model = Model(prior, device, half).load()
        with ProgressBar("verify", quiet=quiet) as progress:
            found = psc.verify(data, prior=model, report=show, progress=progress)
        if as_json:
            typer.echo(json.dumps(dataclasses.asdict(found) | {"ok": found.ok}))
        elif found.ok and not quiet:
            typer.echo(f"all {found.planned} rounds agree; picture's SHA-256: {found.picture}")
        if not found.ok:
            agreed = sum(state.agrees for state in found.rounds)
            raise PscError(f"{agreed} of {found.planned} rounds agree: {found.note}")


def _round_line(now: "RoundState") -> str:
    verdict = "agrees" if now.agrees else "DIFFERS"
    where = f"round {now.number:3}  scale {now.scale:2}  {now.symbols:8} numbers"
    return f"{where}  state {now.digest}  {verdict}"


def _shown(name: str, value: object) -> str:
    """A field of a header on a line; a caption may come from anywhere."""
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, dict):
        unit = "blocks" if name == "regions" else "bytes"
        value = ", ".join(f"{part} {count} {unit}" for part, count in value.items())
    return "none" if value in (None, "") else names.printable(str(value))
