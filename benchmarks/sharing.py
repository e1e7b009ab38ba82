"""Several processes of psc on the same cores: does the whole take longer than the work that is in it?

    python -m benchmarks.sharing --processes 1 2 3 4 [--side 32] [--quota 0.5]

Each process starts, loads the prior, encodes and decodes a crop of the example photograph. Work is a
process's own processor time when it runs alone. The ratio is the whole time over the best possible: the work
of all on all cores, or one process alone. --quota: the last row runs one process in a control group that may
use so much of a core (Linux, as root); its ratio is over the work at that share.
"""

import argparse
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

PHOTO = Path(__file__).parents[1] / "examples" / "chelsea.png"
WORK = """
import sys, psc
from PIL import Image
side = int(sys.argv[2])
psc.decode(psc.encode(Image.open(sys.argv[1]).convert("RGB").crop((130, 60, 130 + side, 60 + side))))
"""
ROOT = Path("/sys/fs/cgroup")
PERIOD = 100_000
"""Microseconds."""


def together(count: int, side: int, group: Path | None = None) -> tuple[float, float]:
    """Seconds that so many processes take, and their processor time."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    command = [sys.executable, "-c", WORK, str(PHOTO), str(side)]
    running = [subprocess.Popen(command) for _ in range(count)]
    if group:
        for process in running:
            (group / "cgroup.procs").write_text(str(process.pid))
    if any(process.wait() for process in running):
        raise SystemExit("a process failed")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.perf_counter() - start, spent


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2, 3, 4])
    parser.add_argument("--side", type=int, default=32)
    parser.add_argument("--quota", type=float, help="share of a core")
    a = parser.parse_args()
    cores = len(os.sched_getaffinity(0))
    seconds, work = together(1, a.side)
    print(f"alone: {seconds:.1f} s, {work:.1f} s of processor time")
    for count in a.processes:
        taken, spent = together(count, a.side)
        best = max(seconds, count * work / cores)
        print(f"{count} at once on {cores} cores: {taken:.1f} s, {spent:.1f} s of work, {taken / best:.2f}")
    if a.quota:
        group = limited(a.quota)
        taken, spent = together(1, a.side, group)
        group.rmdir()
        ratio = taken * a.quota / work
        print(f"one with {a.quota:g} of a core: {taken:.1f} s, {spent:.1f} s of work, {ratio:.2f}")


def limited(quota: float) -> Path:
    """A control group of version 1 or 2 that may use this share of a core."""
    old = (ROOT / "cpu").is_dir()
    group = (ROOT / "cpu" if old else ROOT) / "psc-sharing"
    group.mkdir(exist_ok=True)
    if old:
        (group / "cpu.cfs_period_us").write_text(str(PERIOD))
        (group / "cpu.cfs_quota_us").write_text(str(int(quota * PERIOD)))
    else:
        (group / "cpu.max").write_text(f"{int(quota * PERIOD)} {PERIOD}")
    return group


if __name__ == "__main__":
    main()
