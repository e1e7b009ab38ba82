"""Where many files lie: on a disk, or behind URLs (``s3://bucket/photos``), by fsspec.

What is behind a URL is fetched before a task and put there after it; a job knows files on a disk alone.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Any

from psc import files
from psc.cli import names
from psc.errors import PscError


def is_folder(name: str) -> bool:
    """Whether there is a folder of this name."""
    if not names.is_url(name):
        return Path(name).is_dir()
    with _reached(name) as (system, path):
        return bool(system.isdir(path))


def exists(name: str) -> bool:
    """Whether there is anything of this name."""
    if not names.is_url(name):
        return Path(name).exists()
    with _reached(name) as (system, path):
        return bool(system.exists(path))


def listing(folder: str) -> list[str]:
    """The names of the files in a folder, sorted; hidden ones are left out."""
    if names.is_url(folder):
        with _reached(folder) as (system, path):
            inside = system.find(path, maxdepth=1)
            found = sorted(system.unstrip_protocol(entry) for entry in inside)
    else:
        found = [str(path) for path in sorted(Path(folder).iterdir()) if path.is_file()]
    return [name for name in found if not Path(name).name.startswith(".")]


def matches(pattern: str) -> list[str]:
    """The files that a pattern matches, sorted."""
    if not names.is_url(pattern):
        return names.matches(pattern)
    with _reached(pattern) as (system, path):
        found = system.glob(path, detail=True).items()
        return sorted(system.unstrip_protocol(name) for name, about in found if about["type"] == "file")


def make_folder(name: str) -> None:
    """A folder and those above it; it may be there."""
    if names.is_url(name):
        with _reached(name) as (system, path):
            system.makedirs(path, exist_ok=True)
        return
    try:
        Path(name).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PscError(f"cannot write to {name}: {error.strerror or error}") from error


@contextmanager
def opened(name: str) -> Iterator[IO[bytes]]:
    """A file to be read from, from where only what is asked for is fetched."""
    if not names.is_url(name):
        with Path(name).open("rb") as file:
            yield file
        return
    with _reached(name) as (system, path), system.open(path, "rb") as file:
        yield file


@contextmanager
def staged(source: str, target: str, outputs: Callable[[str], list[str]]) -> Iterator[tuple[str, str]]:
    """Names on a disk for a task's source and target; what was written is put where the target is at the end.

    Args:
        source: A file, or a URL, which is fetched.
        target: The first output, or its URL.
        outputs: From a target's name to the names of all that is written.
    """
    with TemporaryDirectory(prefix="psc-") as folder:
        here, there = source, target
        if names.is_url(source):
            here = str(Path(folder, "in", Path(source).name))
            _fetch(source, Path(here))
        if names.is_url(target):
            there = str(Path(folder, "out", Path(target).name))
            Path(there).parent.mkdir()
        try:
            yield here, there
        except PscError as error:  # names the user's names
            raise PscError(str(error).replace(here, source).replace(there, target)) from error
        if names.is_url(target):
            for made, wanted in zip(outputs(there), outputs(target), strict=True):
                _put(Path(made), wanted)


def _fetch(url: str, path: Path) -> None:
    path.parent.mkdir()
    with _reached(url) as (system, place):
        if system.size(place) > files.READ_LIMIT:
            raise PscError(
                f"{url} has more than {files.READ_LIMIT / 2**30:g} GiB, the limit of an input here"
            )
        system.get_file(place, str(path))


def _put(path: Path, url: str) -> None:
    """The file appears whole, or not at all: a transaction is ended by its last byte."""
    with _reached(url) as (system, place), system.transaction, system.open(place, "wb") as file:
        file.write(path.read_bytes())


@contextmanager
def _reached(url: str) -> Iterator[tuple[Any, str]]:
    """The file system of a URL, and the path in it; whatever it raises is told as a PscError."""
    try:
        import fsspec

        yield fsspec.core.url_to_fs(url)
    except PscError:
        raise
    except FileNotFoundError as error:
        raise PscError(f"there is no {url}") from error
    except Exception as error:  # the systems' own, from many libraries
        said = " ".join(str(error).split()) or type(error).__name__
        raise PscError(f"cannot reach {url}: {said}") from error
