"""What the draws' statistics are worth: noises that sum to zero, evaluations of mirror images.

    python -m benchmarks.draws DIR --every 4 --steps 140 116

Centre crops of 256x256 of a folder's pictures, the default plan at fixed steps, mean restoration from the
encoder's session. BD-rates against independent noise and no mirrors, with their standard errors. Nothing is
refitted.
"""

import argparse
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from unittest import mock

import psc
from benchmarks.crops import centre_crop
from benchmarks.efforts import mean_and_error
from psc.evaluate.bd import bd_rate
from psc.images.opening import read_image
from psc.images.pixels import psnr
from psc.plan.presets import at_step
from psc.posterior import Draw
from psc.session.particles import Particles

VARIANTS = {"independent": (False, False), "centred": (True, False), "centred, mirrored": (True, True)}


@contextmanager
def drawn(centred: bool, mirrored: bool) -> Iterator[None]:
    """Draw with or without either."""
    describe = Particles._describe
    with ExitStack() as stack:
        if not centred:
            stack.enter_context(
                mock.patch.object(
                    Particles, "_describe", lambda self, *args: replace(describe(self, *args), of=1)
                )
            )
        if not mirrored:
            stack.enter_context(mock.patch.object(Draw, "mirrored", lambda *args: [False] * len(args[-1])))
        yield


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--steps", type=int, nargs="+", default=[140, 128, 116, 104])
    parser.add_argument("--effort", type=int, default=5)
    a = parser.parse_args()
    prior, rates = psc.load_prior(), {name: [] for name in VARIANTS}
    for file in sorted(a.folder.iterdir())[:: a.every]:
        image, curves = centre_crop(read_image(file).convert("RGB"), 256), {}
        for name, switches in VARIANTS.items():
            with drawn(*switches):
                found = [psc.simulate(image, at_step(s, effort=a.effort), prior=prior) for s in a.steps]
            curves[name] = [(8 * len(data) / 256**2, psnr(image, out.image)) for data, out in found]
            rate = bd_rate(curves["independent"], curves[name])
            if rate is not None:
                rates[name].append(rate)
        print(file.name, {name: f"{found[-1]:+.1f} %" for name, found in rates.items()}, flush=True)
    for name, found in rates.items():
        print(f"{name}: {mean_and_error(found)}")


if __name__ == "__main__":
    main()
