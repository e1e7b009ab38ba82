"""Peak memory of encoding a large photograph: all levels, all particles, two steps per draw.

    python -m benchmarks.memory PICTURE --width 4000 --height 3000

Memory depends neither on the number of steps nor on how many tiles the network is evaluated on (one at a
time): only the first tile of each evaluation is computed unless ``--every-tile`` is given. The bits mean
nothing then.
"""

import argparse
import resource
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
    parser.add_argument("--width", type=int, default=4000)
    parser.add_argument("--height", type=int, default=3000)
    parser.add_argument("--every-tile", action="store_true")
    arguments = parser.parse_args()
    if not arguments.every_tile:
        embedded.tiled = first_tile
    size = (arguments.width, arguments.height)
    image = read_image(arguments.picture).convert("RGB").resize(size, Image.Resampling.BICUBIC)
    start = time.perf_counter()
    psc.encode_with(image, psc.Settings(QUICK, len(QUICK.rounds), 118))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{size[0]}x{size[1]}: peak {peak:.0f} MB, {time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
