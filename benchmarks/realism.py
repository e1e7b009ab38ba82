"""Which sample is the most natural picture of a file: samplers, noise levels that they start from, steps.

    python -m benchmarks.realism DIR [DIR ...] --every 3 --step 128

Centre crops of 256x256 of every so many of the folders' photographs, each encoded once by the default plan at
a quantiser step; every variant restores from the encoder's session, which is the decoder's by construction.
PSNR and ST-LPIPS are means over the crops, the distance is fd-efficientnet of psc.evaluate.frechet over all
patches. SAMPLER LEVEL x STEPS: from the particles at noise level LEVEL at least (HIGHEST: from pure noise) in
so many steps.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image

import psc
from benchmarks.crops import centre_crop
from psc.evaluate import st_lpips
from psc.evaluate.frechet import efficientnet, frechet
from psc.images.opening import read_image
from psc.images.picture import Picture
from psc.images.pixels import psnr, to_image
from psc.plan.noise_levels import HIGHEST
from psc.plan.presets import at_step
from psc.posterior import Sampler, ddrm, multistep, pigdm
from psc.session.context import Context
from psc.session.encoder import Encoder
from psc.session.particles import Sampling
from psc.session.restore import drawn, restore
from psc.session.session import Session

SIDE = 256
VARIANTS: tuple[tuple[Sampler, int, int], ...] = (
    (ddrm.draw, 50, 3), (ddrm.draw, 62, 8), (ddrm.draw, HIGHEST, 20),
    (multistep.draw, 50, 4), (multistep.draw, 53, 6), (multistep.draw, 56, 6), (multistep.draw, 56, 8),
    (multistep.draw, 59, 10), (multistep.draw, 62, 12), (multistep.draw, 74, 16),
    (pigdm.draw, 56, 8), (pigdm.draw, 62, 12),
)  # fmt: skip


def restorations(session: Session) -> Iterator[tuple[str, torch.Tensor]]:
    """The mean, then every variant: its name and the picture."""
    yield "mean", restore(session)
    for sampler, lowest, steps in VARIANTS:
        name = sampler.__module__.rpartition(".")[2]
        yield f"{name} {lowest} x {steps}", drawn(session, sampler, Sampling(steps, lowest=lowest))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--step", type=int, default=128)
    parser.add_argument("--pictures", type=Path, help="a folder for what comes out, as PNG")
    a = parser.parse_args()
    prior, rates, originals = psc.load_prior(), list[float](), list[np.ndarray]()
    figures: dict[str, list[tuple[float, float]]] = {}
    features: dict[str, list[np.ndarray]] = {}
    for file in [f for folder in a.folders for f in sorted(folder.iterdir())][:: a.every]:
        image = centre_crop(read_image(file).convert("RGB"), SIDE)
        side = Encoder(Picture.of(image), at_step(a.step), Context(prior))
        side.session.run(len(side.session.plan.rounds))
        rates.append(8 * len(side.file()) / SIDE**2)
        originals.append(efficientnet(image))
        for name, x in restorations(side.session):
            picture = to_image(x[:, :SIDE, :SIDE])
            figures.setdefault(name, []).append((psnr(image, picture), st_lpips.st_lpips(image, picture)))
            features.setdefault(name, []).append(efficientnet(picture))
            _kept(a.pictures, f"{file.stem} {name}", picture)
        _kept(a.pictures, f"{file.stem} original", image)
        print(file.name, f"{rates[-1]:.3f} bpp", flush=True)
        table(figures, originals, features)
    print(f"{len(rates)} crops, {np.mean(rates):.4f} bpp")


def table(
    figures: dict[str, list[tuple[float, float]]],
    originals: list[np.ndarray],
    features: dict[str, list[np.ndarray]],
) -> None:
    """A line for each variant: means so far."""
    for name, pairs in figures.items():
        decibels, distance = np.mean(pairs, 0)
        far = frechet(np.concatenate(originals), np.concatenate(features[name]))
        print(f"| {name} | {decibels:.2f} | {distance:.4f} | {far:.0f} |", flush=True)


def _kept(folder: Path | None, name: str, picture: Image.Image) -> None:
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        picture.save(folder / f"{name}.png")


if __name__ == "__main__":
    main()
