"""The ladder of efforts: what network evaluations buy.

    python -m benchmarks.efforts DIR --crop 256 --every 4 --steps 140 128 116 104
    python -m benchmarks.efforts DIR --crop 256 --steps 140 128 116 104 --table

Centre crops of a folder's pictures, at fixed steps, restored from the encoder's session; one JSON line each,
and lines that are there already are not computed again. ``before``: the plan that was the default before
there were efforts; its files are counted as if it had a name, too. The table has BD-rates against the default
effort, means over the pictures (with the standard errors of these means), and medians of the seconds. Only
pictures with all steps count.
"""

import argparse
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

import psc
from benchmarks.crops import centre_crop
from benchmarks.lines import append, rows
from psc.bitstream.header import unpack
from psc.evaluate.bd import bd_rate
from psc.images.opening import read_image
from psc.images.pixels import psnr
from psc.plan.plan import FULL_BASIS, Level, Plan, Round, Settings
from psc.plan.presets import DEFAULT, DEFAULT_EFFORT, EFFORTS

BEFORE = Plan(
    levels=(Level(1, 16, 12), Level(4, 8, 12), Level(16, 4, 12)),
    rounds=(
        Round(2, 5, 14), *(Round(2, 5, 8),) * 8, Round(2, FULL_BASIS, 8),
        Round(1, 6, 14), *(Round(1, 6, 5),) * 7, Round(1, FULL_BASIS, 5),
        Round(0, 10, 8), Round(0, FULL_BASIS, 5),
    ),
)  # fmt: skip
PLANS = {"before": BEFORE} | {str(effort): plan for effort, plan in EFFORTS.items()}
HEAD = (
    "effort",
    "samples (finest first)",
    "NFE to encode",
    "NFE of mean restoration",
    "BD-rate",
    "seconds, encode and restore",
)


def size(data: bytes) -> int:
    """Bytes of a file as if its plan were a named one, which takes one byte."""
    header = unpack(data)[0]
    named = replace(header, settings=Settings(DEFAULT, len(DEFAULT.rounds), header.settings.step_index))
    return len(data) - len(header.pack()) + len(named.pack())


def measure(a: argparse.Namespace) -> None:
    done = {(r["effort"], r["image"], r["step"], r["pixels"]) for r in rows(a.out)}
    prior = psc.load_prior()
    files = sorted(p for p in a.folder.iterdir() if p.suffix in (".png", ".jpg"))
    wanted = [(file, step, e) for file in files[:: a.every][: a.limit] for step in a.steps for e in a.efforts]
    for file, step, effort in wanted:
        if (effort, file.name, step, a.crop**2) in done:
            continue
        image = centre_crop(read_image(file).convert("RGB"), a.crop)
        start = time.perf_counter()
        plan = a.plans[effort]
        data, decoded = psc.simulate(image, Settings(plan, len(plan.rounds), step), prior=prior)
        row = {"effort": effort, "image": file.name, "step": step, "pixels": a.crop**2}
        row["bytes"] = size(data)
        row |= {"psnr": psnr(decoded.image, image), "nfe": decoded.nfe[0], "restore_nfe": decoded.nfe[1]}
        row["seconds"] = time.perf_counter() - start
        append(a.out, row)


def table(a: argparse.Namespace) -> None:
    found = [r for r in rows(a.out) if r["step"] in a.steps and r["pixels"] == a.crop**2]
    anchor = curves(found, a.anchor, a.steps)
    print(f"| {' | '.join(HEAD)} |\n{'| --- ' * len(HEAD)}|")
    for effort in a.efforts:
        some = [r for r in found if r["effort"] == effort]
        if not some:
            continue
        own = curves(found, effort, a.steps)
        rates = [bd_rate(anchor[name], own[name]) for name in own if name in anchor]
        rates = [rate for rate in rates if rate is not None]
        cells = [effort, ", ".join(str(level.samples) for level in a.plans[effort].levels)]
        cells += [f"{np.mean([r[key] for r in some]):.0f}" for key in ("nfe", "restore_nfe")]
        cells += [mean_and_error(rates), f"{np.median([r['seconds'] for r in some]):.1f}"]
        print(f"| {' | '.join(cells)} |")


def curves(found: list[dict], effort: str, steps: list[int]) -> dict[str, list[tuple[float, float]]]:
    """Points (bpp, PSNR) of every picture that has all the steps."""
    points: dict[str, list[tuple[float, float]]] = {}
    for r in found:
        if r["effort"] == effort:
            points.setdefault(r["image"], []).append((8 * r["bytes"] / r["pixels"], r["psnr"]))
    return {name: some for name, some in points.items() if len(some) == len(steps)}


def mean_and_error(rates: list[float], digits: int = 1, unit: str = "%") -> str:
    if not rates:
        return ""
    error = f" ± {np.std(rates, ddof=1) / len(rates) ** 0.5:.{digits}f}" if len(rates) > 1 else ""
    return f"{np.mean(rates):+.{digits}f}{error} {unit} ({len(rates)})"


def main() -> None:
    run(__doc__, PLANS, str(DEFAULT_EFFORT), Path("benchmarks/results/efforts.jsonl"))


def run(doc: str | None, plans: dict[str, Plan], anchor: str, out: Path) -> None:
    """The command line: measure these plans, or print their table."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--steps", type=int, nargs="+", default=[140, 128, 116, 104])
    parser.add_argument("--efforts", nargs="+", choices=plans, default=list(plans), metavar="EFFORT")
    parser.add_argument("--crop", type=int, default=256)
    parser.add_argument("--every", type=int, default=1, help="take every Nth picture of the folder")
    parser.add_argument("--limit", type=int, help="so many pictures at most")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--table", action="store_true", help="print the table of what was measured")
    parser.add_argument("--out", type=Path, default=out)
    a = parser.parse_args()
    a.plans, a.anchor = plans, anchor
    torch.set_num_threads(a.threads)
    (table if a.table else measure)(a)


if __name__ == "__main__":
    main()
