"""Pictures out: files in any format that Pillow writes."""

import io
import warnings
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from psc import files
from psc.errors import PscError
from psc.images import opening, suffixes
from psc.images.embedding import ITEMS, embedding, saved
from psc.images.orientation import orientation, upright

TRIAL_PIXELS = 2**27


def picture_format(target: str, mode: str, size: tuple[int, int]) -> str:
    """Pillow's format for an output, proven by a trial with an empty picture.

    The trial finds what a format does not take: a mode, a side of 20000 pixels, a library that is missing.

    Args:
        target: A file's name, or ``-`` for standard output, which gets a PNG file, as do pipes and devices
            without a suffix.
        mode: Of the picture to come.
        size: Width and height of the picture to come.

    Returns:
        The format's name.

    Raises:
        PscError: If no such file can be written.
    """
    opening.register_heic()
    suffix = "" if target == files.STDIO else Path(target).suffix.lower()
    if not suffix and (target == files.STDIO or files.is_stream(target)):
        suffix = ".png"
    name = Image.registered_extensions().get(suffix, "")
    if name not in Image.SAVE:
        remedy = suffixes.HEIC if suffixes.REMEDIES.get(suffix) == suffixes.HEIC else ""
        raise PscError(
            f"no picture format {suffix!r} can be written; use .png, .tiff, .jpg or .webp"
            + (f", or {remedy}" if remedy else "")
        )
    trial = Image.new(mode, size if size[0] * size[1] <= TRIAL_PIXELS else (64, 64))
    try:
        data = encode_picture(trial, name)
    except PscError as error:
        raise PscError(
            f"a {size[0]}x{size[1]} {mode} picture cannot be written as {name}: {error}"
        ) from error
    if (found := _size(data, trial.size)) != trial.size:
        raise PscError(
            f"{name} files do not hold {size[0]}x{size[1]} pixels (this one would get "
            f"{found[0]}x{found[1]}): use .png, .tiff, .jpg or .webp"
        )
    return name


def encode_picture(image: Image.Image, name: str) -> bytes:
    """The bytes of a picture file, with what the picture carries.

    A warning says what the format has no place for; where that is the orientation, the pixels are turned.

    Args:
        image: With icc_profile, exif and xmp in its ``info``, what there is.
        name: Pillow's name of the format.

    Raises:
        PscError: If the format does not take the picture.
    """
    options, lost = embedding(image, name)
    told = set(ITEMS) - lost - ({"xmp"} if "exif" in lost else set())  # viewers look for it in EXIF alone
    if orientation(image.info) != orientation({key: image.info[key] for key in told & image.info.keys()}):
        image = upright(image)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # they have been given
            options = embedding(image, name)[0]
    image = _bare(image)
    try:
        return saved(image, name, options)
    except MemoryError:
        raise
    except Exception as error:  # Pillow's encoders raise many kinds for what they do not take
        if not options:
            raise PscError(str(error) or type(error).__name__) from error
        warnings.warn(
            f"the picture's metadata cannot be written as {name} ({error}): they are left out", stacklevel=2
        )
    return encode_picture(image, name)


def _bare(image: Image.Image) -> Image.Image:
    """The picture without ``info``, of which some of Pillow's writers take more than they are told."""
    image = image.copy()
    image.info.clear()
    return image


def _size(data: bytes, expected: tuple[int, int]) -> tuple[int, int]:
    """The size that Pillow reads from a file; the expected one, if Pillow does not read such files."""
    try:
        with Image.open(io.BytesIO(data)) as image:
            return image.size
    except (UnidentifiedImageError, OSError):
        return expected
