"""How well priors remove Gaussian noise, beside published denoisers: mean PSNR over a folder of pictures.

    python -m benchmarks.denoise ../shared/data/kodak
    python -m benchmarks.denoise ../shared/data/kodak RUN/checkpoint.pt embedded --sigmas 15 25 50

WEIGHTS: embedded (the default), a checkpoint.pt (its average), a .safetensors of floats or of integers, or a
folder with one in parts; see training.priors. Sigmas are in units of 1/255 of the pixels' range; the noise
has exactly these, and the prior is told the nearest of its noise levels, which is printed. Noise is the same
for every prior, and not clipped; what comes out is clipped to [0, 1], not rounded. PSNR is over RGB, the mean
of the pictures'.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from training.data import files
from training.priors import prior

from psc.images.opening import read_image
from psc.plan.noise_levels import HIGHEST, LOWEST, sigma
from psc.prior import Prior

SIGMAS = (15.0, 25.0, 50.0, 75.0)
PUBLISHED = {
    "CBM3D": {15: 34.28, 25: 32.15, 50: 28.46},
    "DnCNN": {15: 34.60, 25: 32.14, 50: 28.95},
    "FFDNet": {15: 34.63, 25: 32.13, 50: 28.98},
    "DRUNet": {15: 35.31, 25: 32.89, 50: 29.86},
}
"""Colour, on the 24 Kodak pictures (from DRUNet's paper: Zhang et al., 2021, table 3)."""


def nearest(value: float) -> int:
    """The noise level whose sigma is nearest to ``value`` / 255; pixels are in [-1, 1] there."""
    return min(range(LOWEST, HIGHEST + 1), key=lambda j: abs(units(j) - value))


def units(level: int) -> float:
    """A level's sigma in units of 1/255 of the pixels' range."""
    return 255 * sigma(level) / 2


def picture(file: Path, multiple: int) -> torch.Tensor:
    """(1, 3, H, W) in [-1, 1], without the last rows and columns if a prior's multiple wants that."""
    pixels = np.asarray(read_image(file).convert("RGB"))
    height, width = (side // multiple * multiple for side in pixels.shape[:2])
    return torch.from_numpy(pixels[:height, :width].copy()).permute(2, 0, 1)[None].float() / 127.5 - 1


def denoised_psnr(model: Prior, x: torch.Tensor, value: float, seed: int) -> float:
    """PSNR in dB of one picture that had noise of ``value`` / 255."""
    noise = torch.randn(x.shape, generator=torch.Generator().manual_seed(seed))
    noisy = (x + 2 * value / 255 * noise).to(model.device)
    error = model.denoise(noisy, sigma(nearest(value))).cpu().clamp(-1, 1) - x
    return float(10 * torch.log10(4 / error.square().mean()))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("weights", nargs="*", default=["embedded"])
    parser.add_argument("--sigmas", type=float, nargs="+", default=SIGMAS)
    parser.add_argument("--every", type=int, default=1, help="take every n-th picture")
    parser.add_argument("--device", default="cpu")
    a = parser.parse_args()
    print("| prior | " + " | ".join(f"{v:g} (told {units(nearest(v)):.1f})" for v in a.sigmas) + " |")
    print("| --- " * (1 + len(a.sigmas)) + "|")
    for name, row in PUBLISHED.items():
        print(f"| {name} | " + " | ".join(f"{row[v]:.2f}" if v in row else "" for v in a.sigmas) + " |")
    for name in a.weights:
        model = prior(name, a.device)
        pictures = [picture(file, model.multiple) for file in files([a.folder])[:: a.every]]
        rows = [[denoised_psnr(model, x, v, seed) for v in a.sigmas] for seed, x in enumerate(pictures)]
        print(f"| {name} | " + " | ".join(f"{v:.2f}" for v in np.mean(rows, axis=0)) + " |", flush=True)


if __name__ == "__main__":
    main()
