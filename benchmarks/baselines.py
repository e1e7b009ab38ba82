"""What Pillow can write, at every quality setting: bytes and PSNR of the other codecs' files.

``psc evaluate`` searches for one file of a given size (psc.evaluate.codecs); this is for tables of the files
nearest in size, and for curves over settings.
"""

import io
from collections.abc import Callable

from PIL import Image, features

from psc.images.pixels import psnr

Write = Callable[[Image.Image, int], bytes]
File = tuple[int, float]
"""(bytes, PSNR in dB)."""


def _pillow(kind: str, **options: object) -> Write:
    """Files of a kind; an option that is a function is given the quality."""

    def write(image: Image.Image, quality: int) -> bytes:
        out = io.BytesIO()
        chosen = {name: value(quality) if callable(value) else value for name, value in options.items()}
        image.save(out, kind, **chosen)
        return out.getvalue()

    return write


CODECS: dict[str, tuple[Write, range]] = {
    "JPEG": (_pillow("JPEG", quality=lambda q: q, optimize=True, progressive=True), range(1, 91, 2)),
    "JPEG 2000": (
        _pillow(
            "JPEG2000",
            quality_mode="rates",
            quality_layers=lambda q: [q],
            irreversible=True,
            mct=1,
            no_jp2=True,
        ),
        range(430, 10, -6),
    ),
    "WebP": (_pillow("WEBP", quality=lambda q: q, method=6), range(0, 81, 4)),
    "AVIF": (_pillow("AVIF", quality=lambda q: q, speed=2, subsampling="4:4:4"), range(2, 66, 4)),
}


def others(image: Image.Image) -> dict[str, list[File]]:
    """Every codec's files of an RGB picture, one for each quality setting."""
    curves = {}
    for name, (write, qualities) in CODECS.items():
        if name == "AVIF" and not features.check("avif"):
            continue
        files = [write(image, quality) for quality in qualities]
        curves[name] = [(len(f), psnr(image, Image.open(io.BytesIO(f)).convert("RGB"))) for f in files]
    return curves


def nearest(files: list[File], size: int) -> File:
    """The file whose size is nearest to ``size`` bytes."""
    return min(files, key=lambda file: abs(file[0] - size))
