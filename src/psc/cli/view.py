"""The command ``psc view``."""

import threading
import warnings
import webbrowser
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

import psc
from psc import files
from psc.cli.progress import Meter
from psc.errors import PscError

if TYPE_CHECKING:
    from PIL import Image

    from psc.prior import Prior

MAGIC = b"\x89PSC"


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
    model_name: Annotated[
        str, typer.Option("--prior", metavar="NAME|PATH", help="See psc priors.")
    ] = "embedded",
    half: Annotated[bool, typer.Option("--half", help="Evaluate a float model in float16.")] = False,
    device: Annotated[str, typer.Option(help="Where PyTorch evaluates the model: cpu, cuda, ...")] = "cpu",
    quiet: Annotated[bool, typer.Option("--quiet", help="Nothing on stderr except errors.")] = False,
) -> None:
    """Show a file on a local page: round by round, beside other codecs; until Ctrl-C.

    The page's address goes to stdout. It is for this machine only, and not to be guessed.
    """
    with files.reported(quiet):
        data, picture = _read(source, original)
        from psc import prior

        model = prior.load_prior(model_name, device=device, half=half)
        goal = {"quality": quality, "target_size": target_size, "target_bpp": target_bpp}
        goal |= {"target_psnr": target_psnr}
        if data is None:
            assert picture is not None
            data = _encoded(picture, model, goal, quiet)
        elif goal != dict.fromkeys(goal):
            raise PscError(f"{source} is encoded already: quality and targets are for pictures")
        _serve(data, picture, model, Path(source).stem, (host, port), browser)


def _read(source: str, original: str | None) -> tuple[bytes | None, "Image.Image | None"]:
    """The file's bytes, or None; and the picture that it was or will be made of, if there is one."""
    from psc.images.pixels import to_image, to_tensor

    data: bytes | None = files.read(source)
    if data and data.startswith(MAGIC):
        picture = None if original is None else files.read_picture(original)
    elif original is not None:
        raise PscError(f"{source} is no .psc file: --original is for those, a picture is its own")
    else:
        data, picture = None, files.read_picture(source)
    return data, picture and to_image(to_tensor(picture))


def _encoded(picture: "Image.Image", model: "Prior", goal: dict[str, Any], quiet: bool) -> bytes:
    from psc.codec import encode

    with Meter("encode", quiet, False) as meter:
        return encode.encode(picture, **goal, prior=model, progress=meter)


def _serve(
    data: bytes,
    picture: "Image.Image | None",
    model: "Prior",
    name: str,
    where: tuple[str, int],
    browser: bool,
) -> None:
    """Until Ctrl-C, which is how a page is meant to end: no error, exit code 0."""
    from psc.view.server import Server
    from psc.view.worker import Worker

    worker = Worker(data, model, picture)
    with Server(worker, psc.info(data) | {"name": name, "bytes": len(data)}, *where) as server:
        if not _loopback(where[0]):
            warnings.warn(
                f"whoever can reach {where[0]} and learns the page's address can see the pictures; "
                "nothing is encrypted",
                stacklevel=1,
            )
        try:
            typer.echo(server.url)
            worker.start()
            if browser:
                threading.Thread(target=webbrowser.open, args=(server.url,), daemon=True).start()
            server.serve_forever(poll_interval=0.2)
        except KeyboardInterrupt:
            pass
        finally:
            worker.close()
    if worker.failure is not None:
        raise worker.failure


def _loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
