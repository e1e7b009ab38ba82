"""The pictures that the page shows, by round and restoration, as PNGs."""

import io
from dataclasses import dataclass
from typing import Literal, get_args

from PIL import Image

from psc.errors import PscError
from psc.images.orientation import SIDEWAYS, turned
from psc.images.pixels import psnr

View = Literal["preview", "mean", "sample", "uncertainty"]
VIEWS: tuple[View, ...] = get_args(View)


@dataclass(frozen=True)
class Shown:
    """A picture on the page.

    Attributes:
        png: A PNG file.
        figure: PSNR in dB against the original, if that is known; of the uncertainty, where its scale ends,
            in grey levels.
    """

    png: bytes
    figure: float | None


class Gallery:
    """Pictures that are there already; they only grow in number, so other threads may read at any time.

    Attributes:
        size: Width and height of each, upright.
        original: What the file was made of, upright; None if that is not known.
        pictures: By the round's number, from 1, and the view.
    """

    def __init__(self, size: tuple[int, int], orientation: int, original: Image.Image | None) -> None:
        """An empty gallery of pictures of a size as it is coded, to be shown with an EXIF orientation.

        Raises:
            PscError: If the original has another size than the file's pictures.
        """
        self._orientation, self.original = orientation, original
        self.size = size[::-1] if orientation in SIDEWAYS else size
        if original is not None and original.size != self.size:
            there, here = ("{}x{}".format(*size) for size in (original.size, self.size))
            raise PscError(f"the original has {there} pixels, the file {here}: they are not of one picture")
        self.pictures: dict[tuple[int, View], Shown] = {}

    def add(self, number: int, view: View, image: Image.Image, figure: float | None = None) -> None:
        """Add a picture as it is coded; without a figure, that is its PSNR if the original is known."""
        upright = turned(image, self._orientation)
        if figure is None and self.original is not None:
            figure = psnr(upright, self.original.convert(upright.mode))
        self.pictures[number, view] = Shown(to_png(upright), figure)


def to_png(image: Image.Image) -> bytes:
    """A PNG file, made quickly: it goes no further than this machine."""
    out = io.BytesIO()
    image.save(out, "PNG", compress_level=1)
    return out.getvalue()
