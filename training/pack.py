"""Photographs and weights in a few tens of megabytes: all that training on another machine needs.

    python -m training.pack --data DATA --checkpoint RUN/checkpoint.pt --out PACK
    python -m training.gpu PACK OUT

The folder PACK has, and takes --megabytes in all,

    average-1-of-1.safetensors   the checkpoint's average in float16
    val/ val2/                   as much of the validation pictures as training.validate reads, lossless
    full/                        one crop of every photograph, at random, as a JPEG with the photograph's own
                                 quantisation: the very same coefficients; their side is what fits
    half/                        every photograph at half its size (means of 2x2), as a JPEG or AVIF with
                                 4:4:4 colour; their quality is what fits

Scale 1 is trained on the first, all others on the second: the block means of a half-size picture are those of
the whole one, at the same places as in training.data.
"""

import argparse
import bisect
import io
import os
import shutil
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from PIL import Image

from training.data import SCALES, Photo, block_means, files, read, trained_on
from training.initial import load
from training.weights import write

T, R = TypeVar("T"), TypeVar("R")
FULL_SHARE = 0.45
"""Of the photographs' megabytes."""
CELL = 8
"""A JPEG's blocks: crops begin and end between them."""
VALIDATED = 256
"""Columns of a validation picture that training.validate reads."""
JPEG: dict[str, object] = {"format": "JPEG", "subsampling": 0, "optimize": True, "progressive": True}
AVIF: dict[str, object] = {"format": "AVIF", "subsampling": "4:4:4", "speed": 8}
KINDS = {"jpg": JPEG, "avif": AVIF}


def opened(folder: Path) -> dict[int, list[Photo]]:
    """A pack's photographs by block, for training.data.Patches."""
    found = {
        1: side_by_side(read, files([folder / "full"])),
        2: side_by_side(read, files([folder / "half"])),
    }
    for block in {s.block for s in SCALES} - set(found):
        found[block] = side_by_side(lambda half: block_means(half, block // 2, every=1), found[2])  # noqa: B023
    return found


def side_by_side(function: Callable[[T], R], items: Iterable[T]) -> list[R]:
    """function of every item, in their order, on all cores."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(function, items))


def crop(file: Path, side: int) -> bytes:
    """A crop of at most side x side, at a place that depends on the file's name and size."""
    image = Image.open(file)
    rng = np.random.default_rng([*file.name.encode(), *image.size])
    box = []
    for length in image.size:
        span = min(side, length // CELL * CELL)
        first = CELL * int(rng.integers((length - span) // CELL + 1))
        box.append((first, first + span))
    how: dict[str, object] = {"qtables": image.quantization} if image.format == "JPEG" else {"quality": 95}
    (left, right), (top, bottom) = box
    return encoded(image.convert("RGB").crop((left, top, right, bottom)), JPEG | how)


def encoded(image: Image.Image, how: dict[str, object]) -> bytes:
    """The file."""
    out = io.BytesIO()
    image.save(out, **how)
    return out.getvalue()


def fitted(make: Callable[[T, int], bytes], items: list[T], choices: range, most: float) -> list[bytes]:
    """Files of the items by the last of the choices whose files take ``most`` bytes at most.

    make: of an item by a choice; a later choice makes larger files.
    """

    def size(some: list[T], choice: int) -> int:
        return sum(map(len, side_by_side(lambda item: make(item, choice), some)))

    some = items[::16]
    place = bisect.bisect_right(choices, most * len(some) / len(items), key=partial(size, some)) - 1
    while True:
        choice = choices[max(place, 0)]
        found = side_by_side(lambda item: make(item, choice), items)  # noqa: B023
        taken = sum(map(len, found))
        if taken <= most:
            print(f"{choice} of {choices}: {len(found)} files, {taken / 1e6:.1f} MB of {most / 1e6:.1f}")
            return found
        if place <= 0:
            raise SystemExit(f"{len(found)} photographs take {taken / 1e6:.1f} MB at least: allow more")
        place -= 1


def pack(data: Path, checkpoint: Path, out: Path, most: float, suffix: str) -> None:
    """Write the folder ``out``, of at most ``most`` bytes."""
    shape, weights = load(checkpoint)
    write(weights, shape, out, "average", torch.float16)
    for name in ("val", "val2"):
        for file in files([data / name]) if (data / name).is_dir() else []:
            seen = Image.fromarray(read(file)[:, :VALIDATED])
            save(out / name / f"{file.stem}.webp", encoded(seen, {"format": "WEBP", "lossless": True}))
    paths = files(trained_on(data))
    left = most - taken_by(out)
    crops = fitted(crop, paths, range(16, 2049, CELL), FULL_SHARE * left)
    halves = side_by_side(lambda file: Image.fromarray(block_means(read(file), 2)), paths)

    def half(image: Image.Image, quality: int) -> bytes:
        return encoded(image, KINDS[suffix] | {"quality": quality})

    pictures = fitted(half, halves, range(20, 97), left - sum(map(len, crops)))
    for file, first, second in zip(paths, crops, pictures, strict=True):
        name = f"{file.parent.name}-{file.stem}"
        save(out / "full" / f"{name}.jpg", first)
        save(out / "half" / f"{name}.{suffix}", second)


def save(file: Path, content: bytes) -> None:
    """Write a file into a folder that need not be there."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)


def taken_by(folder: Path) -> int:
    """Bytes of all files."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder with train/ and val/")
    parser.add_argument("--checkpoint", type=Path, required=True, help="or other weights")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--megabytes", type=float, default=52, help="of the whole pack")
    parser.add_argument("--half", choices=KINDS, default="jpg", help="avif: better, but newer")
    a = parser.parse_args(arguments)
    if a.out.exists():
        shutil.rmtree(a.out)
    pack(a.data, a.checkpoint, a.out, a.megabytes * 1e6, a.half)
    print(f"{a.out}: {taken_by(a.out) / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
