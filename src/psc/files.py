"""Files, or standard streams as ``-``: read with a bound, written whole or not at all; the cache folder."""

import os
import secrets
import shutil
import sys
from pathlib import Path
from typing import IO

from psc.errors import PscError

STDIO = "-"
READ_LIMIT = 2**30
"""Bytes that an input of :func:`read` may have."""
PIECE = 2**20
"""Bytes of a stream that are read at once."""


def read(source: str) -> bytes:
    """An input's bytes.

    Args:
        source: A file's name, or ``-`` for standard input.

    Raises:
        PscError: If it cannot be read, or has more than READ_LIMIT bytes; a file's are not read then.
    """
    try:
        if source == STDIO:
            return _bounded(sys.stdin.buffer, "standard input")
        if Path(source).stat().st_size > READ_LIMIT:
            raise _too_large(source)
        with Path(source).open("rb") as file:
            return _bounded(file, source)
    except OSError as error:
        raise PscError(f"cannot read {source}: {error.strerror or error}") from error


def _bounded(file: IO[bytes], name: str) -> bytes:
    """All bytes of a pipe or a device, which does not say its size; PscError if they are too many."""
    data = bytearray()
    while chunk := file.read(PIECE):
        data += chunk
        if len(data) > READ_LIMIT:
            raise _too_large(name)
    return bytes(data)


def _too_large(name: str) -> PscError:
    return PscError(f"{name} has more than {READ_LIMIT / 2**30:g} GiB, the limit of a .psc file's size here")


def cache_folder() -> Path:
    """The folder $PSC_CACHE, or psc in the user's cache folder; PscError if the user has none."""
    if given := os.environ.get("PSC_CACHE"):
        return Path(given)
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "psc")
    except RuntimeError as error:  # some services' and containers' users have no home
        raise PscError("there is no home folder to keep models in: set PSC_CACHE to a folder") from error


def is_stream(name: str) -> bool:
    """Whether there is something with this name that is neither a file nor a folder: a pipe, a device."""
    path = Path(name)
    return path.exists() and not path.is_file() and not path.is_dir()


def write(target: str, data: bytes) -> None:
    """Write an output.

    Args:
        target: A file's name: it appears whole or not at all. Or a pipe's or a device's, which are written to
            as they are. Or ``-``, standard output.
        data: What is to be in it.

    Raises:
        PscError: If it cannot be written, but for a pipe that nobody reads (BrokenPipeError).
    """
    try:
        if target == STDIO:
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()
        elif is_stream(target):
            Path(target).write_bytes(data)
        else:
            _replace(Path(target).resolve(), data)
    except BrokenPipeError:
        raise
    except OSError as error:
        name = "standard output" if target == STDIO else target
        raise PscError(f"cannot write {name}: {error.strerror or error}") from error


def _replace(path: Path, data: bytes) -> None:
    temporary = path.with_name(f".psc-{secrets.token_hex(4)}.tmp")
    try:
        with temporary.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if path.exists():
            shutil.copymode(path, temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
