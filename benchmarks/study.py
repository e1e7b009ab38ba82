"""What each number of a plan is worth: effort 4 with one of them changed.

    python -m benchmarks.study DIR --crop 256 --every 4 --steps 140 116
    python -m benchmarks.study DIR --crop 256 --every 4 --steps 140 116 --table

As benchmarks.efforts, with BD-rates against effort 4 as it is.
"""

from dataclasses import replace
from pathlib import Path

from benchmarks.efforts import BEFORE, run
from psc.plan.plan import FULL_BASIS, Plan
from psc.plan.presets import EFFORTS

BASE = EFFORTS[4]


def changed(k: int, rows: int | None = None, **changes: int) -> Plan:
    """Effort 4 with a level, and the rows of its principal components, changed."""
    levels = [replace(item, **changes) if i == k else item for i, item in enumerate(BASE.levels)]
    rounds = [
        replace(item, rows=rows) if rows and item.level == k and item.rows != FULL_BASIS else item
        for item in BASE.rounds
    ]
    return replace(BASE, levels=tuple(levels), rounds=tuple(rounds))


VARIANTS = {
    "effort 4": BASE,
    "before": BEFORE,
    "full resolution: 1 estimate, 5 rows": changed(0, 5, estimates=1),
    "full resolution: 2 estimates": changed(0, estimates=2),
    "full resolution: windows of 16x16": changed(0, window=16),
    "full resolution: end 32": changed(0, end=32),
    "full resolution: end 40": changed(0, end=40),
    "full resolution: end 44": changed(0, end=44),
    "full resolution: end 50": changed(0, end=50),
    "full resolution: start 64": changed(0, start=64),
    "full resolution: start 74": changed(0, start=74),
    "full resolution: 8 rows": changed(0, 8),
    "full resolution: 12 rows": changed(0, 12),
    "middle: 1 estimate": changed(1, estimates=1),
    "middle: 3 estimates": changed(1, estimates=3),
    "middle: end 32": changed(1, end=32),
    "middle: end 44": changed(1, end=44),
    "middle: start 62": changed(1, start=62),
    "middle: start 74": changed(1, start=74),
    "middle: 12 samples": changed(1, samples=12),
}


if __name__ == "__main__":
    run(__doc__, VARIANTS, "effort 4", Path("benchmarks/results/study.jsonl"))
