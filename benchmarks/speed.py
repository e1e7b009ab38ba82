"""Seconds, network evaluations and peak memory of encoding and decoding, against size and rate.

    python -m benchmarks.speed PICTURE --sides 64 128 256 512 --qualities 43
    python -m benchmarks.speed PICTURE --sides 256 --qualities 10 30 50 70
    python -m benchmarks.speed PICTURE --sides 256 --efforts 1 5 9
    python -m benchmarks.speed PICTURE --sides 64 128 256 512 --plot PNG        seconds against pixels, too
    python -m benchmarks.speed PICTURE                                          the whole picture
    python -m benchmarks.speed PICTURE --ratios                                 see benchmarks/ratios.py

Centre crops of one picture. Every encode and decode has a process of its own, so that peaks are its own (with
PyTorch, some 250 MB). Seconds are without starting Python and loading the prior. Prints a table in Markdown;
nothing else should run on the machine. With --ratios, --sides is the crop that is timed (256).
"""

import argparse
import itertools
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.crops import centre_crop
from psc.images.opening import read_image
from psc.plan.presets import DEFAULT_EFFORT, EFFORTS

STAGE = """
import json, resource, sys, time
import torch
torch.set_num_threads(int(sys.argv[1]))
import psc
from psc.images.opening import read_image
prior = psc.load_prior()
start = time.perf_counter()
if sys.argv[2] == "encode":
    how = {"quality": float(sys.argv[5]), "effort": int(sys.argv[6]), "prior": prior}
    data = psc.encode(read_image(sys.argv[3]).convert("RGB"), **how)
    open(sys.argv[4], "wb").write(data)
    nfe = [psc.info(data)["nfe"], 0]
else:
    nfe = psc.decode_details(open(sys.argv[4], "rb").read(), prior=prior).nfe
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps({"seconds": time.perf_counter() - start, "peak": peak, "nfe": sum(nfe)}))
"""
HEAD = "| pixels | quality | file | bpp | encode | | | decode | | |"
STAGES = ("encode", "decode")
Point = tuple[int, int, list[float]]
"""Effort, pixels, seconds of both stages."""


def stages(picture: Path, quality: float, effort: int, threads: int) -> tuple[int, list[dict[str, float]]]:
    """The file's bytes, and what encoding and decoding took."""
    file, found = picture.with_suffix(".psc"), []
    for stage in STAGES:
        command = [sys.executable, "-c", STAGE, str(threads), stage, str(picture), str(file)]
        command += [str(quality), str(effort)]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        found.append(json.loads(done.stdout))
    return file.stat().st_size, found


def table(a: argparse.Namespace, folder: Path) -> list[Point]:
    """Prints the table, line by line."""
    points: list[Point] = []
    several = len(a.efforts) > 1
    head = "| effort " * several + HEAD
    print(f"{head}\n{'| --- ' * (head.count('|') - 1)}|", flush=True)
    whole = read_image(str(a.picture)).convert("RGB")
    for effort, side, quality in itertools.product(a.efforts, a.sides or [0], a.qualities):
        picture = folder / f"{side}.png"
        image = centre_crop(whole, side) if side else whole
        image.save(picture)
        size, found = stages(picture, quality, effort, a.threads)
        pixels = image.width * image.height
        cells = [str(effort)] * several + [f"{image.width}x{image.height}", f"{quality:g}"]
        cells += [f"{size:,} bytes", f"{8 * size / pixels:.3f}"]
        for one in found:
            cells += [f"{one['nfe']:.0f} NFE", f"{one['seconds']:.1f} s", f"{one['peak']:.0f} MB"]
        print(f"| {' | '.join(cells)} |", flush=True)
        points.append((effort, pixels, [one["seconds"] for one in found]))
    return points


def plot(points: list[Point], target: str) -> None:
    """Seconds against pixels, with the lines (least squares of relative errors) that fit them best."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.5))
    axes = figure.add_subplot()
    efforts = sorted({effort for effort, _, _ in points})
    for number, (effort, k) in enumerate(itertools.product(efforts, range(len(STAGES)))):
        pixels = np.array([p for e, p, _ in points if e == effort])
        seconds = np.array([s[k] for e, _, s in points if e == effort])
        lines = np.stack([1 / seconds, pixels / seconds], 1)
        start, constant = np.linalg.lstsq(lines, np.ones(len(pixels)))[0]
        name = STAGES[k] + f", effort {effort}" * (len(efforts) > 1)
        label = f"{name}: {start:.1f} s + {1e6 * constant:.0f} µs per pixel"
        ends = np.geomspace(pixels.min(), pixels.max())
        axes.loglog(pixels, seconds, "o^"[k], color=f"C{number}")
        axes.loglog(ends, start + constant * ends, color=f"C{number}", linewidth=1, label=label)
        print(label, file=sys.stderr)
    axes.set(xlabel="pixels", ylabel="seconds")
    axes.legend()
    axes.grid(alpha=0.3, which="both")
    figure.savefig(target, dpi=110, bbox_inches="tight")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("picture", type=Path)
    parser.add_argument("--sides", type=int, nargs="*", help="of centre crops; default: the whole picture")
    parser.add_argument("--qualities", type=float, nargs="+", default=[43.0])
    parser.add_argument("--efforts", type=int, nargs="+", choices=EFFORTS, default=[DEFAULT_EFFORT])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--plot", metavar="PNG", help="draw seconds against pixels")
    parser.add_argument("--ratios", action="store_true", help="costs as ratios instead of the table")
    parser.add_argument("--paper-rounds", type=int, default=32, help="with --ratios")
    a = parser.parse_args()
    if a.ratios:
        from benchmarks.ratios import report

        image, how = read_image(str(a.picture)).convert("RGB"), {"quality": a.qualities[0]}
        report(image, side=a.sides[0] if a.sides else 256, rounds=a.paper_rounds, threads=a.threads, **how)
        return
    with tempfile.TemporaryDirectory() as folder:
        points = table(a, Path(folder))
    if a.plot:
        plot(points, a.plot)


if __name__ == "__main__":
    main()
