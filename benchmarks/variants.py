"""Variants of the codec against each other, at fixed steps: what benchmarks.draws and full_basis share."""

import argparse
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import psc
from benchmarks.crops import centre_crop
from benchmarks.efforts import mean_and_error
from psc.evaluate.bd import bd_rate
from psc.images.opening import read_image
from psc.images.pixels import psnr
from psc.plan.presets import at_step

SIDE = 256


def compare(doc: str | None, variants: dict[str, Callable[[], AbstractContextManager[None]]]) -> None:
    """BD-rates against the first variant: centre crops, the default plan, the mean restoration."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--steps", type=int, nargs="+", default=[140, 128, 116, 104])
    parser.add_argument("--effort", type=int, default=5)
    a = parser.parse_args()
    prior, reference = psc.load_prior(), next(iter(variants))
    rates: dict[str, list[float]] = {name: [] for name in variants}
    for file in sorted(a.folder.iterdir())[:: a.every]:
        image, curves = centre_crop(read_image(file).convert("RGB"), SIDE), {}
        for name, variant in variants.items():
            with variant():
                found = [psc.simulate(image, at_step(s, effort=a.effort), prior=prior) for s in a.steps]
            curves[name] = [(8 * len(data) / SIDE**2, psnr(image, out.image)) for data, out in found]
            rate = bd_rate(curves[reference], curves[name])
            if rate is not None:
                rates[name].append(rate)
        print(file.name, {name: f"{found[-1]:+.1f} %" for name, found in rates.items() if found}, flush=True)
    for name, found in rates.items():
        print(f"{name}: {mean_and_error(found)}")
