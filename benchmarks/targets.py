"""Targets met, what they cost, and what a cut file loses.

    python -m benchmarks.targets DIR --bpp 0.05 0.1 0.2 0.4     files of given sizes
    python -m benchmarks.targets DIR --psnr 24 28               pictures of a given PSNR
    python -m benchmarks.targets DIR --steps 150 140 130 120    files of fixed steps, the yardstick
    python -m benchmarks.targets DIR --halve 140 120            those, cut to half their bytes and decoded
    python -m benchmarks.targets DIR --progressive 140 120      such files, of the preset progressive
    python -m benchmarks.targets DIR --table

Centre crops of a folder's pictures; one JSON line each, and lines that are there already are not computed
again. Cost: network evaluations of all attempts over those of one plain encode. Mean restorations, from the
encoder's session but for the halves, which are decoded. The table has other codecs' files nearest in size.
"""

import argparse
import functools
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image

import psc
from benchmarks.baselines import nearest, others
from benchmarks.crops import Curve, centre_crop
from benchmarks.lines import Row, append, rows
from psc.evaluate.bd import bd_rate
from psc.images.opening import read_image
from psc.images.picture import Picture
from psc.images.pixels import psnr, to_image, to_tensor
from psc.plan.plan import OCTAVE, Settings
from psc.plan.presets import BEST_STEP, DEFAULT, PROGRESSIVE, at_step
from psc.prior import Prior
from psc.rate import control
from psc.session.context import Context
from psc.session.restore import restore

KINDS = ("bpp", "psnr", "steps", "halve", "progressive")
PLAIN = DEFAULT.nfe(len(DEFAULT.rounds))


class Cost:
    """Remembers the last network evaluations reported."""

    nfe = 0.0

    def __call__(self, now: object) -> None:
        self.nfe = now.nfe


def targeted(image: Image.Image, kind: str, value: float, prior: Prior) -> Row:
    picture, cost = Picture(to_tensor(image)), Cost()
    start, context = at_step(BEST_STEP), Context(prior, cost)
    if kind == "bpp":
        found = control.to_size(picture, int(value * image.width * image.height / 8), start, context)
    else:
        found = control.to_psnr(picture, value, start, context)
    spent = cost.nfe / PLAIN
    decoded = to_image(restore(found.session))
    return {"bytes": len(found.data), "psnr": psnr(decoded, image), "cost": spent, "excess": found.excess}


def fixed(image: Image.Image, value: float, prior: Prior) -> Row:
    data, decoded = psc.simulate(image, at_step(int(value)), prior=prior)
    return {"bytes": len(data), "psnr": psnr(decoded.image, image)}


def halved(image: Image.Image, value: float, prior: Prior) -> Row:
    return _half(psc.encode_with(image, at_step(int(value)), prior=prior), image, prior)


def progressive(image: Image.Image, value: float, prior: Prior) -> Row:
    chosen = Settings(PROGRESSIVE, len(PROGRESSIVE.rounds), int(value) + OCTAVE)
    data, decoded = psc.simulate(image, chosen, prior=prior)
    whole = {"whole_bytes": len(data), "whole_psnr": psnr(decoded.image, image)}
    return whole | _half(data, image, prior)


