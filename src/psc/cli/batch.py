"""Many files: which are meant, where each one goes, and what is left to do."""

import os
import warnings
from dataclasses import dataclass, field
from pathlib import Path

from psc import files
from psc.cli import names, storage
from psc.cli.decode_job import DecodeJob
from psc.cli.encode_job import EncodeJob
from psc.errors import PscError
from psc.images import suffixes
from psc.images.opening import register_heic

Job = EncodeJob | DecodeJob


@dataclass(frozen=True)
class FileTask:
    """One file's way.

    Attributes:
        source: The input's name.
        target: The output's.
        pixels: Of the picture, which the work grows with; 0 if it cannot be read.
    """

    source: str
    target: str
    pixels: int


@dataclass
class Sources:
    """The files that are meant.

    Attributes:
        names: In the order of the arguments, each once.
        left_out: Pictures in folders that cannot be read here, and what helps.
    """

    names: list[str] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)

    def sentence(self) -> str:
        """What is said of the pictures that are left out; empty if there are none."""
        if not self.left_out:
            return ""
        by_remedy: dict[str, list[str]] = {}
        for name, remedy in self.left_out.items():
            by_remedy.setdefault(remedy, []).append(name)
        parts = [f"{', '.join(found)} ({remedy})" for remedy, found in by_remedy.items()]
        count = len(self.left_out)
        pictures = "1 picture that" if count == 1 else f"{count} pictures that"
        return f"left out: {pictures} cannot be read here: {'; '.join(parts)}"


def sources(arguments: list[str], job: Job) -> Sources:
    """The files that are meant: folders stand for what is in them, patterns for what they match.

    Raises:
        PscError: If a folder or a pattern stands for nothing, or for standard input.
    """
    register_heic()
    found, left_out = list[str](), dict[str, str]()
    for name in arguments:
        if name == files.STDIO:
            raise PscError("standard input is no file among many: name files or folders")
        if storage.is_folder(name):
            inside, unreadable = _in_folder(name, job)
            left_out |= unreadable
            if not inside:
                beside = f"; {Sources(left_out=unreadable).sentence()}" if unreadable else ""
                raise PscError(f"the folder {name} holds no {_kind(job)}{beside}")
            found += inside
        elif names.is_pattern(name) and not storage.exists(name):
            matched = storage.matches(name)
            if not matched:
                raise PscError(f"no file matches {name}")
            found += matched
        else:
            found.append(name)
    return Sources(list(dict.fromkeys(found)), left_out)


def _in_folder(folder: str, job: Job) -> tuple[list[str], dict[str, str]]:
    """The files in a folder that are meant; and pictures that cannot be read, with what helps."""
    meant, unreadable = list[str](), dict[str, str]()
    for name in storage.listing(folder):
        suffix = Path(name).suffix.lower()
        if isinstance(job, DecodeJob) or suffix == names.PSC:
            meant += [name] if isinstance(job, DecodeJob) and suffix == names.PSC else []
        elif suffixes.is_readable(suffix):
            meant.append(name)
        elif suffix in suffixes.REMEDIES:
            unreadable[name] = suffixes.REMEDIES[suffix]
    return meant, unreadable


def _kind(job: Job) -> str:
    return ".psc file" if isinstance(job, DecodeJob) else "picture that Pillow can read"


def targets(inputs: list[str], out: str, job: Job) -> list[str]:
    """Each file's output in the folder ``out``, which is there.

    Raises:
        PscError: If two files have the same output, as names are compared in that folder, or if an output is
            an input.
    """
    chosen = [names.in_folder(out, names.with_suffix(Path(name).name, job.suffix)) for name in inputs]
    owners: dict[str, tuple[str, str]] = {}
    for name, target in zip(inputs, chosen, strict=True):
        for output in job.outputs(target):
            other, before = owners.setdefault(names.alike(output), (name, output))
            if other != name and _collide(out, before, output):
                raise PscError(f"{other} and {name} would both be written to {output}: rename one")
    identities = {_identity(name): name for name in inputs}
    for output in (output for target in chosen for output in job.outputs(target)):
        found = identities.get(_identity(output)) if storage.exists(output) else None
        if found is not None:
            raise PscError(f"{found} is an input, and would be written to: choose another folder")
    return chosen


def _collide(out: str, first: str, second: str) -> bool:
    if names.is_url(out):
        return first == second
    return first == second or names.are_one_file(Path(out), Path(first).name, Path(second).name)


def _identity(name: str) -> tuple[int, int] | str:
    """What tells whether two names lead to the same file."""
    try:
        status = os.stat(name)  # noqa: PTH116
    except OSError:
        return name
    return status.st_dev, status.st_ino


def plan(inputs: list[str], out: str, job: Job, *, force: bool) -> tuple[list[FileTask], list[str]]:
    """What is to be done, and the outputs that are there already and stay (unless ``force``)."""
    todo, there = list[FileTask](), list[str]()
    for source, target in zip(inputs, targets(inputs, out, job), strict=True):
        if not force and all(storage.exists(output) for output in job.outputs(target)):
            there.append(target)
        else:
            todo.append(FileTask(source, target, _pixels(source, job)))
    return todo, there


def _pixels(source: str, job: Job) -> int:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with storage.opened(source) as file:
                return job.pixels(file)
    except Exception:  # it will fail again, and be reported then
        return 0
