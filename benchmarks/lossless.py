"""What it would take to go on to the very pixels: a fine file, and what is left around its picture.

    python -m benchmarks.lossless DIR --limit 8 --step 68

Centre crops of 256x256. The difference of the 8-bit original and the rounded mean restoration is counted, not
coded: ideal code lengths of adaptive frequencies (Dirichlet's, whose order does not matter), green first,
then the others minus what green was off by there as far as the two go together. A context is the samples'
deviation and the differences of the pixels above and beside it. Beside it PNG, WebP and JPEG XL (effort 9),
all lossless.
"""

import argparse
import io
from pathlib import Path

import imagecodecs
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.special import gammaln

import psc
from benchmarks.crops import centre_crop
from psc.images.opening import read_image
from psc.images.picture import Picture
from psc.images.pixels import to_image
from psc.plan.presets import at_step
from psc.session.context import Context
from psc.session.encoder import Encoder
from psc.session.restore import mean_and_deviation

SIDE = 256
Array = NDArray[np.float64]
DEVIATIONS, NEIGHBOURS = 13, 14
"""Classes of a context."""
STRENGTH = 24.0
"""How many symbols a context's first frequencies count for."""


def rest(image: Image.Image, mean: Image.Image, deviation: Array) -> float:
    """Bits of a picture beside its mean restoration."""
    off = np.asarray(image).astype(float) - np.asarray(mean)
    spread = np.clip(np.rint(3 * np.log2(np.maximum(deviation, 0.25)) + 6), 0, DEVIATIONS - 1).astype(int)
    green = off[..., 1]
    bits = colour(green, spread, np.zeros_like(green))
    for i in (0, 2):
        share = (off[..., i] * green).sum() / max((green * green).sum(), 1)
        bits += colour(off[..., i] - np.rint(share * green), spread, green) + 8  # share in a byte
    return bits


def colour(off: Array, spread: NDArray[np.int_], known: Array) -> float:
    """Bits of one colour's differences; known: another colour's, of the same pixels."""
    padded = np.pad(np.abs(off), ((1, 0), (1, 1)))
    size = 2 * padded[:-1, 1:-1] + 2 * padded[1:, :-2] + padded[:-1, :-2] + padded[:-1, 2:] + np.abs(known)
    near = np.clip(np.rint(2 * np.log2(1 + size)), 0, NEIGHBOURS - 1).astype(int)
    context, symbols = (spread * NEIGHBOURS + near).ravel(), off.astype(int).ravel()
    reach = int(np.abs(symbols).max()) + 1
    return sum(length(symbols[context == k], reach) for k in np.unique(context))


def length(symbols: NDArray[np.int_], reach: int) -> float:
    """Bits of symbols -reach ... reach by adaptive frequencies that start from a Laplacian of their size."""
    scale = np.abs(symbols).mean() + 0.3  # taken to be known: the table that an encoder would start from
    first = np.exp(-np.abs(np.arange(-reach, reach + 1)) / scale) + 1e-4
    first *= STRENGTH / first.sum()
    counts = np.bincount(symbols + reach, minlength=len(first))
    likely = (gammaln(counts + first) - gammaln(first)).sum() + gammaln(STRENGTH)
    return float((gammaln(STRENGTH + len(symbols)) - likely) / np.log(2))


def sizes(image: Image.Image) -> tuple[int, int, int]:
    """Bytes of PNG, WebP and JPEG XL."""
    files = [io.BytesIO(), io.BytesIO()]
    image.save(files[0], "PNG", optimize=True)
    image.save(files[1], "WEBP", lossless=True, quality=100, method=6)
    jpeg_xl = imagecodecs.jpegxl_encode(np.asarray(image), lossless=True, effort=9)
    return len(files[0].getvalue()), len(files[1].getvalue()), len(jpeg_xl)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--limit", type=int, default=8)
    parser.add_argument("--step", type=int, default=68)
    a = parser.parse_args()
    print(
        "| crop | PNG | WebP | JPEG XL | file + rest | against WebP |\n| --- | --- | --- | --- | --- | --- |"
    )
    more = []
    for file in sorted(a.folder.iterdir())[: a.limit]:
        image = centre_crop(read_image(file).convert("RGB"), SIDE)
        side = Encoder(Picture.of(image), at_step(a.step), Context(psc.load_prior()))
        side.session.run(len(side.session.plan.rounds))
        mean, deviation = mean_and_deviation(side.session)
        ours, left = len(side.file()), rest(image, to_image(mean), deviation.double().numpy()) / 8
        png, webp, jpeg_xl = sizes(image)
        more.append(100 * ((ours + left) / webp - 1))
        total = f"{ours:,} + {left:,.0f} | {more[-1]:+.0f} %"
        print(f"| {file.stem} | {png:,} | {webp:,} | {jpeg_xl:,} | {total} |", flush=True)
    print(f"mean: {np.mean(more):+.1f} %")


if __name__ == "__main__":
    main()
