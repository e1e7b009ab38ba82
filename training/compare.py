"""Priors compared: denoising error against the noise level, and the codec's rate and distortion, on val.

    python -m training.compare --data ../shared/data/photos WEIGHTS ... [--codec 12]

WEIGHTS: a checkpoint.pt (its average, in float32; with --integers rounded without fine-tuning) or a
.safetensors of integers. The codec runs on the centre crops, 128x128, of the first val pictures; BD-rates are
against the first WEIGHTS, from whole files and the mean restoration.
"""

import argparse
import hashlib
from pathlib import Path

import numpy as np
import torch
from benchmarks.curves import Curve, bd_rate
from benchmarks.kodak import centre_crop
from safetensors.torch import save

import psc
from psc.images import psnr, read_image
from psc.levels import HIGHEST, LOWEST, sigma
from psc.prior import Prior
from psc.prior.embedded import EmbeddedPrior
from psc.prior.network import SCALES, Shape, scale_above
from training.data import Patches, mapped
from training.integers import calibrate, exported
from training.network import Net
from training.train import CALIBRATION, PIXELS
from training.validate import LEVELS, errors

QUALITIES = (32, 40, 50)
CROP = 128
INDEX = {sigma(j): j for j in range(LOWEST, HIGHEST + 1)}


class FloatPrior:
    """A trained network before it is rounded, as a prior for experiments."""

    name, channels, factor, exact, native_size = "float", 3, 1, False, 64
    sigma_min, sigma_max = sigma(LOWEST), sigma(HIGHEST)
    device = torch.device("cpu")

    def __init__(self, net: Net, fingerprint: bytes) -> None:
        self.net, self.fingerprint, self.multiple = net.eval(), fingerprint, net.shape.multiple

    def denoise(self, x: torch.Tensor, sigma: float, scale: int = 1) -> torch.Tensor:
        level = torch.full((len(x),), INDEX[sigma])
        with torch.inference_mode():
            return self.net(x, level, torch.full_like(level, SCALES.index(scale_above(scale))))


def prior(file: Path, integers: bool, data: Path) -> Prior:
    """What a weights file holds."""
    if file.suffix == ".safetensors":
        return EmbeddedPrior(file.read_bytes(), torch.device("cpu"))
    state = torch.load(file, weights_only=True, map_location="cpu")
    shape = Shape(**{k: tuple(v) if isinstance(v, list) else v for k, v in state["shape"].items()})
    net = Net(shape).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    net.load_state_dict(state["average"])
    if integers:
        calibrate(net, Patches(mapped([data / "train"], data), PIXELS, 0), CALIBRATION)
        return EmbeddedPrior(save(exported(net)), torch.device("cpu"))
    return FloatPrior(net, hashlib.sha256(file.read_bytes()).digest())


def curve(model: Prior, folder: Path, count: int) -> Curve:
    """Mean (bpp, PSNR) at QUALITIES."""
    pictures = [centre_crop(read_image(f).convert("RGB"), CROP) for f in sorted(folder.iterdir())[:count]]
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
    parser.add_argument("weights", type=Path, nargs="+")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--codec", type=int, default=0, help="how many pictures to compress")
    parser.add_argument("--integers", action="store_true")
    a = parser.parse_args()
    print("sigma: " + " ".join(f"{sigma(j):.2f}" for j in LEVELS))
    first: Curve = []
    for file in a.weights:
        model = prior(file, a.integers, a.data)
        for scale, row in errors(lambda x, j, s: model.denoise(x, sigma(j), s), a.data / "val").items():  # noqa: B023
            print(f"{file} scale {scale:>2}: {' '.join(f'{value:.2f}' for value in row)}", flush=True)
        if a.codec:
            found = curve(model, a.data / "val", a.codec)
            first = first or found
            points = ", ".join(f"{bpp:.4f} bpp {db:.2f} dB" for bpp, db in found)
            print(f"{file}: {points}; BD-rate {bd_rate(first, found):+.1f} %", flush=True)


if __name__ == "__main__":
    main()
