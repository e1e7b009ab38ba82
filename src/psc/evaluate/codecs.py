"""Other codecs at their best reasonable settings, and the search for a file of a given size.

Each codec is a pair of functions between an RGB picture and the bytes of a file, and a range of settings,
from the smallest file to the largest. HEIC and BPG are used if they are there, but are no dependency of PSC:
the wheels of pillow-heif contain x265, and bpgenc is x265 too, which is under the GPL.
"""

import importlib.util
import io
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, features

from psc.errors import PscError


@dataclass(frozen=True)
class Codec:
    """A codec of RGB pictures.

    Attributes:
        name: In lines and options.
        label: For people.
        about: Its settings, for people.
        suffix: Of its files.
        settings: Settings of ``encode``, from the smallest file to the largest.
        encode: A picture at a setting to a file's bytes.
        decode: A file's bytes to the picture.
        missing: What to do to have it, if it is not here.
    """

    name: str
    label: str
    about: str
    suffix: str
    settings: range
    encode: Callable[[Image.Image, int], bytes]
    decode: Callable[[bytes], Image.Image]
    missing: str = ""


@dataclass(frozen=True)
class Found:
    """The file of a search.

    Attributes:
        data: Its bytes.
        setting: That it was made at.
        seconds: Of encoding it once.
        tries: How many files this search made.
    """

    data: bytes
    setting: int
    seconds: float
    tries: int


def nearest_below(
    codec: Codec, image: Image.Image, size: int, tried: dict[int, Found] | None = None
) -> Found:
    """The largest file of at most a size that bisection finds; the smallest of all if none is.

    Bisection takes the file's size to grow with the setting. Where it does not, a file that is met on the way
    may be nearer than the one at the end, and is taken.

    Args:
        codec: That is here.
        image: RGB.
        size: In bytes.
        tried: By their index among the settings, the files that earlier searches made of this picture; this
            one's are added.
    """
    tried = {} if tried is None else tried
    before = len(tried)

    def at(index: int) -> int:
        if index not in tried:
            start, setting = time.perf_counter(), codec.settings[index]
            data = codec.encode(image, setting)
            tried[index] = Found(data, setting, time.perf_counter() - start, 0)
        return len(tried[index].data)

    low, high = -1, len(codec.settings)  # at(low) <= size < at(high)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if at(middle) <= size else (low, middle)
    below = [index for index in tried if at(index) <= size]
    best = tried[max(below, key=at) if below else min(tried, key=at)]
    return Found(best.data, best.setting, best.seconds, len(tried) - before)


def _pillow(kind: str, **options: Any) -> Callable[[Image.Image, int], bytes]:
    def encode(image: Image.Image, setting: int) -> bytes:
        out = io.BytesIO()
        image.save(out, kind, quality=setting, **options)
        return out.getvalue()

    return encode


def _opened(data: bytes) -> Image.Image:
    with Image.open(io.BytesIO(data)) as image:
        return image.convert("RGB")


def _jpeg2000(image: Image.Image, setting: int) -> bytes:
    """A file of JPEG 2000; its setting is in 16ths of an octave of compression, from 2048 : 1."""
    out = io.BytesIO()
    image.save(
        out,
        "JPEG2000",
        quality_mode="rates",
        quality_layers=[2048 / 2 ** (setting / 16)],
        irreversible=True,
        mct=1,
        no_jp2=True,
        num_resolutions=min(6, min(image.size).bit_length()),
    )
    return out.getvalue()


def _heif(image: Image.Image, setting: int) -> bytes:
    import pillow_heif

    out = io.BytesIO()
    pillow_heif.from_pillow(image).save(out, quality=setting, chroma=444, enc_params={"preset": "veryslow"})
    return out.getvalue()


def _heif_opened(data: bytes) -> Image.Image:
    import pillow_heif

    image: Image.Image = pillow_heif.open_heif(io.BytesIO(data)).to_pillow()
    return image.convert("RGB")


