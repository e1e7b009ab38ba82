"""Where the constants of psc.rate.tuning.ForecastTuning come from.

    python -m benchmarks.forecast FOLDER --every 4 --limit 20 --steps 152 136 128 120 108
    python -m benchmarks.forecast FOLDER --fit --steps 152 136 128 120 108      what is there already

Encodes centre crops of validation photographs with several steps; one JSON line each, and lines that are
there already are not computed again. Fits, level by level and in logarithms, bits and squared error to what
the forecast computes from the picture: v within pictures, u over all of them; how a level's misjudgement goes
on in the next finer one (bits_spill, error_spill); full resolution's bits to what its trial and the corrected
forecast promise after the coarser levels (trial); and the last round's bits to what a few of its samples
promise (last). Standard deviations of what remains are in octaves, but for last.
"""

import argparse
from dataclasses import replace
from pathlib import Path
from unittest import mock

import numpy as np
import torch
from numpy.typing import NDArray

import psc
from benchmarks.crops import centre_crop
from benchmarks.lines import Row, append, rows
from psc.images.opening import read_image
from psc.images.picture import Picture
from psc.images.pixels import to_tensor
from psc.plan.presets import DEFAULT, at_step
from psc.prior import Prior
from psc.rate import forecast
from psc.rate.attempt import QUICK
from psc.rate.last_rounds import last_trial
from psc.rate.tuning import FORECAST
from psc.session.context import Context
from psc.session.encoder import Encoder
from psc.session.restore import restore
from psc.session.round_coder import LONG_DIGEST_BITS

LEVELS = len(DEFAULT.levels)
KINDS = ("bits", "error")
Array = NDArray[np.float64]


def outcomes(picture: torch.Tensor, step: int, prior: Prior) -> Row:
    """Of each level, finest first: bits, squared error at its end (left) and after restoration; trials."""
    settings = at_step(step)
    side = Encoder(Picture(picture), settings, Context(prior))
    bits, left, before, trial, promise = [0] * LEVELS, [0.0] * LEVELS, 0, 0, 0
    for level, rounds in settings.by_level():
        for _ in range(rounds - 1):
            side.step()
        if level == 0:
            promise = last_trial(side.session)
        side.step()
        bits[level], before = side.writer.bits - before, side.writer.bits
        left[level] = side.session.errors()[0]
        if level == 1:
            trial = side.session.estimate_bits(QUICK)
    truth = side.session.pyramid.decompose(picture[None])
    last = side.session.pyramid.decompose(restore(side.session)[None])
    error = [float(((a - b) ** 2).sum()) for a, b in zip(truth, last, strict=True)]
    found = {"bits": bits, "left": left, "error": error, "trial": trial}
    return found | {"promise": promise, "last": side.last_bits - LONG_DIGEST_BITS}


def features(picture: torch.Tensor, step: int) -> Row:
    """The forecast's b and d of each level, before any constants (u = 0, v = 1), per pixel."""
    plain = ((0.0, 1.0),) * LEVELS
    with mock.patch.object(forecast, "FORECAST", replace(FORECAST, bits=plain, error=plain)):
        found = forecast.Forecast(picture).outcome(step)
    return {"b": list(found.bits / picture[0].numel()), "d": list(found.error / picture[0].numel())}


def measure(a: argparse.Namespace) -> None:
    done = {(r["image"], r["pixels"], r["step"]) for r in rows(a.out)}
    prior = psc.load_prior()
    files = sorted(p for p in a.folder.iterdir() if p.suffix in (".png", ".jpg"))
    for file in files[:: a.every][: a.limit]:
        for step in a.steps:
            if (file.name, a.crop**2, step) in done:
                continue
            picture = to_tensor(centre_crop(read_image(file).convert("RGB"), a.crop))
            row = {"image": file.name, "pixels": a.crop**2, "step": step}
            row |= features(picture, step) | outcomes(picture, step, prior)
            append(a.out, row)


def logarithms(found: list[list[dict]], *keys: str) -> Array:
    """log2 of what the rows have, counts and sums per pixel: (pictures, steps, keys, levels)."""
    by_pixel = [
        [[np.array(r[key]) / (1 if key in ("b", "d") else r["pixels"]) for key in keys] for r in some]
        for some in found
    ]
    return np.log2(np.array(by_pixel))


