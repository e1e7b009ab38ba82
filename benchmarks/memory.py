"""Peak memory of a large photograph, encoded and decoded: all levels, rounds and particles, few steps.

    python -m benchmarks.memory PICTURE --sizes 500x375 1000x750 2000x1500 4000x3000 [--effort 1 5]

Prints a table in Markdown, and on stderr the line that fits the sizes best; some 250 MB are PyTorch's.
Memory depends neither on the number of steps nor on how many tiles the network is evaluated on (one at a
time): only the first tile of each evaluation is computed unless ``--every-tile`` is given. The bits mean
nothing then.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image

import psc
from psc.images.opening import read_image
from psc.plan.plan import Plan
from psc.plan.presets import DEFAULT_EFFORT, EFFORTS
from psc.prior.embedded import prior as embedded
from psc.prior.embedded import tiles

HEAD = "| effort | picture | pixels | encode | | decode | |"


def quick(effort: int) -> Plan:
    """The effort's plan with the least steps that each round may have."""
    plan = EFFORTS[effort]
    least = [max(2, level.estimates) for level in plan.levels]
    return replace(plan, rounds=tuple(replace(item, steps=least[item.level]) for item in plan.rounds))


def first_tile(network: object, x: torch.Tensor, *, halo: int) -> torch.Tensor:
    if max(x.shape[2:]) <= tiles.TILE:
        return tiles.tiled(network, x, halo=halo)
    out = x.clamp(-1, 1).clone()
    side = tiles.TILE
    for i in range(len(x)):
        out[i : i + 1, :, :side, :side] = network(x[i : i + 1, :, : side + halo, : side + halo])[
            :, :, :side, :side
        ]
    return out


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("picture")
    parser.add_argument("--sizes", nargs="+", default=["4000x3000"])
    parser.add_argument("--effort", type=int, nargs="+", choices=EFFORTS, default=[1, DEFAULT_EFFORT])
    parser.add_argument("--measure", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--every-tile", action="store_true")
    arguments = parser.parse_args()
    if not arguments.every_tile:
        embedded.tiled = first_tile
    if arguments.measure:
        measure(arguments.picture, *arguments.measure, arguments.effort[0])
        return
    print(f"{HEAD}\n{'| --- ' * (HEAD.count('|') - 1)}|", flush=True)
    for effort in arguments.effort:
        points = []
        for size in arguments.sizes:  # each in a process of its own: a peak does not go down
            again = [sys.executable, "-m", "benchmarks.memory", arguments.picture]
            again += ["--effort", str(effort)] + ["--every-tile"] * arguments.every_tile
            cells = []
            with tempfile.TemporaryDirectory() as folder:
                for _ in ("encode", "decode"):
                    command = [*again, "--measure", size, f"{folder}/picture.psc"]
                    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
                    pixels, peak, seconds = json.loads(done.stdout)
                    points.append((pixels, peak))
                    cells.append(f"{peak / 1e6:.0f} MB | {seconds:.0f} s")
            print(f"| {effort} | {size} | {pixels:,} | {' | '.join(cells)} |", flush=True)
        if len(arguments.sizes) > 1:
            each, base = np.polyfit(*np.transpose(points[::2]), 1)
            print(f"effort {effort}: {base / 1e6:.0f} MB and {each:.0f} bytes per pixel", file=sys.stderr)


def measure(picture: str, size: str, file: str, effort: int) -> None:
    """Encode the picture at WIDTHxHEIGHT, or decode the file if it is there.

    Prints pixels, peak in bytes, seconds.
    """
    width, height = map(int, size.split("x"))
    path, start = Path(file), time.perf_counter()
    if path.exists():
        psc.decode(path.read_bytes())
    else:
        image = read_image(picture).convert("RGB").resize((width, height), Image.Resampling.BICUBIC)
        plan = quick(effort)
        path.write_bytes(psc.encode_with(image, psc.Settings(plan, len(plan.rounds), 118)))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps([width * height, peak, time.perf_counter() - start]))


if __name__ == "__main__":
    main()
