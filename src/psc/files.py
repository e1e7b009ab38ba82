"""The command's surroundings: files, or standard streams as ``-``; errors and warnings as lines on stderr."""

import io
import os
import secrets
import shutil
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import typer
from PIL import Image

from psc.errors import PscError

STDIO = "-"
READ_LIMIT = 2**30
"""Bytes that an input of :func:`read` may have."""
CHUNK = 2**20
TRIAL_PIXELS = 2**27
SAVE_OPTIONS: dict[str, dict[str, Any]] = {
    "JPEG": {"quality": 95, "subsampling": 0},
    "WEBP": {"lossless": True, "exact": True},
    "AVIF": {"quality": 95, "subsampling": "4:4:4"},
}
"""Pillow's defaults would compress the decoded picture visibly once more."""


class _Stdin(io.BytesIO):
    """All of standard input, seekable as Pillow wants it, with a name for error messages."""

    name = "standard input"


def choose_output(source: str, target: str | None, suffix: str, *, force: bool) -> str:
    """The output's name, by default the input's with another suffix; PscError if it cannot be written."""
    if source != STDIO and Path(source).is_dir():
        raise PscError(f"{source} is a folder; expected a file, or - for standard input")
    if target is None:
        target = STDIO if source == STDIO else str(Path(source).with_suffix(suffix))
    try:
        _check_output(source, target, force)
    except OSError as error:
        raise PscError(f"cannot write {target}: {error.strerror or error}") from error
    return target


def choose_outputs(
    source: str, target: str | None, suffix: str, count: int | None, *, force: bool
) -> list[str]:
    """The same for ``count`` outputs: OUT-1.png, OUT-2.png, ...; None: one, that is called OUT.png."""
    if count is None:
        return [choose_output(source, target, suffix, force=force)]
    target = choose_output(source, target, suffix, force=True)
    if target == STDIO:
        raise PscError("several pictures do not fit into standard output: name an output file")
    return [choose_output(source, name, suffix, force=force) for name in numbered(target, count)]


def numbered(target: str, count: int) -> list[str]:
    """OUT-1.png, OUT-2.png, ... for OUT.png."""
    path, digits = Path(target), len(str(count))
    return [str(path.with_stem(f"{path.stem}-{number:0{digits}}")) for number in range(1, count + 1)]


def choose_journal(target: str, *, resume: bool) -> Path | None:
    """Where an encode keeps its draws: OUT.resume; None if OUT is no file, or has too long a name for that.

    Warns of what is there, or not.
    """
    path = Path(target)
    if target == STDIO or (path.exists() and not path.is_file()):
        if resume:
            raise PscError(f"--resume needs an output that is a file, beside which {target}.resume would be")
        return None
    journal = path.with_name(f"{path.name}.resume")
    try:
        there = journal.exists()
    except OSError:
        if resume:
            raise
        return None
    if resume and not there:
        warnings.warn(f"there is no {journal} to go on from: starting from the beginning", stacklevel=2)
    if there and not resume:
        warnings.warn(
            f"{journal} is of an interrupted encode, and will be overwritten: --resume goes on from it",
            stacklevel=2,
        )
    return journal


def _check_output(source: str, target: str, force: bool) -> None:
    if target == STDIO:
        if sys.stdout.isatty() and not force:
            raise PscError("standard output is a terminal: redirect it, name an output file, or use -f")
        return
    path = Path(target).resolve()
    if path.is_dir():
        raise PscError(f"the output {target} is a folder; expected a file's name")
    if path.is_file() and source != STDIO and Path(source).exists() and path.samefile(source):
        raise PscError(f"the output {target} is the input: choose another name")
    if path.is_file() and not force:
        raise PscError(f"the output {target} exists; -f (--force) overwrites it")
    if not path.parent.is_dir():
        raise PscError(f"the output's folder {path.parent} does not exist")
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise PscError(f"the output's folder {path.parent} is not writable")


