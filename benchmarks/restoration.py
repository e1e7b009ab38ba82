"""What the mean restoration's numbers are worth: steps, samples, noise levels; PSNR from the same files.

    python -m benchmarks.restoration VAL VAL2 --every 7 --steps 148 132 116

Centre crops of 256x256 at the default effort. A variant is steps x samples, from a noise level
(psc.plan.noise_levels) down to another one; the noises of its samples sum to zero.
"""

import argparse
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import psc
from benchmarks.crops import centre_crop
from benchmarks.efforts import mean_and_error
from psc.images.opening import read_image
from psc.images.picture import Picture
from psc.images.pixels import psnr, to_image
from psc.plan.presets import at_step
from psc.session.context import Context
from psc.session.encoder import Encoder
from psc.session.restore import CARRIED, mean_of, restore

SIDE = 256
BEFORE = replace(CARRIED, steps=3, count=None, of=None, lowest=50, end=32)
"""All of the plan's samples in three steps."""
VARIANTS = {"before": BEFORE} | {
    f"{steps} x {count}, {high} to {low}": replace(
        CARRIED, steps=steps, count=count, of=count, lowest=high, end=low
    )
    for steps, count, high, low in (
        (2, 4, 50, 44), (3, 4, 50, 44), (4, 2, 52, 40), (5, 2, 48, 40), (5, 2, 52, 32), (5, 2, 52, 40),
        (5, 2, 52, 44), (5, 2, 56, 40), (5, 1, 52, 40), (6, 2, 52, 40), (8, 2, 52, 40), (8, 4, 52, 40),
    )
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--steps", type=int, nargs="+", default=[148, 132, 116])
    a = parser.parse_args()
    prior, gains = psc.load_prior(), defaultdict[str, list[float]](list)
    for file in [f for folder in a.folders for f in sorted(folder.iterdir())][:: a.every]:
        image = centre_crop(read_image(file).convert("RGB"), SIDE)
        for step in a.steps:
            side = Encoder(Picture.of(image), at_step(step), Context(prior))
            side.session.run(len(side.session.plan.rounds))
            usual = psnr(image, to_image(restore(side.session)[:, :SIDE, :SIDE]))
            for name, how in VARIANTS.items():
                picture = mean_of(side.session, how)[:, :SIDE, :SIDE]
                gains[name].append(psnr(image, to_image(picture)) - usual)
        print(file.name, {name: round(found[-1], 3) for name, found in gains.items()}, flush=True)
    for name, found in gains.items():
        print(f"| {name} | {mean_and_error(found, 3, 'dB')} |")


if __name__ == "__main__":
    main()
