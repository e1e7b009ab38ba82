"""This tree against another one, an earlier commit's: files of the same steps, BD-rate by PSNR.

    git worktree add ../before COMMIT
    python -m benchmarks.against ../before/src DIR [DIR ...] --every 3 --effort 2 --other-effort 5

Centre crops of 256x256, mean restoration. Each tree codes in a process of its own; --effort is this
tree's.
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
import numpy as np, psc
from PIL import Image
try:
    from psc.plan.presets import at_step
except ImportError:
    from psc.presets import at_step  # until commit 49a24b3
file, side, effort, *steps = sys.argv[1:]
with Image.open(file) as whole:
    left, top = ((length - int(side)) // 2 for length in whole.size)
    crop = whole.convert("RGB").crop((left, top, left + int(side), top + int(side)))
image = Image.fromarray(np.asarray(crop))  # without metadata, which the formats keep differently
for step in map(int, steps):
    data, out = psc.simulate(image, at_step(step, effort=int(effort)), prior=psc.load_prior())
    error = ((np.asarray(image, float) - np.asarray(out.image)) ** 2).mean()
    print(json.dumps([8 * len(data) / int(side) ** 2, 10 * np.log10(255**2 / error), sum(out.nfe)]))
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
    parser.add_argument("--other-effort", type=int, default=5)
    a = parser.parse_args()
    rates = []
    for file in [f for folder in a.folders for f in sorted(folder.iterdir())][:: a.every]:
        theirs = curve(a.other, file, a.other_effort, a.steps)
        ours = curve(ROOT / "src", file, a.effort, a.steps)
        rate = bd_rate([(r, p) for r, p, _ in theirs], [(r, p) for r, p, _ in ours])
        if rate is not None:
            rates.append(rate)
        print(file.name, rate, f"NFE {theirs[-1][2]:.0f} {ours[-1][2]:.0f}", flush=True)
    print(mean_and_error(rates))


if __name__ == "__main__":
    main()