def read(source: str) -> bytes:
    """An input's bytes; more than READ_LIMIT are refused, a file's before any is read."""
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
    """For what does not say its size: pipes and devices."""
    data = bytearray()
    while chunk := file.read(CHUNK):
        data += chunk
        if len(data) > READ_LIMIT:
            raise _too_large(name)
    return bytes(data)


def _too_large(name: str) -> PscError:
    return PscError(f"{name} has more than {READ_LIMIT / 2**30:g} GiB, the limit of a .psc file's size here")


def read_picture(source: str) -> Image.Image:
    """The picture in a file or in standard input."""
    from psc.images.pixels import open_image

    try:
        return open_image(_Stdin(sys.stdin.buffer.read()) if source == STDIO else source)
    except (PscError, MemoryError):
        raise
    except Exception as error:  # Pillow's decoders raise many kinds for a damaged file
        raise PscError(f"cannot read the picture {source}: {error}") from error


def picture_format(target: str, mode: str, size: tuple[int, int]) -> str:
    """Pillow's format for an output (PNG for standard output), proven by a trial with an empty picture.

    The trial finds what a format does not take: a mode, a side of 20000 pixels, a library that is missing.
    """
    suffix = ".png" if target == STDIO else Path(target).suffix.lower()
    name = Image.registered_extensions().get(suffix, "")
    if name not in Image.SAVE:
        raise PscError(f"no picture format {suffix!r} can be written; use .png, .tiff, .jpg or .webp")
    try:
        encode_picture(Image.new(mode, size if size[0] * size[1] <= TRIAL_PIXELS else (64, 64)), name)
    except (OSError, ValueError) as error:
        raise PscError(
            f"a {size[0]}x{size[1]} {mode} picture cannot be written as {name}: {error}"
        ) from error
    return name


def encode_picture(image: Image.Image, name: str) -> bytes:
    """The bytes of a picture file in Pillow's format ``name``, with what the picture carries."""
    from psc.images.metadata import save_options

    buffer = io.BytesIO()
    image.save(buffer, name, **SAVE_OPTIONS.get(name, {}), **save_options(image, name))
    return buffer.getvalue()


def write(target: str, data: bytes) -> None:
    """Write an output: a file appears whole or not at all."""
    try:
        path = Path(target).resolve()
        if target == STDIO:
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()
        elif path.exists() and not path.is_file():
            path.write_bytes(data)  # a device or a named pipe
        else:
            _replace(path, data)
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


@contextmanager
def reported(quiet: bool = False) -> Iterator[None]:
    """Warnings and foreseeable errors become one line each on stderr; an error ends the program."""
    with warnings.catch_warnings():
        for category in (UserWarning, RuntimeWarning):
            warnings.simplefilter("ignore" if quiet else "always", category)
        warnings.showwarning = _show_warning  # type: ignore[assignment]
        try:
            yield
        except KeyboardInterrupt:
            raise typer.Exit(130) from None
        except BrokenPipeError:
            _release_stdout()
            raise typer.Exit(1) from None
        except (PscError, OSError, MemoryError, RuntimeError) as error:
            typer.echo(f"psc: error: {sentence(error)}", err=True)
            _release_stdout()
            raise typer.Exit(1) from None


def _show_warning(message: Warning | str, *_: object) -> None:
    typer.echo(f"psc: warning: {' '.join(str(message).split())}", err=True)


def sentence(error: Exception) -> str:
    """What is said of a foreseeable error; any other is raised again."""
    said = " ".join(str(error).split())
    if isinstance(error, RuntimeError) and ("out of memory" in said or "allocate memory" in said):
        error = MemoryError()
    if isinstance(error, MemoryError):
        return "not enough memory; scale the picture down or cut it into parts"
    if not isinstance(error, PscError | OSError):
        raise error
    return said


def _release_stdout() -> None:
    """Where stdout cannot be flushed, Python shall not try again at exit."""
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
