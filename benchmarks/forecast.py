"""Where the constants of psc.forecast come from.

    python -m benchmarks.forecast FOLDER --limit 20 --steps 152 136 128 120 108

Encodes 128x128 centre crops of validation photographs with several steps and fits, level by level and in
logarithms, bits and squared error to what the forecast computes from the picture: v within pictures, u over
all of them. Also: how a level's misjudgement goes on in the next finer one (SPILL).
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

import psc
from benchmarks.kodak import centre_crop
from psc import forecast
from psc.images import read_image, to_tensor
from psc.plan import DEFAULT, at_step
from psc.prior import Prior
from psc.restore import restore
from psc.sides import encoder, silent

LEVELS = len(DEFAULT.levels)


def outcomes(picture: torch.Tensor, step: int, prior: Prior) -> NDArray[np.float64]:
    """(2, levels): bits and squared error that each level has, the error after restoration."""
    settings = at_step(step)
    side = encoder(picture, settings, prior, silent)
    found, before = np.zeros((2, LEVELS)), 0
    for level, rounds in settings.by_level():
        for _ in range(rounds):
            side.step()
        found[0, level] = side.writer.bits - before
        before = side.writer.bits
    truth = side.session.pyramid.decompose(picture[None])
    last = side.session.pyramid.decompose(restore(side.session)[None])
    found[1] = [float(((a - b) ** 2).sum()) for a, b in zip(truth, last, strict=True)]
    return found


def features(picture: torch.Tensor, step: int) -> NDArray[np.float64]:
    """(2, levels): the forecast's b and d, before any constants (u = 0, v = 1)."""
    plain = ((0.0, 1.0),) * LEVELS
    forecast.BITS, forecast.ERROR = plain, plain
    found = forecast.Forecast(picture).outcome(step)
    return np.stack([found.bits, found.error]) / picture[0].numel()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--limit", type=int, default=20)
    parser.add_argument("--steps", type=int, nargs="*", default=[152, 136, 128, 120, 108])
    a = parser.parse_args()
    prior = psc.load_prior()
    x, y = [], []  # (pictures, steps, 2, levels)
    for file in sorted(a.folder.iterdir())[: a.limit]:
        picture = to_tensor(centre_crop(read_image(file).convert("RGB"), 128))
        x.append([features(picture, step) for step in a.steps])
        y.append([outcomes(picture, step, prior) / picture[0].numel() for step in a.steps])
        print(file.name, file=sys.stderr, flush=True)
    report(np.log2(np.array(x)), np.log2(np.array(y)))


def report(x: NDArray[np.float64], y: NDArray[np.float64]) -> None:
    within_x, within_y = x - x.mean(1, keepdims=True), y - y.mean(1, keepdims=True)
    v = (within_x * within_y).sum((0, 1)) / (within_x * within_x).sum((0, 1))
    off = (y - v * x).mean(1)
    for kind, name in enumerate(("bits", "error")):
        pairs = ", ".join(f"({off[:, kind, k].mean():.2f}, {v[kind, k]:.2f})" for k in range(LEVELS))
        spill = [np.polyfit(off[:, kind, k + 1], off[:, kind, k], 1)[0] for k in range(LEVELS - 1)]
        print(f"{name}: (u, v) = {pairs}; spill {np.round(spill, 2)}")


if __name__ == "__main__":
    main()
