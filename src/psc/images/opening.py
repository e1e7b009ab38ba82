"""Pictures in: files, standard input, and Pillow images that are not loaded yet."""

import importlib.util
import io
import warnings
from functools import cache
from pathlib import Path
from typing import IO

from PIL import Image, UnidentifiedImageError

from psc import files
from psc.errors import PscError
from psc.images import depth, modes, transparency
from psc.images.carried import carried
from psc.images.orientation import orientation, turned

PARTS = ("MPO", "PSD", "ICO", "ICNS")
"""Formats of one picture whose further images are its previews, depths, gains, layers or sizes."""
HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")


class _Stream(io.BytesIO):
    """All of standard input or of a pipe, seekable as Pillow wants it, with a name for error messages."""

    def __init__(self, source: str) -> None:
        super().__init__(files.read(source))
        self.name = "standard input" if source == files.STDIO else source


@cache
def register_heic() -> bool:
    """Let Pillow read and write HEIC, if pillow-heif is there.

    Returns:
        Whether it is.
    """
    if importlib.util.find_spec("pillow_heif") is None:
        return False
    try:
        import pillow_heif

        pillow_heif.register_heif_opener()
    except (ImportError, OSError) as error:
        warnings.warn(f"pillow-heif is there but does not work: {error}", stacklevel=2)
        return False
    return True


def read_picture(source: str) -> Image.Image:
    """The picture in a file, a pipe, or standard input (``-``); see :func:`open_image`."""
    return open_image(_Stream(source) if source == files.STDIO or files.is_stream(source) else source)


def read_image(source: str | Path | IO[bytes]) -> Image.Image:
    """A file's picture as it is :func:`seen`.

    For measurements: codecs are compared by their pixels, not by the profile of three kilobytes beside them.
    """
    return seen(open_image(source))


def seen(image: Image.Image) -> Image.Image:
    """A copy of a picture, loaded, as it is seen: L, LA, RGB or RGBA, upright, without metadata."""
    found = turned(modes.plain(image), orientation(carried(image)))
    found = found.copy() if found is image else found
    found.info.clear()
    return found


def open_image(source: str | Path | IO[bytes]) -> Image.Image:
    """A file's picture, loaded, with its pixels as they are stored, and with what it carries.

    Args:
        source: Of anything that Pillow can read, and of HEIC where pillow-heif is installed.

    Raises:
        PscError: If it cannot be read.
    """
    name = str(source) if isinstance(source, str | Path) else getattr(source, "name", "the stream")
    register_heic()
    try:
        with Image.open(source) as image:
            return loaded(image, str(name))
    except UnidentifiedImageError as error:
        raise PscError(f"{name} is not a picture that Pillow can read{_remedy(source)}") from error
    except (MemoryError, PscError):
        raise
    except OSError as error:  # the system's have a reason that does not name the file again
        raise PscError(f"cannot read the picture {name}: {error.strerror or error}") from error
    except Exception as error:  # Pillow's decoders raise many kinds for a damaged file
        raise PscError(f"cannot read the picture {name}: {error}") from error


def loaded(image: Image.Image, name: str = "the picture") -> Image.Image:
    """A picture whose pixels and metadata are all there; a copy, where its transparent colour needs one.

    Warnings say what is left out: further pages, bits beyond 8.

    Raises:
        PscError: If its file cannot be read.
    """
    try:
        if getattr(image, "fp", None) is not None:
            _warn(image, name)
            image = transparency.resolved(image)
        image.load()
    except MemoryError:
        raise
    except Exception as error:  # as above
        raise PscError(f"cannot read the picture {name}: {error}") from error
    return image


def _warn(image: Image.Image, name: str) -> None:
    count = 1 if image.format in PARTS else int(getattr(image, "n_frames", 1))
    if count > 1 and image.tell() == 0:
        warnings.warn(f"{name} has {count} pages or frames: the first is read", stacklevel=5)
    bits = depth.bits(image)
    if bits > 8 and not depth.is_wide(image.mode):
        warnings.warn(f"{name} has {bits} bits per sample; 8 are read", stacklevel=5)


def _remedy(source: str | Path | IO[bytes]) -> str:
    """What to install, as the end of a sentence, for a HEIC file without pillow-heif; empty otherwise."""
    try:
        if isinstance(source, str | Path):
            with Path(source).open("rb") as file:
                head = file.read(12)
        else:
            source.seek(0)
            head = source.read(12)
    except (OSError, ValueError):
        return ""
    is_heic = head[4:8] == b"ftyp" and head[8:12] in HEIC_BRANDS
    return ": HEIC needs pillow-heif (pip install psc-codec[heic])" if is_heic and not register_heic() else ""
