"""Priors compared: denoising error against the noise level, and the codec's rate and distortion, on val.

    python -m training.compare --data ../shared/data/photos WEIGHTS ... [--codec 12]

WEIGHTS: a checkpoint.pt (its average), a .safetensors of floats or integers, a folder with one in parts, or
the word embedded; with --integers floats are rounded, without fine-tuning. The codec runs on the centre
crops, 128x128, of the first val pictures; BD-rates are against the first WEIGHTS, from whole files and the
mean restoration.
"""

import argparse
from pathlib import Path

import numpy as np

import psc
from psc.evaluate.bd import bd_rate
from psc.evaluate.run import read
from psc.images.pixels import psnr
from psc.plan.noise_levels import sigma
from psc.prior import Prior
from training.priors import prior
from training.validate import LEVELS, errors

Curve = list[tuple[float, float]]

QUALITIES = (32, 40, 50)
CROP = 128


def curve(model: Prior, folder: Path, count: int) -> Curve:
    """Mean (bpp, PSNR) at QUALITIES."""
    pictures = [read(folder, file.name, CROP) for file in sorted(folder.iterdir())[:count]]
    points = []
    for quality in QUALITIES:
        found = [psc.simulate(p, psc.settings(quality), prior=model) for p in pictures]
        bits = [8 * len(data) / CROP**2 for data, _ in found]
        quality_db = [psnr(p, decoded.image) for p, (_, decoded) in zip(pictures, found, strict=True)]
        points.append((float(np.mean(bits)), float(np.mean(quality_db))))
    return points


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("weights", nargs="+")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--codec", type=int, default=0, help="how many pictures to compress")
    parser.add_argument("--integers", action="store_true")
    a = parser.parse_args()
    print("sigma: " + " ".join(f"{sigma(j):.2f}" for j in LEVELS))
    first: Curve = []
    for file in a.weights:
        model = prior(file, calibrate_on=a.data if a.integers else None)
        for scale, row in errors(lambda x, j, s: model.denoise(x, sigma(j), s), a.data / "val").items():  # noqa: B023
            print(f"{file} scale {scale:>2}: {' '.join(f'{value:.2f}' for value in row)}", flush=True)
        if a.codec:
            found = curve(model, a.data / "val", a.codec)
            first = first or found
            points = ", ".join(f"{bpp:.4f} bpp {db:.2f} dB" for bpp, db in found)
            rate = bd_rate(first, found)
            told = "none: the curves share no PSNR" if rate is None else f"{rate:+.1f} %"
            print(f"{file}: {points}; BD-rate {told}", flush=True)


if __name__ == "__main__":
    main()
