"""The published scheme (preset ``paper``) against the default one, on the same prior and 64x64 crops.

    python -m benchmarks.paper DIR --images 1 5 13 23 --out benchmarks/results/paper.jsonl

Whole-file bytes, PSNR of the mean restoration over RGB after rounding to 8 bits. Prints both curves (mean
over the pictures) and the BD-rate: the mean difference of log rate over the common range of PSNR, between
the points interpolated linearly. Lines that are in --out already are not computed again.
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image

import psc
from benchmarks.curves import Curve, bd_rate
from benchmarks.kodak import centre_crop, ours
from psc.plan.presets import PAPER


def choices(paper_rounds: list[int], qualities: list[int]) -> dict[tuple[str, int], psc.Settings]:
    out = {("paper", rounds): psc.Settings(PAPER, rounds, 0) for rounds in paper_rounds}
    return out | {("default", quality): psc.settings(quality) for quality in qualities}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder")
    parser.add_argument("--images", type=int, nargs="*", default=[1, 5, 13, 23])
    parser.add_argument("--paper-rounds", type=int, nargs="*", default=[8, 16, 32, 48])
    parser.add_argument("--qualities", type=int, nargs="*", default=[44, 52, 60, 68, 76])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", default="benchmarks/results/paper.jsonl")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    out = Path(arguments.out)
    out.parent.mkdir(parents=True, exist_ok=True)
    rows = [json.loads(x) for x in out.read_text().splitlines()] if out.exists() else []
    prior = psc.load_prior()
    paths = sorted(Path(arguments.folder).glob("*.png"))
    for number in arguments.images:
        image = centre_crop(Image.open(paths[number - 1]).convert("RGB"), 64)
        for (preset, rate), chosen in choices(arguments.paper_rounds, arguments.qualities).items():
            if any((r["image"], r["preset"], r["rate"]) == (number, preset, rate) for r in rows):
                continue
            row = {"image": number, "preset": preset, "rate": rate} | ours(
                image, chosen, prior, simulate=True
            )
            rows.append(row)
            with out.open("a") as file:
                file.write(json.dumps(row) + "\n")
            print(number, preset, rate, row["bytes"], round(row["psnr"], 2), file=sys.stderr, flush=True)
    report([r for r in rows if r["image"] in arguments.images])


def report(rows: list[dict]) -> None:
    curves: dict[str, Curve] = {}
    print("| preset | setting | bpp | dB | NFE |\n| --- | --- | --- | --- | --- |")
    for preset, rate in sorted({(r["preset"], r["rate"]) for r in rows}):
        some = [r for r in rows if (r["preset"], r["rate"]) == (preset, rate)]
        bpp, psnr = np.mean([r["bytes"] * 8 / 4096 for r in some]), np.mean([r["psnr"] for r in some])
        nfe = np.mean([r["nfe"] for r in some], axis=0)
        curves.setdefault(preset, []).append((bpp, psnr))
        print(f"| {preset} | {rate} | {bpp:.3f} | {psnr:.2f} | {nfe[0]:.0f} + {nfe[1]:.0f} |")
    if len(curves) == 2:
        print(f"\nBD-rate of default against paper: {bd_rate(curves['paper'], curves['default']):.1f} %")


if __name__ == "__main__":
    main()
