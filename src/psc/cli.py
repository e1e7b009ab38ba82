"""The command ``psc``: encode, decode, info, truncate, verify; the others are in psc.cli_priors,
psc.cli_batch, psc.cli_evaluate and psc.cli_view.

Exit codes: 0 done; 1 failed, and one line on stderr says why; 2 wrong usage; 130 interrupted. Only results go
to stdout. PyTorch is imported inside the commands, so that help and version come at once.
"""

import dataclasses
import json
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

import psc
from psc import cli_batch, cli_evaluate, cli_priors, cli_view, files
from psc.errors import PscError
from psc.meter import Meter

if TYPE_CHECKING:
    from psc.journal import Journal
    from psc.verification import RoundState

app = typer.Typer(
    help="Compress pictures with a pre-trained diffusion model.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(cli_priors.app, name="priors")
app.command()(cli_batch.batch)
app.command()(cli_view.view)
app.add_typer(cli_evaluate.app, name="evaluate")


class Preset(StrEnum):
    """See :func:`psc.settings`."""

    default = "default"
    paper = "paper"
    latent = "latent"
    latent_paper = "latent-paper"


class Restore(StrEnum):
    """See :mod:`psc.restore`."""

    preview = "preview"
    mean = "mean"
    ddrm = "ddrm"
    pigdm = "pigdm"
    sample = "sample"


Picture = Annotated[str, typer.Argument(metavar="IN", help="The picture; - is standard input.")]
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
    typer.Option(help="paper, latent-paper: the published schemes.  [default: default; latent for latents]"),
]
Caption = Annotated[
    str, typer.Option(metavar="TEXT", help="For a model with captions; auto: BLIP-2's. Stored in the file.")
]
Guidance = Annotated[
    float,
    typer.Option(min=0, help="Weight of the caption; other than 1 costs twice. Stored in the file."),
]
Class = Annotated[int | None, typer.Option("--class", min=0, help="For a class-conditional model.")]
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
    source: Picture,
    target: Out = None,
    quality: Quality = None,
    target_size: TargetSize = None,
    target_bpp: TargetBpp = None,
    target_psnr: TargetPsnr = None,
    preset: PresetName = None,
    caption: Caption = "",
    guidance: Guidance = 1.0,
    label: Class = None,
    seed: Seed = 0,
    model_name: Model = "embedded",
    half: Half = False,
    device: Device = "cpu",
    resume: Resume = False,
    force: Force = False,
    verbose: Verbose = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Compress a picture to a .psc file."""
    with files.reported(quiet):
        target = files.choose_output(source, target, ".psc", force=force)
        kept = files.choose_journal(target, resume=resume)
        from psc import codec, prior

        image = files.read_picture(source)
        model = prior.load_prior(model_name, device=device, half=half)
        if caption and label is not None:
            raise PscError("--caption and --class exclude each other: a model takes one of them")
        if caption == "auto":
            from psc.captioner import describe

            caption = describe(image, device)
        model = prior.conditioned(model, caption if label is None else str(label), guidance)
        with _journal(kept, resume, quiet) as journal:
            with Meter("encode", quiet, verbose) as meter:
                data = codec.encode(
                    image,
                    quality=quality,
                    target_size=target_size,
                    target_bpp=target_bpp,
                    target_psnr=target_psnr,
                    preset=preset and preset.value,
                    seed=seed,
                    prior=model,
                    progress=meter,
                    journal=journal,
                )
            files.write(target, data)
        bpp = 8 * len(data) / (image.width * image.height)
        figures = _figures(source, target, image.size) | {"bytes": len(data), "bpp": bpp, "caption": caption}
        figures |= meter.figures()
        line = "{output}: {bytes} bytes, {bpp:.4f} bpp, {rounds} rounds, {nfe:.0f} NFE, {seconds:.1f} s"
        _conclude(figures, line, as_json, quiet)


@contextmanager
def _journal(path: Path | None, resume: bool, quiet: bool) -> "Iterator[Journal | None]":
    """What keeps an encode's draws until its file is written; a line on stderr if that is not reached."""
    if path is None:
        yield None
        return
    from psc.journal import Journal

    journal = Journal(path, resume=resume)
    try:
        yield journal
    except BaseException:
        if journal.kept and not quiet:
            typer.echo(f"psc: {path} holds what was drawn: add --resume to go on from there", err=True)
        raise
    journal.remove()


