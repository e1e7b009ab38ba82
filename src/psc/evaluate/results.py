"""A folder of results: lines of JSON, decoded pictures, and what all lines have in common.

    run.json                 settings, versions, the machine
    results*.jsonl           a line per picture, codec and target size; one file per shard
    pictures/NAME/*.png      the original (cropped) and every decoded picture
    files/NAME/*             the compressed files

A line is appended in one write after its picture is there, and synced: a process that is killed loses at most
the line that it was working on, and a line that was cut is dropped when the file is next opened.
"""

import io
import json
import os
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from PIL import Image

from psc import files
from psc.errors import PscError

Row = dict[str, Any]
"""image, codec, target (bpp); then error, or width, height, bytes, bpp, reached, metrics, the costs."""
Key = tuple[str, str, float]
SAME = ("crop", "prior", "simulate", "psc")
"""Settings that lines must share to be compared."""


def key(row: Row) -> Key:
    """What makes a line the only one of its kind."""
    return row["image"], row["codec"], row["target"]


class Results:
    """A folder of results.

    Args:
        folder: Which is made by :meth:`begin`.
        shard: Names the file that :meth:`add` appends to; empty for one that does all.
    """

    def __init__(self, folder: Path, shard: str = "") -> None:
        self.folder = folder
        self._lines = folder / f"results{shard and '.'}{shard}.jsonl"

    def rows(self) -> list[Row]:
        """All whole lines, of all shards; the first one of its kind counts."""
        found: dict[Key, Row] = {}
        for path in sorted(self.folder.glob("results*.jsonl")):
            for line in _whole(path.read_bytes()).splitlines():
                row = _parsed(line, path)
                found.setdefault(key(row), row)
        return list(found.values())

    def run(self) -> dict[str, Any]:
        """What run.json holds; empty if there is none."""
        path = self.folder / "run.json"
        try:
            return dict(json.loads(path.read_text())) if path.exists() else {}
        except ValueError as error:
            raise PscError(f"{path} is not a file of psc evaluate: {error}") from error

    def begin(self, run: dict[str, Any], *, resume: bool) -> None:
        """Make the folder, or go on with it.

        Args:
            run: What run.json is to hold.
            resume: Go on with a folder that is there.

        Raises:
            PscError: If the folder's lines are others than such a run would write.
        """
        before = self.run()
        if before and not resume:
            raise PscError(f"{self.folder} has results: --resume goes on with them; or choose another --out")
        check_same(self.folder, before, run)
        self.folder.mkdir(parents=True, exist_ok=True)
        _write(self.folder / "run.json", json.dumps(before | run, indent=1).encode())
        if self._lines.exists():  # a line that was cut when its process was killed
            whole = _whole(data := self._lines.read_bytes())
            if len(whole) < len(data):
                os.truncate(self._lines, len(whole))

    def add(self, row: Row, picture: Image.Image | None) -> None:
        """Keep a picture, then its line."""
        if picture is not None:
            self.keep(self.picture(row), picture)
        line = json.dumps(row, allow_nan=False).encode() + b"\n"
        handle = os.open(self._lines, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
        try:
            os.write(handle, line)
            os.fsync(handle)
        finally:
            os.close(handle)

    def keep(self, path: Path, picture: Image.Image) -> None:
        """Save a picture, whole or not at all."""
        path.parent.mkdir(parents=True, exist_ok=True)
        out = io.BytesIO()
        picture.save(out, "PNG")
        _write(path, out.getvalue())

    def original(self, image: str) -> Path:
        """The cropped original's path."""
        return self.folder / "pictures" / image / "original.png"

    def picture(self, row: Row) -> Path:
        """A line's decoded picture's path."""
        return self.folder / "pictures" / str(row["image"]) / f"{row['codec']}-{row['target']:g}.png"


def merge(sources: Iterable[Path], target: Path) -> Results:
    """Put the lines and pictures of several folders into one.

    Args:
        sources: The folders.
        target: May be one of them.

    Raises:
        PscError: If their lines cannot be compared.
    """
    merged, found = Results(target, "merged"), Results(target).rows()
    done = {key(row): row for row in found}
    for source in sources:
        results = Results(source)
        run = results.run()
        if not run:
            raise PscError(f"{source} has no run.json: it is not a folder of psc evaluate")
        merged.begin(run, resume=True)
        for row in results.rows():
            known = done.setdefault(key(row), row)
            if known.get("bytes") != row.get("bytes"):
                raise PscError(f"{source} and another folder differ in {' '.join(map(str, key(row)))}")
            if known is row:
                _copy(results, merged, row)
    return merged


def _copy(source: Results, target: Results, row: Row) -> None:
    for path, copy in (
        (source.original(row["image"]), target.original(row["image"])),
        (source.picture(row), target.picture(row)),
    ):
        if path.exists() and not copy.exists():
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)
    target.add(row, None)


def check_same(folder: Path, before: dict[str, Any], now: dict[str, Any]) -> None:
    """PscError if two runs' lines cannot be compared."""
    for name in SAME:
        if name in before and before[name] != now.get(name):
            raise PscError(
                f"{folder} was made with {name} = {before[name]}, now it is {now.get(name)}: choose another "
                "--out"
            )


def _whole(data: bytes) -> bytes:
    """A file's bytes, without a last line that was cut."""
    return data[: data.rfind(b"\n") + 1]


def _parsed(line: bytes, path: Path) -> Row:
    try:
        row = json.loads(line)
        key(row)
    except (ValueError, KeyError, TypeError) as error:
        raise PscError(f"{path} has a line that is not of psc evaluate: {line[:60]!r}") from error
    return dict(row)


def _write(path: Path, data: bytes) -> None:
    files.write(str(path), data)
