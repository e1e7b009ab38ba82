"""What ``psc view`` does: reads a file or a picture, encodes the latter, and serves the page until Ctrl-C.

It imports PyTorch: the command imports it when it is called.
"""

import threading
import warnings
import webbrowser
from collections.abc import Mapping
from ipaddress import ip_address
from typing import Any

import typer
from PIL import Image

from psc import files
from psc.bitstream.container import info
from psc.bitstream.header import MAGIC
from psc.cli.progress import ProgressBar
from psc.codec import encode
from psc.errors import PscError
from psc.images.opening import read_picture, seen
from psc.images.pixels import to_image, to_tensor
from psc.prior import Prior
from psc.view.server import Server
from psc.view.worker import Worker


def read(
    source: str, original: str | None, goal: Mapping[str, Any]
) -> tuple[bytes | None, Image.Image | None]:
    """What is to be shown.

    Args:
        source: A .psc file's name or a picture's, or ``-``.
        original: The name of what the .psc file was made of, if the user has it.
        goal: Arguments of :func:`psc.encode`, for a picture.

    Returns:
        The file's bytes, or None if it is yet to be made; the picture that it was or will be made of, as it
        is seen, if there is one.

    Raises:
        PscError: If one of them cannot be read, or the arguments do not fit together.
    """
    data = files.read(source)
    if not data.startswith(MAGIC):
        if original is not None:
            raise PscError(f"{source} is no .psc file: --original is for those, a picture is its own")
        return None, _colours(source)
    if goal:
        raise PscError(f"{source} is encoded already: quality and targets are for pictures")
    return data, None if original is None else _colours(original)


def _colours(name: str) -> Image.Image:
    return to_image(to_tensor(seen(read_picture(name))))


def encoded(picture: Image.Image, model: Prior, goal: Mapping[str, Any], quiet: bool) -> bytes:
    """The .psc file of a picture, with a bar on a terminal."""
    with ProgressBar("encode", quiet=quiet) as progress:
        return encode.encode(picture, **goal, prior=model, progress=progress)


def serve(
    data: bytes,
    picture: Image.Image | None,
    model: Prior,
    name: str,
    where: tuple[str, int],
    browser: bool,
) -> None:
    """Show the page until Ctrl-C, which is how it is meant to end: no error, exit code 0.

    Args:
        data: The file.
        picture: What it was made of, if that is known.
        model: The prior.
        name: What the file is called on the page.
        where: Host and port.
        browser: Open the page in one.
    """
    worker = Worker(data, model, picture)
    with Server(worker, info(data) | {"name": name, "bytes": len(data)}, *where) as server:
        if not _is_loopback(where[0]):
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


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
