"""The command ``psc batch``."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from psc import files
from psc.errors import PscError


def batch(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder of pictures.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="A folder; made if it is not there.")],
    quality: Annotated[float, typer.Option("--quality", "-q", min=0, max=100)] = 50,
    preset: Annotated[str | None, typer.Option(help="See psc encode.")] = None,
    samples: Annotated[int | None, typer.Option(min=2, help="Posterior samples per round.")] = None,
    rows: Annotated[
        int | None, typer.Option(min=1, help="Rows per round and window; sets samples to 4/3 of it.")
    ] = None,
    rounds: Annotated[int | None, typer.Option(min=1, help="Rounds, instead of the preset's.")] = None,
    round_steps: Annotated[int | None, typer.Option(min=2, help="Evaluations per sample and round.")] = None,
    captions: Annotated[
        str, typer.Option(metavar="auto|FILE", help="By BLIP-2, or JSON: {picture's name: caption}.")
    ] = "",
    guidance: Annotated[float, typer.Option(min=0, help="Weight of the captions.")] = 1.0,
    restore: Annotated[str | None, typer.Option(help="mean, sample, ... as in psc decode.")] = None,
    steps: Annotated[int | None, typer.Option(min=2, help="Evaluations per sample restored.")] = None,
    variations: Annotated[int | None, typer.Option(min=1, help="So many pictures of each file.")] = None,
    simulate: Annotated[
        bool, typer.Option("--simulate", help="Restore from the encoder's state instead of decoding.")
    ] = False,
    start: Annotated[int | None, typer.Option(min=0, help="Number of the first picture, from 0.")] = None,
    end: Annotated[int | None, typer.Option(min=0, help="Number after the last picture.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the noise.")] = 0,
    model_name: Annotated[str, typer.Option("--prior", metavar="NAME|PATH")] = "embedded",
    half: Annotated[bool, typer.Option("--half", help="Evaluate a float model in float16.")] = False,
    device: Annotated[str, typer.Option(help="cpu, cuda, ...")] = "cpu",
    force: Annotated[
        bool, typer.Option("--force", "-f", help="Write into a folder that is not empty.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Nothing on stderr except errors.")] = False,
) -> None:
    """Compress and restore every picture of a folder: OUT/NAME.psc, NAME.png and results.jsonl.

    The published evaluation command under other names: --samples, --rows and --rounds are its num-samples,
    rank and iters.
    """
    with files.reported(quiet):
        from psc import batch as work
        from psc import codec, prior
        from psc.plan import settings
        from psc.restore import check

        paths = work.pictures(folder)[start:end]
        if not paths:
            raise PscError(f"no picture is between --start {start} and --end {end} in {folder}")
        _prepare(out, force)
        texts = work.captions(paths, captions, device)
        model = prior.load_prior(model_name, device=device, half=half)
        chosen = settings(quality, codec.preset_for(model, preset), seed)
        chosen = work.adjusted(chosen, samples=samples, rows=rows, steps=round_steps, rounds=rounds)
        how: Any = restore or ("sample" if variations else "mean")
        check(how, steps, model, several=bool(variations))
        job = work.Job(chosen, how, steps, variations, simulate, guidance)
        results = [_one(path, out, job, model, texts[path.name], quiet) for path in paths]
        means = {name: sum(r[name] for r in results) / len(results) for name in ("bpp", "psnr", "seconds")}
        typer.echo(
            "{} pictures: {bpp:.4f} bpp, {psnr:.2f} dB, {seconds:.1f} s each".format(len(results), **means)
        )


def _prepare(out: Path, force: bool) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
        if any(out.iterdir()) and not force:
            raise PscError(f"the folder {out} is not empty; -f (--force) writes into it all the same")
    except OSError as error:
        raise PscError(f"cannot write to {out}: {error.strerror or error}") from error


def _one(path: Path, out: Path, job: Any, model: Any, caption: str, quiet: bool) -> dict[str, Any]:
    from psc import batch as work

    try:
        found = work.run(path, out, job, model, caption)
    except PscError as error:
        raise PscError(f"{path}: {error}") from error
    with (out / work.RESULTS).open("a") as file:
        file.write(json.dumps(found) + "\n")
    if not quiet:
        typer.echo(
            "{picture}: {bytes} bytes, {bpp:.4f} bpp, {psnr:.2f} dB, {seconds:.1f} s".format(**found),
            err=True,
        )
    return found
