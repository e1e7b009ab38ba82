"""Many files: which are meant, where each one goes, and what is left to do."""

import glob
import warnings
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from psc import files
from psc.cli.decode_job import Decoding
from psc.cli.encode_job import Encoding
from psc.errors import PscError

Job = Encoding | Decoding
PATTERN = "*?["


@dataclass(frozen=True)
class Task:
    """One file's way. pixels: of the picture, which the work grows with; 0 if it cannot be read."""

    source: str
    target: str
    pixels: int


def sources(names: list[str], job: Job) -> list[str]:
    """The files that are meant: folders stand for what is in them, patterns for what they match."""
    found: list[str] = []
    for name in names:
        if name == files.STDIO:
            raise PscError("standard input is no file among many: name files or folders")
        path = Path(name)
        if path.is_dir():
            inside = [str(p) for p in sorted(path.iterdir()) if p.is_file() and _is_meant(p, job)]
            if not inside:
                raise PscError(f"the folder {name} holds no {_kind(job)}")
            found += inside
        elif set(PATTERN) & set(name) and not path.exists():
            matched = sorted(p for p in glob.glob(name, recursive=True) if Path(p).is_file())  # noqa: PTH207
            if not matched:
                raise PscError(f"no file matches {name}")
            found += matched
        else:
            found.append(name)
    return list(dict.fromkeys(found))


def _kind(job: Job) -> str:
    return ".psc file" if isinstance(job, Decoding) else "picture that Pillow can read"


def _is_meant(path: Path, job: Job) -> bool:
    suffix = path.suffix.lower()
    if path.name.startswith("."):
        return False
    if isinstance(job, Decoding) or suffix == Encoding.suffix:
        return isinstance(job, Decoding) and suffix == Encoding.suffix
    return Image.registered_extensions().get(suffix) in Image.OPEN


def targets(names: list[str], out: Path, job: Job) -> list[str]:
    """Each file's output in the folder ``out``; PscError if two have the same, or one is an input."""
    chosen: dict[str, str] = {}
    for name in names:
        target = str(out / Path(name).with_suffix(job.suffix).name)
        for output in job.outputs(target):
            other = chosen.setdefault(output, name)
            if other != name:
                raise PscError(f"{other} and {name} would both be written to {output}: rename one")
    written = {Path(output).resolve() for output in chosen}
    for name in names:
        if Path(name).resolve() in written:
            raise PscError(f"{name} is an input, and would be written to: choose another folder")
    return [str(out / Path(name).with_suffix(job.suffix).name) for name in names]


def plan(names: list[str], out: Path, job: Job, *, force: bool) -> tuple[list[Task], list[str]]:
    """What is to be done, and the outputs that are there already and stay (unless ``force``)."""
    todo, there = [], []
    for source, target in zip(names, targets(names, out, job), strict=True):
        if not force and all(Path(output).exists() for output in job.outputs(target)):
            there.append(target)
        else:
            todo.append(Task(source, target, _pixels(source, job)))
    return todo, there


def _pixels(source: str, job: Job) -> int:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return job.pixels(source)
    except Exception:  # it will fail again, and be reported then
        return 0
