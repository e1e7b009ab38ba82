"""Other codecs' pictures at the size of a file: Pillow's codecs, at the settings of ``psc evaluate``."""

import threading
from dataclasses import dataclass, replace
from functools import cache

from PIL import Image

from psc.evaluate.codecs import Codec, codecs, nearest_below
from psc.images.pixels import psnr
from psc.view.gallery import to_png

NAMES = ("jpeg", "jpeg2000", "webp", "avif")


@dataclass(frozen=True)
class Other:
    """Another codec's picture: the largest file that does not exceed a size.

    Attributes:
        size: Of the file in bytes.
        psnr: In dB.
        fits: False if the codec's smallest file exceeds the size; then that one is shown.
        png: The picture as a PNG.
    """

    size: int
    psnr: float
    fits: bool
    png: bytes


class Comparison:
    """Other codecs' files of one picture. What was made once is kept.

    Attributes:
        original: The picture as a PNG.
        codecs: Those that are here, by name.
    """

    def __init__(self, original: Image.Image) -> None:
        self._original, self.original = original.copy(), to_png(original)
        self._original.info.clear()  # some codecs would store a colour profile, which PSC's file has not
        known = codecs()
        self.codecs = {name: self._remembering(known[name]) for name in NAMES if not known[name].missing}
        self._locks = {name: threading.Lock() for name in self.codecs}
        self._decoded = cache(self._decode)

    def _remembering(self, codec: Codec) -> Codec:
        # of a copy: Pillow leaves a save's options on the picture, and codecs work at the same time
        encode = cache(lambda setting: codec.encode(self._original.copy(), setting))
        return replace(codec, encode=lambda _, setting: encode(setting))

    def at(self, name: str, size: int) -> Other:
        """A codec's picture at a size in bytes; takes seconds the first time."""
        with self._locks[name]:
            codec = self.codecs[name]
            data = nearest_below(self._within(codec, size), self._original, size).data
            distance, png = self._decoded(name, data)
            return Other(len(data), distance, len(data) <= size, png)

    def _within(self, codec: Codec, size: int) -> Codec:
        """The codec up to a setting that is too large: small files are made in less time than large ones."""
        end, settings = 1, codec.settings
        while end < len(settings) and len(codec.encode(self._original, settings[end])) <= size:
            end *= 2
        return replace(codec, settings=settings[: end + 1])

    def _decode(self, name: str, data: bytes) -> tuple[float, bytes]:
        image = self.codecs[name].decode(data).convert(self._original.mode)
        return psnr(image, self._original), to_png(image)
