"""The command ``psc view``; psc.cli.viewer does what it says."""

from pathlib import Path
from typing import Annotated

import typer

from psc.cli import console, options


def view(
    source: Annotated[str, typer.Argument(metavar="FILE.psc|IMAGE", help="A picture is encoded first.")],
    original: Annotated[
        str | None,
        typer.Option(metavar="PICTURE", help="What FILE.psc was made of, to compare with other codecs."),
    ] = None,
    quality: Annotated[
        float | None, typer.Option("--quality", "-q", min=0, max=100, help="Of IMAGE.")
    ] = None,
    target_size: Annotated[int | None, typer.Option(min=1, help="Of IMAGE, in bytes.")] = None,
    target_bpp: Annotated[float | None, typer.Option(min=0, help="Of IMAGE, in bits per pixel.")] = None,
    target_psnr: Annotated[float | None, typer.Option(help="Of IMAGE, in dB.")] = None,
    host: Annotated[str, typer.Option(help="Other addresses than this let other machines in.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any that is free.")] = 0,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open the page in one.")] = True,
    prior: options.PriorName = "embedded",
    half: options.Half = False,
    device: options.Device = "cpu",
    quiet: options.Quiet = False,
) -> None:
    """Show a file on a local page: round by round, beside other codecs; until Ctrl-C.

    The page's address goes to stdout. It is for this machine only, and not to be guessed.
    """
    with console.reported(quiet):
        from psc.cli import viewer, worker

        wanted = {"quality": quality, "target_size": target_size, "target_bpp": target_bpp}
        wanted["target_psnr"] = target_psnr
        goal = {name: value for name, value in wanted.items() if value is not None}
        data, picture = viewer.read(source, original, goal)
        model = worker.Model(prior, device, half).load()
        if data is None:
            assert picture is not None
            data = viewer.encoded(picture, model, goal, quiet)
        viewer.serve(data, picture, model, Path(source).stem, (host, port), browser)
