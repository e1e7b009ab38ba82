"""This tree against another one, an earlier commit's: files of the same steps, BD-rate by PSNR.

    git worktree add ../before COMMIT
    python -m benchmarks.against ../before/src DIR [DIR ...] --every 3 --steps 140 128 116 104 [--effort 4]

Centre crops of 256x256, mean restoration. Each tree codes in a process of its own; --effort is this
tree's, and the other one keeps its default.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

from benchmarks.efforts import mean_and_error
from psc.evaluate.bd import bd_rate

ROOT = Path(__file__).resolve().parent.parent
SIDE = 256
CODE = """
import json, sys
import psc
from benchmarks.crops import centre_crop
from psc.images.opening import read_image
from psc.images.pixels import psnr
from psc.plan.presets import at_step
file, side, effort, *steps = sys.argv[1:]
image = centre_crop(read_image(file).convert("RGB"), int(side))
for step in map(int, steps):
    data, out = psc.simulate(image, at_step(step, effort=int(effort)), prior=psc.load_prior())
    print(json.dumps([8 * len(data) / image.width**2, psnr(image, out.image), sum(out.nfe)]))
"""


def curve(source: Path, file: Path, effort: int, steps: list[int]) -> list[list[float]]:
    """(bits per pixel, PSNR, NFE) of each step, by the program in ``source``."""
    command = [sys.executable, "-c", CODE, str(file), str(SIDE), str(effort), *map(str, steps)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, (source.resolve(), ROOT)))}
    found = subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout
    return [json.loads(line) for line in found.splitlines()]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("other", type=Path, help="the other tree's folder src")
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--steps", type=int, nargs="+", default=[140, 128, 116, 104])
    parser.add_argument("--effort", type=int, default=5)
    a = parser.parse_args()
    rates = []
    for file in [f for folder in a.folders for f in sorted(folder.iterdir())][:: a.every]:
        theirs, ours = curve(a.other, file, 5, a.steps), curve(ROOT / "src", file, a.effort, a.steps)
        rate = bd_rate([(r, p) for r, p, _ in theirs], [(r, p) for r, p, _ in ours])
        if rate is not None:
            rates.append(rate)
        print(file.name, rate, f"NFE {theirs[-1][2]:.0f} {ours[-1][2]:.0f}", flush=True)
    print(mean_and_error(rates))


if __name__ == "__main__":
    main()
