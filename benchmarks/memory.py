"""Peak memory of encoding a large photograph: all levels, all particles, two steps per draw.

    python -m benchmarks.memory PICTURE --sizes 500x375 1000x750 2000x1500 4000x3000

Memory depends neither on the number of steps nor on how many tiles the network is evaluated on (one at a
time): only the first tile of each evaluation is computed unless ``--every-tile`` is given. The bits mean
nothing then.
"""

import argparse
import resource
import subprocess
import sys
import time

import torch
from PIL import Image

import psc
from psc.images import read_image
from psc.plan import DEFAULT, Plan, Round
from psc.prior import embedded, tiles

QUICK = Plan(
    DEFAULT.levels,
    (Round(2, 5, 2),) * 2 + (Round(1, 6, 2),) * 2 + (Round(0, 10, 2),),
)


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
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    parser.add_argument("--every-tile", action="store_true")
    arguments = parser.parse_args()
    if not arguments.every_tile:
        embedded.tiled = first_tile
    if arguments.measure:
        measure(arguments.picture, arguments.measure)
        return
    for size in arguments.sizes:  # each in a process of its own: a peak does not go down
        again = [sys.executable, "-m", "benchmarks.memory", *sys.argv[1:], "--measure", size]
        subprocess.run(again, check=True)


def measure(picture: str, size: str) -> None:
    """Encode the picture at WIDTHxHEIGHT; print the peak."""
    width, height = map(int, size.split("x"))
    image = read_image(picture).convert("RGB").resize((width, height), Image.Resampling.BICUBIC)
    start = time.perf_counter()
    psc.encode_with(image, psc.Settings(QUICK, len(QUICK.rounds), 118))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{size}: peak {peak:.0f} MB, {time.perf_counter() - start:.0f} s", flush=True)


if __name__ == "__main__":
    main()
