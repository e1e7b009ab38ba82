"""Names of files: what an output is called, which patterns match what, what may be printed."""

import glob
import os
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from psc.images.suffixes import is_picture

PSC = ".psc"
PATTERN, EVERYWHERE = "*?[", "**"
URL = re.compile(r"[a-z][a-z0-9+.-]+://")  # two letters at least: C:// is a drive


def is_url(name: str) -> bool:
    """Whether a name says where and by which protocol (``s3://...``), and is no path on this machine."""
    return URL.match(name) is not None


def in_folder(folder: str, name: str) -> str:
    """A file's name in a folder, which may be a URL."""
    return f"{folder.rstrip('/')}/{name}" if is_url(folder) else str(Path(folder, name))


def _changed(name: str, change: Callable[[Path], Path]) -> str:
    """The name with another last part; a Path of a whole URL would lose a stroke."""
    if not is_url(name):
        return str(change(Path(name)))
    folder, _, last = name.rpartition("/")
    return in_folder(folder, str(change(Path(last))))


def with_suffix(name: str, suffix: str) -> str:
    """The name with another suffix, which takes the place of a picture's or of .psc.

    Whatever else follows a full stop is a part of the name: ``Mr. Smith`` becomes ``Mr. Smith.psc``, and
    ``scan.1`` and ``scan.2`` stay two files.
    """

    def change(path: Path) -> Path:
        if path.suffix.lower() == PSC or is_picture(path.suffix):
            return path.with_suffix(suffix)
        return path.with_name(path.name + suffix)

    return _changed(name, change)


def numbered(target: str, count: int) -> list[str]:
    """``OUT-1.png``, ``OUT-2.png`` and so on for ``OUT.png``, with as many digits as the last one needs."""
    digits = len(str(count))

    def one(number: int) -> str:
        return _changed(target, lambda path: path.with_stem(f"{path.stem}-{number:0{digits}}"))

    return [one(number) for number in range(1, count + 1)]


def printable(text: str) -> str:
    """The text on one line, for a terminal: what would move the cursor, colour or reorder it is escaped."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def is_pattern(name: str) -> bool:
    """Whether a shell would expand the name."""
    return bool(set(PATTERN) & set(name))


def matches(pattern: str) -> list[str]:
    """The files that a pattern matches, sorted; ``**`` stands for a folder and all folders below it.

    Each folder is entered once, by the shortest way, however many links lead to it: links may form a loop.
    """
    found = sorted(name for name in set(_expanded(pattern)) if Path(name).is_file())
    return _each_once(found) if EVERYWHERE in _parts(pattern) else found


def _each_once(found: list[str]) -> list[str]:
    """The names without those of a folder's file that another, shorter one leads to by another way."""
    shortest: dict[str, str] = {}
    for name in sorted(found, key=lambda name: (len(_parts(name)), name)):
        folder, last = os.path.split(name)
        shortest.setdefault(os.path.join(os.path.realpath(folder), last), name)  # noqa: PTH118
    return sorted(shortest.values())


def _parts(name: str) -> list[str]:
    return name.replace(os.sep, "/").split("/")


def _expanded(pattern: str) -> Iterator[str]:
    parts = _parts(pattern)
    if EVERYWHERE not in parts:
        yield from glob.glob(pattern)  # noqa: PTH207  (Path.glob matches hidden files, and knows no roots)
        return
    at = parts.index(EVERYWHERE)
    head, tail = "/".join(parts[:at]), "/".join(parts[at + 1 :]) or "*"
    tops = glob.glob(head + "/") if head else [""] if at == 0 else ["/"]  # noqa: PTH207
    for folder in _folders(tops):
        yield from _expanded(os.path.join(glob.escape(folder), tail))  # noqa: PTH118  ("" stays "")


def _folders(tops: Iterable[str]) -> Iterator[str]:
    """These folders and all below them that are not hidden, each once, level by level."""
    seen, level = set[tuple[int, int]](), list(tops)
    while level:
        below: list[str] = []
        for folder in level:
            try:
                status = os.stat(folder or ".")  # noqa: PTH116
                entries = sorted(
                    os.scandir(folder or "."), key=lambda entry: (entry.is_symlink(), entry.name)
                )
            except OSError:  # it may not be read, or is gone
                continue
            if (status.st_dev, status.st_ino) in seen:
                continue
            seen.add((status.st_dev, status.st_ino))
            yield folder
            visible = [entry.name for entry in entries if not entry.name.startswith(".")]
            paths = [os.path.join(folder, name) for name in visible]  # noqa: PTH118
            below += [path for path in paths if os.path.isdir(path)]  # noqa: PTH112  (False for a link to itself)
        level = below


def alike(name: str) -> str:
    """A form of a name that it shares with all that some file systems take for the same one."""
    return unicodedata.normalize("NFC", name).casefold()


def are_one_file(folder: Path, first: str, second: str) -> bool:
    """Whether two different names in a folder are one file there: by a trial, for case may not count."""
    with TemporaryDirectory(dir=folder, prefix=".psc-") as trial:
        Path(trial, first).touch()
        return Path(trial, second).exists()
