"""Results as lines of JSON, one as soon as it is there: an interrupted run goes on where it was."""

import json
import sys
from pathlib import Path

Row = dict[str, object]


def rows(path: Path) -> list[dict]:
    """All lines of a file; none if it is not there."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def append(path: Path, row: Row) -> None:
    """One more line, which is shown, too."""
    path.parent.mkdir(parents=True, exist_ok=True)
    line = json.dumps(row)
    with path.open("a") as file:
        file.write(line + "\n")
    print(line, file=sys.stderr, flush=True)