def _jpeg_xl(image: Image.Image, setting: int) -> bytes:
    """A file of JPEG XL; its setting is in 12ths of an octave of distance, from 25."""
    import imagecodecs

    return bytes(imagecodecs.jpegxl_encode(np.asarray(image), distance=25 / 2 ** (setting / 12), effort=9))


def _jpeg_xl_opened(data: bytes) -> Image.Image:
    import imagecodecs

    return Image.fromarray(imagecodecs.jpegxl_decode(data)).convert("RGB")


def _bpg(image: Image.Image, setting: int) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "in.png"), Path(folder, "out.bpg")
        image.save(source)
        _call("bpgenc", "-q", setting, "-m", 9, "-f", 444, "-o", target, source)
        return target.read_bytes()


def _bpg_opened(data: bytes) -> Image.Image:
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "in.bpg"), Path(folder, "out.png")
        source.write_bytes(data)
        _call("bpgdec", "-o", target, source)
        return _opened(target.read_bytes())


def _call(*command: object) -> None:
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise PscError(f"{command[0]} failed: {' '.join((done.stderr or done.stdout).split())}")


def _feature(name: str, library: str) -> str:
    return "" if features.check(name) else f"this Pillow was built without {library}: pip install -U pillow"


def _package(name: str, package: str) -> str:
    return "" if importlib.util.find_spec(name) else f"pip install {package}"


def _programs(*names: str) -> str:
    absent = [name for name in names if not shutil.which(name)]
    return f"put {' and '.join(absent)} (libbpg) on PATH" if absent else ""


def codecs() -> dict[str, Codec]:
    """All codecs that are known, by name, whether they are here or not."""
    heif = _package("pillow_heif", "pillow-heif (its wheels contain x265, GPL)")
    known = [
        Codec(
            "jpeg", "JPEG", "libjpeg-turbo, progressive, optimised Huffman tables, 4:2:0", ".jpg",
            range(1, 101), _pillow("JPEG", progressive=True, optimize=True, subsampling="4:2:0"), _opened,
        ),
        Codec(
            "jpeg2000", "JPEG 2000", "OpenJPEG, 9/7 wavelet, colour transform, one layer, bare codestream",
            ".j2k", range(0, 177), _jpeg2000, _opened, _feature("jpg_2000", "OpenJPEG"),
        ),
        Codec(
            "webp", "WebP", "libwebp, lossy, method 6 (4:2:0 is all that it has)", ".webp",
            range(0, 101), _pillow("WEBP", method=6), _opened, _feature("webp", "libwebp"),
        ),
        Codec(
            "avif", "AVIF", "libavif, aom, speed 2, 4:4:4", ".avif",
            range(0, 101), _pillow("AVIF", speed=2, subsampling="4:4:4"), _opened,
            _feature("avif", "libavif"),
        ),
        Codec(
            "avif-420", "AVIF 4:2:0", "libavif, aom, speed 2, 4:2:0", ".avif",
            range(0, 101), _pillow("AVIF", speed=2, subsampling="4:2:0"), _opened,
            _feature("avif", "libavif"),
        ),
        Codec(
            "heic", "HEIC", "libheif, x265, preset veryslow, 4:4:4", ".heic",
            range(0, 101), _heif, _heif_opened, heif,
        ),
        Codec(
            "jpegxl", "JPEG XL", "libjxl, VarDCT, effort 9", ".jxl",
            range(0, 97), _jpeg_xl, _jpeg_xl_opened, _package("imagecodecs", "psc-codec[evaluate]"),
        ),
        Codec(
            "bpg", "BPG", "bpgenc -m 9 -f 444", ".bpg",
            range(51, -1, -1), _bpg, _bpg_opened, _programs("bpgenc", "bpgdec"),
        ),
    ]  # fmt: skip
    return {codec.name: codec for codec in known}
