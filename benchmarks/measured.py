"""Seconds and memory of a stage on any device, and tables of what was found, on disk after every row."""

import itertools
import json
import resource
import time
from pathlib import Path

import torch

Row = dict[str, object]


class Report:
    """Tables of rows, on disk after every row."""

    def __init__(self, out: Path, **about: object) -> None:
        self.out, self.about, self.tables = out, about, dict[str, list[Row]]()
        out.mkdir(parents=True, exist_ok=True)

    def add(self, table: str, **row: object) -> None:
        """A row, printed, too."""
        self.tables.setdefault(table, []).append(row)
        print(f"{table}: {json.dumps(row)}", flush=True)
        (self.out / "gpu.json").write_text(json.dumps(self.about | self.tables, indent=1) + "\n")
        (self.out / "gpu.md").write_text(self.markdown())

    def markdown(self) -> str:
        """All tables."""
        lines = [", ".join(f"{name} {value}" for name, value in self.about.items())]
        for name, rows in self.tables.items():
            columns = list(dict.fromkeys(itertools.chain(*rows)))
            lines += [f"\n## {name}\n", f"| {' | '.join(columns)} |", "| --- " * len(columns) + "|"]
            lines += [f"| {' | '.join(str(row.get(column, '')) for column in columns)} |" for row in rows]
        return "\n".join(lines) + "\n"

    def differences(self) -> list[Row]:
        """Rows of exactness that say no."""
        return [row for row in self.tables.get("exactness", []) if any(v is False for v in row.values())]


class Measured:
    """Seconds and peak memory of what happens inside: the device's, or of a CPU the process's until then."""

    def __init__(self, device: torch.device) -> None:
        self.cuda = device.type == "cuda"
        self.seconds, self.megabytes = 0.0, 0

    def __enter__(self) -> "Measured":
        if self.cuda:
            torch.cuda.synchronize()
            torch.cuda.reset_peak_memory_stats()
        self.start = time.perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        if self.cuda:
            torch.cuda.synchronize()
        self.seconds = round(time.perf_counter() - self.start, 3)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        self.megabytes = round((torch.cuda.max_memory_allocated() if self.cuda else peak) / 1e6)
