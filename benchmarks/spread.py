"""How far the samples' spread is from the truth, and what the symbols are.

    python -m benchmarks.spread FOLDER --limit 24 --steps 147 139 131 117 [--effort 5]

This is where the numbers of psc.bitstream.quantizer_constants come from. Encodes crops of the folder's
photographs, one step index after another, and prints for every round of a level the mean of |q| in units of
the predicted spread before calibration (the GAINS are 64 times that),
and for every class the share of zeros and the ratio of the geometric tail, in 1024ths (ZERO, RATIO). Use
validation photographs, never the ones that results are reported on.
"""

import argparse
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

import psc
from benchmarks.crops import centre_crop
from psc.bitstream.quantizer import UniformCoding
from psc.bitstream.rangecoder import Channel
from psc.bitstream.surroundings import MODELS, NOT_MEASURED
from psc.images.opening import read_image
from psc.images.picture import Picture
from psc.images.pixels import to_tensor
from psc.plan.plan import FULL_BASIS, Settings
from psc.plan.presets import DEFAULT_EFFORT, EFFORTS, at_step
from psc.prior import Prior
from psc.session.context import Context
from psc.session.encoder import Encoder

Sums = dict[tuple, NDArray[np.float64]]


class Recorder(UniformCoding):
    """A coding that adds up what it codes."""

    def __init__(self, step_index: int, rounds: Sums, classes: Sums) -> None:
        super().__init__(step_index)
        self.key: tuple = ()
        self._rounds, self._classes = rounds, classes

    def at(self, step: torch.Tensor) -> "Recorder":
        self.step = step
        return self  # a copy would not remember

    def context_of(self, variance: torch.Tensor, gain: int, least: int = NOT_MEASURED) -> NDArray[np.int64]:
        self._spread = (variance.sqrt() / self.step).numpy()
        return super().context_of(variance, gain, least)

    def code(self, channel: Channel, q: NDArray[np.int32], classes: NDArray[np.int8], across: int) -> tuple:
        measured = classes != NOT_MEASURED
        self._rounds[self.key] += [np.abs(q[measured]).sum(), self._spread[measured].sum()]
        for k in range(MODELS):
            some = np.abs(q[classes == k])
            self._classes[(k,)] += [len(some), (some == 0).sum(), np.minimum(some, 40).sum()]
        return super().code(channel, q, classes, across)


def record(picture: torch.Tensor, chosen: Settings, prior: Prior, rounds: Sums, classes: Sums) -> None:
    side = Encoder(Picture(picture), chosen, Context(prior))
    recorder = side.session._coder.coding = Recorder(chosen.step_index, rounds, classes)
    planned = chosen.plan.rounds
    for index, item in enumerate(planned):
        earlier = sum(done.level == item.level for done in planned[:index])
        recorder.key = (item.level, "full" if item.rows == FULL_BASIS else earlier)
        side.step()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder")
    parser.add_argument("--limit", type=int, default=24)
    parser.add_argument("--steps", type=int, nargs="*", default=[147, 139, 131, 117])
    parser.add_argument("--crop", type=int, default=256)
    parser.add_argument("--effort", type=int, choices=EFFORTS, default=DEFAULT_EFFORT)
    arguments = parser.parse_args()
    rounds: Sums = defaultdict(lambda: np.zeros(2))
    classes: Sums = defaultdict(lambda: np.zeros(3))
    paths = sorted(p for p in Path(arguments.folder).iterdir() if p.suffix in (".png", ".jpg"))
    prior = psc.load_prior()
    for number, path in enumerate(np.random.default_rng(7).permutation(paths)[: arguments.limit]):
        image = read_image(path).convert("RGB")
        if min(image.size) < arguments.crop:
            continue
        picture = to_tensor(centre_crop(image, arguments.crop))
        step = arguments.steps[number % len(arguments.steps)]
        record(picture, at_step(step, 0, arguments.effort), prior, rounds, classes)
        print(path.name, step, file=sys.stderr, flush=True)
    for (level, which), (truth, spread) in sorted(rounds.items(), key=str):
        if spread:
            print(f"level {level} round {which}: {truth / spread:.3f} ({64 * truth / spread:.0f} / 64)")
    for (k,), (count, zeros, total) in sorted(classes.items()):
        if count > zeros:
            share, ratio = zeros / count, 1 - (count - zeros) / total
            print(f"class {k}: {count:.0f} numbers, zero {1024 * share:.0f}, ratio {1024 * ratio:.0f}")


if __name__ == "__main__":
    main()