def report(a: argparse.Namespace) -> None:
    """The fields of psc.rate.tuning.ForecastTuning, from the pictures that have all steps."""
    at = {(r["image"], r["step"]): r for r in rows(a.out) if r["pixels"] == a.crop**2}
    names = sorted({name for name, _ in at if all((name, step) in at for step in a.steps)})
    found = [[at[name, step] for step in a.steps] for name in names]
    x, y = logarithms(found, "b", "d"), logarithms(found, "bits", "error")
    within_x, within_y = x - x.mean(1, keepdims=True), y - y.mean(1, keepdims=True)
    v = ((within_x * within_y).sum((0, 1)) / (within_x * within_x).sum((0, 1))).round(2)
    off = (y - v * x).mean(1)
    u = off.mean(0).round(2)
    print(f"# {len(names)} pictures, {a.crop}x{a.crop}, steps {a.steps}")
    spills = []
    for kind, name in enumerate(KINDS):
        pairs = ", ".join(f"({p:.2f}, {q:.2f})" for p, q in zip(u[kind], v[kind], strict=True))
        spills.append(tuple(slope(off[:, kind, k + 1], off[:, kind, k]) for k in range(LEVELS - 1)))
        print(f"{name} = ({pairs})  # {deviations((y - v * x - u)[:, :, kind])}")
    print(f"bits_spill, error_spill = {spills[0]}, {spills[1]}")
    ratios = (y[:, :, 1] - logarithms(found, "left")[:, :, 0])[..., 1:]
    print(f"later = {2 ** ratios.mean():.2f}  # {deviations(ratios)}, coarser levels")
    trial = np.log2([[max(r["trial"], 1) / r["pixels"] for r in some] for some in found])
    fit_trial(trial, corrected(x, y, np.stack([u[0], v[0]]), spills[0][0]), y[:, :, 0, 0], "constants above")
    present = np.array(FORECAST.bits).T
    fit_trial(trial, corrected(x, y, present, FORECAST.bits_spill[0]), y[:, :, 0, 0], "psc.rate.tuning's")
    fit_last([r for some in found for r in some])


def fit_last(found: list[dict]) -> None:
    """u and v with the least squared error in units of a file's bits."""
    t, last = (np.array([r[key] for r in found], float) for key in ("promise", "last"))
    pixels = np.array([r["pixels"] for r in found])
    bits = np.array([sum(r["bits"]) for r in found])
    choices = [(u, v) for u in np.arange(0.5, 2.5, 0.05) for v in np.arange(0.0005, 0.02, 0.0005)]
    off = [(((u * t * t / (t + v * pixels) - last) / bits) ** 2).mean() ** 0.5 for u, v in choices]
    (u, v), best = choices[int(np.argmin(off))], min(off)
    print(f"last = ({u:.2f}, {v:.4f})  # {100 * best:.1f} % of a file")


def corrected(x: Array, y: Array, constants: Array, spill: float) -> Array:
    """log2 of full resolution's forecast bits per pixel, once level 1 has been observed."""
    first = constants[0] + constants[1] * x[:, :, 0]
    return first[..., 0] + spill * (y[:, :, 0, 1] - first[..., 1])


def fit_trial(trial: Array, promised: Array, true: Array, which: str) -> None:
    a = np.stack([np.ones(trial.size), trial.ravel(), promised.ravel()], 1)
    found = np.linalg.lstsq(a, true.ravel())[0]
    left = [true.ravel() - a @ found, true.ravel() - a[:, 2]]
    alone = f"forecast alone: mean {left[1].mean():+.2f}, sd {left[1].std():.2f}"
    triple = ", ".join(f"{value:.2f}" for value in found)
    print(f"trial = ({triple})  # sd {left[0].std():.2f}; with {which}; {alone}")


def slope(coarser: Array, finer: Array) -> float:
    coarser = coarser - coarser.mean()
    return round(float((coarser * finer).sum() / max((coarser * coarser).sum(), 1e-12)), 1)


def deviations(left: Array) -> str:
    """Standard deviations of what remains (pictures, steps, levels), and of that within pictures."""
    every, within = left.std((0, 1)), (left - left.mean(1, keepdims=True)).std((0, 1))
    return "sd {}, within pictures {}".format(
        *(", ".join(f"{s:.2f}" for s in some) for some in (every, within))
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--limit", type=int, default=20)
    parser.add_argument("--every", type=int, default=1, help="take every Nth picture of the folder")
    parser.add_argument("--steps", type=int, nargs="*", default=[152, 136, 128, 120, 108])
    parser.add_argument("--crop", type=int, default=256)
    parser.add_argument("--fit", action="store_true", help="measure nothing")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/forecast.jsonl"))
    a = parser.parse_args()
    if not a.fit:
        measure(a)
    report(a)


if __name__ == "__main__":
    main()
