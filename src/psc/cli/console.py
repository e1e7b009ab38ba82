"""The command's surroundings: standard streams as ``-``, names of outputs, errors and warnings as lines."""

import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import typer

from psc import files
from psc.cli import names
from psc.errors import PscError
from psc.files import STDIO

STREAMS = {f"/{folder}": STDIO for folder in ("dev/stdout", "dev/fd/1", "proc/self/fd/1")}
"""Names of standard output, whose file may have no name of its own."""


def ensure_streams() -> None:
    """Give a process the standard streams that it was started without (``2>&-``, pythonw, some services).

    Otherwise the next file that is opened would get such a number, and whatever a library prints. What is to
    be written to a missing standard output is an error, as it should be: the null device is opened for
    reading there.
    """
    flags = (os.O_RDONLY, os.O_RDONLY, os.O_WRONLY)
    for number, (name, flag) in enumerate(zip(("stdin", "stdout", "stderr"), flags, strict=True)):
        try:
            os.fstat(number)
        except OSError:
            null = os.open(os.devnull, flag)
            if null != number:
                os.dup2(null, number)
                os.close(null)
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, "r" if name == "stdin" else "w", encoding="utf-8"))  # noqa: SIM115, PTH123
    if hasattr(sys.stdout, "reconfigure"):  # a caption may have characters that a terminal has not
        sys.stdout.reconfigure(errors="backslashreplace")


def say(line: str) -> None:
    """Print a line on stderr; nobody need be there to read it."""
    with suppress(OSError):
        typer.echo(names.printable(line), err=True)


def choose_output(source: str, target: str | None, suffix: str, *, force: bool) -> str:
    """The output's name, by default the input's with another suffix.

    Args:
        source: The input's name, or ``-``.
        target: What the user named, if anything.
        suffix: Of the default name, with its full stop.
        force: A file that is there may be overwritten.

    Returns:
        A file's name, or ``-`` for standard output, which has other names, too.

    Raises:
        PscError: If it cannot be written: so that this is known before the work.
    """
    if source != STDIO and Path(source).is_dir():
        raise PscError(f"{source} is a folder; expected a file, or - for standard input")
    if target is None:
        target = STDIO if source == STDIO else names.with_suffix(source, suffix)
    target = STREAMS.get(target, target)
    try:
        _check_output(source, target, force)
    except OSError as error:
        raise PscError(f"cannot write {target}: {error.strerror or error}") from error
    except RuntimeError as error:  # pathlib's, for a link that leads to itself
        raise PscError(f"cannot write {target}: {error}") from error
    return target


def choose_outputs(source: str, target: str | None, suffix: str, count: int, *, force: bool) -> list[str]:
    """The names of several outputs, OUT-1.png, OUT-2.png and so on: see :func:`choose_output`.

    Args:
        source: The input's name, or ``-``.
        target: What the user named for all, if anything.
        suffix: Of the default name, with its full stop.
        count: How many outputs there are.
        force: Files that are there may be overwritten.

    Raises:
        PscError: If one of them cannot be written.
    """
    target = choose_output(source, target, suffix, force=True)
    if target == STDIO:
        raise PscError("several pictures do not fit into standard output: name an output file")
    return [choose_output(source, name, suffix, force=force) for name in names.numbered(target, count)]


def _check_output(source: str, target: str, force: bool) -> None:
    if target == STDIO:
        if sys.stdout.isatty() and not force:
            raise PscError("standard output is a terminal: redirect it, name an output file, or use -f")
        return
    if Path(target).is_dir():
        raise PscError(f"the output {target} is a folder; expected a file's name")
    if files.is_stream(target):
        _check_stream(target, force)
        return
    path = Path(target).resolve()
    if path.is_file() and source != STDIO and Path(source).exists() and path.samefile(source):
        raise PscError(f"the output {target} is the input: choose another name")
    if path.is_file() and not force:
        raise PscError(f"the output {target} exists; -f (--force) overwrites it")
    if not path.parent.is_dir():
        raise PscError(f"the output's folder {path.parent} does not exist")
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise PscError(f"the output's folder {path.parent} is not writable")


def _check_stream(target: str, force: bool) -> None:
    """PscError for an output that is no file (a pipe, a terminal, a device) and cannot be written."""
    if Path(target).is_socket():
        raise PscError(f"the output {target} is a socket; expected a file, a pipe or a device")
    if Path(target).is_block_device() and not force:
        raise PscError(f"the output {target} is a whole disk; -f (--force) overwrites it")
    if not os.access(target, os.W_OK):
        raise PscError(f"the output {target} is not writable")


def choose_journal(target: str, *, resume: bool) -> Path | None:
    """Where an encode keeps its draws: OUT.resume; None if OUT is no file, or has too long a name for that.

    A warning says what is there, or is not, against what the user asked for.
    """
    if target == STDIO or files.is_stream(target):
        if resume:
            raise PscError(f"--resume needs an output that is a file, beside which {target}.resume would be")
        return None
    journal = Path(target).with_name(f"{Path(target).name}.resume")
    try:
        there = journal.exists()
    except OSError:
        if resume:
            raise
        return None
    if resume and not there:
        warnings.warn(f"there is no {journal} to go on from: starting from the beginning", stacklevel=2)
    if there and not resume:
        overwritten = f"{journal} is of an interrupted encode, and will be overwritten"
        warnings.warn(f"{overwritten}: --resume goes on from it", stacklevel=2)
    return journal


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
            say(f"psc: error: {sentence(error)}")
            _release_stdout()
            raise typer.Exit(1) from None


def unwritten(error: OSError) -> int:
    """Say that standard output takes nothing (of help, say); returns the exit code."""
    say(f"psc: error: cannot write standard output: {error.strerror or error}")
    _release_stdout()
    return 1


def _show_warning(message: Warning | str, *_: object) -> None:
    say(f"psc: warning: {one_line(message)}")


def one_line(said: object) -> str:
    """What an error or a warning says, without line breaks."""
    return " ".join(str(said).split())


def sentence(error: Exception) -> str:
    """What is said of a foreseeable error; any other is raised again."""
    said = one_line(error)
    if isinstance(error, RuntimeError) and ("out of memory" in said or "allocate memory" in said):
        error = MemoryError()
    if isinstance(error, MemoryError):
        return "not enough memory; scale the picture down or cut it into parts"
    if not isinstance(error, PscError | OSError):
        raise error
    return said


def _release_stdout() -> None:
    """Keep Python from flushing stdout once more at exit, where that cannot be done."""
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