@app.command()
def decode(
    source: File,
    target: Out = None,
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
    """Decompress a .psc file to a picture; OUT's extension chooses the format, stdout gets PNG."""
    if variations and uncertainty:
        raise typer.BadParameter("--variations and --uncertainty cannot be combined: run psc twice")
    with files.reported(quiet):
        targets = files.choose_outputs(source, target, ".png", variations, force=force)
        data = files.read(source)
        header = psc.info(data)
        picture_format = files.picture_format(targets[0], header["mode"], (header["width"], header["height"]))
        map_format = _map_format(source, targets[0], uncertainty, force)
        from psc import chart, codec, prior

        how = (restore or (Restore.sample if variations else Restore.mean)).value
        options: dict[str, Any] = {"restoration": how, "steps": steps, "allow_partial": allow_partial}
        with Meter("decode", quiet, verbose) as meter:
            model = prior.load_prior(model_name, device=device, half=half)
            options |= {"prior": model, "progress": meter}
            if variations:
                pictures = codec.variations(data, variations, **options)
            else:
                pictures = iter([codec.decode_details(data, uncertainty=bool(uncertainty), **options)])
            for name, found in zip(targets, pictures, strict=True):
                files.write(name, files.encode_picture(found.image, picture_format))
        if uncertainty and found.deviation is not None:
            drawn = chart.uncertainty_map(found.deviation)
            files.write(uncertainty, files.encode_picture(drawn, map_format))
        if found.note:
            warnings.warn(f"{found.note}; decoded {found.rounds} of {header['rounds']} rounds", stacklevel=1)
        figures = _figures(source, targets[0], found.image.size) | meter.figures()
        figures |= {"rounds": found.rounds, "symbols": found.symbols, "complete": found.complete}
        figures |= {"note": found.note, "nfe_rounds": found.nfe[0]}
        figures |= {"nfe_restoration": figures["nfe"] - found.nfe[0], "restoration": how, "outputs": targets}
        names = f"{{output}} to {{outputs[{len(targets) - 1}]}}" if variations else "{output}"
        line = (
            "{width}x{height}, {rounds} rounds, {nfe_rounds:.0f} + {nfe_restoration:.0f} NFE, {seconds:.1f} s"
        )
        _conclude(figures, f"{names}: {line}", as_json, quiet)


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
        from psc import prior, truncation

        if rounds is not None:
            model = prior.load_prior(model_name, device=device, half=half)
            with Meter("truncate", quiet, False) as meter:
                shorter = truncation.keep_rounds(data, rounds, prior=model, progress=meter)
        else:
            header = psc.info(data)
            limit = size or int((bpp or 0) * header["width"] * header["height"] / 8)
            shorter = truncation.truncate(data, size=limit)
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
        from psc import prior, verification

        def line(now: "RoundState") -> str:
            verdict = "agrees" if now.agrees else "DIFFERS"
            where = f"round {now.number:3}  scale {now.scale:2}  {now.symbols:8} numbers"
            return f"{where}  state {now.digest}  {verdict}"

        def show(now: "RoundState") -> None:
            if not (quiet or as_json):
                typer.echo(line(now))

        model = prior.load_prior(model_name, device=device, half=half)
        with Meter("verify", quiet, False) as meter:
            found = verification.verify(data, prior=model, report=show, progress=meter)
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
    return "none" if value in (None, "") else str(value)


def _map_format(source: str, picture: str, target: str | None, force: bool) -> str:
    """Pillow's format for the uncertainty map, if one is wanted; PscError if it cannot be made."""
    if target is None:
        return ""
    if target == files.STDIO or Path(target).resolve() == Path(picture).resolve():
        raise PscError("the uncertainty map needs a file of its own: name one")
    files.choose_output(source, target, ".png", force=force)
    from psc import chart

    chart.require()
    return files.picture_format(target, "RGB", (64, 64))


def _figures(source: str, target: str, size: tuple[int, int]) -> dict[str, Any]:
    return {"input": source, "output": target, "width": size[0], "height": size[1]}


def _conclude(figures: dict[str, Any], line: str, as_json: bool, quiet: bool) -> None:
    """The figures as JSON if asked for, else as a line unless quiet."""
    if as_json:
        typer.echo(json.dumps(figures), err=figures["output"] == "-")
    elif not quiet:
        typer.echo(line.format(**figures), err=True)