def _half(data: bytes, image: Image.Image, prior: Prior) -> Row:
    half = psc.truncate(data, size=len(data) // 2)
    return {"bytes": len(half), "psnr": psnr(psc.decode(half, prior=prior), image)}


def measure(a: argparse.Namespace) -> None:
    done = {(r["image"], r["kind"], r["target"]) for r in rows(a.out)}
    prior = psc.load_prior()
    files = sorted(p for p in a.folder.iterdir() if p.suffix in (".png", ".jpg"))
    files = [files[n - 1] for n in a.images] if a.images else files
    wanted = [(kind, value) for kind in KINDS for value in getattr(a, kind)]
    for kind, value in wanted:
        for file in files:
            if (file.name, kind, value) in done:
                continue
            image = centre_crop(read_image(file).convert("RGB"), a.crop)
            start = time.perf_counter()
            work = {"steps": fixed, "halve": halved, "progressive": progressive}.get(kind)
            found = work(image, value, prior) if work else targeted(image, kind, value, prior)
            found |= {"image": file.name, "kind": kind, "target": value, "pixels": a.crop**2}
            found["seconds"] = time.perf_counter() - start
            append(a.out, found)


def curve(some: list[dict], kind: str, key: str = "") -> dict[float, tuple[float, float]]:
    """Points (bpp, PSNR) of one picture's rows, by target; key: whole_ for whole files instead of halves."""
    return {
        r["target"]: (8 * r[key + "bytes"] / r["pixels"], r[key + "psnr"]) for r in some if r["kind"] == kind
    }


def table(a: argparse.Namespace) -> None:
    found = rows(a.out)
    for kind, target in sorted({(r["kind"], r["target"]) for r in found}):
        some = [r for r in found if (r["kind"], r["target"]) == (kind, target)]
        bpp, db = np.mean([(8 * r["bytes"] / r["pixels"], r["psnr"]) for r in some], axis=0)
        line = f"{kind} {target:g}: {len(some)} pictures, {bpp:.4f} bpp {db:.2f} dB"
        if kind == "bpp":
            fill = [r["bytes"] / int(target * r["pixels"] / 8) for r in some]
            line += f", of the size {100 * min(fill):.1f} to {100 * max(fill):.1f} %"
        if kind == "psnr":
            over = [r["psnr"] - target for r in some]
            line += f", exceeded by {min(over):.2f} to {max(over):.2f} dB"
        if kind in ("bpp", "psnr"):
            cost = [r["cost"] for r in some]
            line += f", cost {np.mean(cost):.2f} (most {max(cost):.2f})"
        print(line)
        if kind == "bpp":
            _print_others(a, some)
    images = sorted({r["image"] for r in found})
    of = {name: [r for r in found if r["image"] == name] for name in images}
    whole = [n for n in images if len(curve(of[n], "steps")) > 2]
    rates = [
        rate
        for n in whole
        if curve(of[n], "bpp") and (rate := _bd(curve(of[n], "steps"), curve(of[n], "bpp"))) is not None
    ]
    if rates:
        print(f"BD-rate of targets against fixed steps: {np.mean(rates):+.1f} % ({len(rates)} pictures)")
    for kind, key in (("halve", ""), ("progressive", ""), ("progressive", "whole_")):
        losses = [x for n in whole for x in _losses(curve(of[n], "steps"), curve(of[n], kind, key))]
        if losses:
            what = f"{kind}, {key or 'half'}: below files of that size"
            print(f"{what}: mean {np.mean(losses):.2f} dB, most {max(losses):.2f} dB")


@functools.cache
def _others(file: Path, crop: int) -> dict[str, list[tuple[int, float]]]:
    return others(centre_crop(read_image(file).convert("RGB"), crop))


def _print_others(a: argparse.Namespace, some: list[dict]) -> None:
    points: dict[str, list[tuple[int, float]]] = {}
    for row in some:
        for name, curve in _others(a.folder / row["image"], a.crop).items():
            points.setdefault(name, []).append(nearest(curve, row["bytes"]))
    for name, nearby in points.items():
        size, db = np.mean(nearby, axis=0)
        print(f"    {name}: {8 * size / a.crop**2:.4f} bpp {db:.2f} dB")


def _bd(anchor: dict, test: dict) -> float | None:
    return bd_rate(list(anchor.values()), list(test.values()))


def _losses(whole: dict[float, tuple[float, float]], halves: dict) -> list[float]:
    points: Curve = sorted(whole.values())
    rates, qualities = np.log([p[0] for p in points]), [p[1] for p in points]
    return [float(np.interp(np.log(bpp), rates, qualities)) - db for bpp, db in halves.values()]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    for kind in KINDS:
        parser.add_argument(f"--{kind}", type=float, nargs="*", default=[])
    parser.add_argument("--images", type=int, nargs="*", help="numbers of pictures, from 1 (default: all)")
    parser.add_argument("--crop", type=int, default=256)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--table", action="store_true")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/targets.jsonl"))
    a = parser.parse_args()
    torch.set_num_threads(a.threads)
    (table if a.table else measure)(a)


if __name__ == "__main__":
    main()
