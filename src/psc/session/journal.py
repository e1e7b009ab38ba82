"""Journals of draws: what an interrupted encode goes on from.

An encode is deterministic, and nearly all that it costs are the network evaluations of its posterior draws.
A journal keeps all particles that were drawn, in order. An encode that is resumed runs again from
the beginning, takes from the journal what is there and draws the rest: the same file, to the byte.

    magic 4 | what the encode is of, a digest of 16 for each part | records
    record    key 16 | number of particles 1 | particles, float32 multiples of 2^-16 | CRC-32 of all that 4

Numbers are little-endian. A key is the digest of whatever determines the particles. How many of a draw's are
in a record depends on the machine, and does not matter. The first record that is torn,
damaged or of another draw ends the replay; what is drawn instead overwrites it and all that follow.
"""

import hashlib
import time
import warnings
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

import numpy as np
import torch

from psc.errors import PscError
from psc.exact import to_grid

MAGIC = b"PSJ1"
DIGEST_BYTES, CRC_BYTES = 16, 4
PATIENCE = 10.0
"""Seconds before a new journal is written: quick encodes write none."""
PENDING_BYTES = 2**26
"""Draws of those seconds that are held in memory at most."""
LIMIT = 2.0**8
"""float32 holds all multiples of 2^-16 below it, and particles stay far below."""


class Journal:
    """The file that one encode keeps its draws in, so that it can go on after an interruption.

        journal = psc.Journal("photo.psc.resume")
        data = psc.encode(image, journal=journal)  # interrupted? then the same once more
        Path("photo.psc").write_bytes(data)
        journal.remove()

    The file holds all particles drawn so far: about 720 bytes per pixel for a plain encode in colours. If
    it cannot be written, a warning says so, and the encode goes on without.

    Attributes:
        path (Path): Of the file, which is there from the encode's tenth second on.
        kept (bool): Whether the file holds draws of this encode.

    Args:
        path: Of the file.
        resume: Go on from the file if it is there; False: start anew, and overwrite it.
    """

    def __init__(self, path: str | Path, *, resume: bool = True) -> None:
        self.path, self.kept = Path(path), False
        self._resume = resume
        self._header = b""
        self._file: IO[bytes] | None = None
        self._pending: list[bytes] = []
        self._replaying = self._given_up = False
        self._due = 0.0

    @contextmanager
    def open(self, of: Mapping[str, bytes]) -> Iterator[None]:
        """Keep a journal while an encode runs.

        Args:
            of: What the encode is of: the names are for messages, the values are digested.

        Raises:
            PscError: For a file that is no journal, or, to be resumed, is one of something else; neither is
                touched. If the encode itself ends with a PscError, it would do so again: then the journal is
                removed.
        """
        self._header = MAGIC + b"".join(_digest(value) for value in of.values())
        self._due = time.monotonic() + PATIENCE
        parts = list(of)
        del of  # as large as the picture
        try:
            self._begin(parts)
        except OSError as error:
            raise PscError(f"cannot read the journal {self.path}: {error.strerror or error}") from error
        try:
            yield
        except PscError:
            self.remove()
            raise
        finally:
            self._close()

    def _begin(self, parts: list[str]) -> None:
        found = b""
        if self.path.exists():
            with self.path.open("rb") as file:
                found = file.read(len(self._header))
        if found[: len(MAGIC)] != MAGIC[: len(found)]:
            raise PscError(f"{self.path} is not a journal of this version of psc: remove it")
        if not self._resume or len(found) < len(self._header):  # a killed process may leave a torn header
            return
        for number, part in enumerate(parts):
            own = slice(len(MAGIC) + number * DIGEST_BYTES, len(MAGIC) + (number + 1) * DIGEST_BYTES)
            if found[own] != self._header[own]:
                raise PscError(
                    f"the journal {self.path} is of another {part}: to start anew, remove it or leave out "
                    "--resume (resume=False)"
                )
        self._file = self.path.open("r+b")
        self._file.seek(len(self._header))
        self._replaying = self.kept = True

    def read(self, what: bytes, shape: torch.Size) -> torch.Tensor | None:
        """Take the next particles from the journal.

        Args:
            what: Whatever determines them.
            shape: (s, C, h, w) of what is wanted, s below 256.

        Returns:
            (1 ... s, C, h, w), the first ones of those wanted; None if they have to be drawn.
        """
        if self._file is None or not self._replaying:
            return None
        try:
            start = self._file.tell()
            head = self._file.read(DIGEST_BYTES + 1)
            particles = None
            if head[:-1] == _digest(what) and 1 <= head[-1] <= shape[0]:
                shape = torch.Size([head[-1], *shape[1:]])
                particles = _particles(head, self._file.read(4 * shape.numel() + CRC_BYTES), shape)
            if particles is None:
                self._replaying = False
                self._file.seek(start)
                self._file.truncate()
        except OSError as error:
            self._give_up(error)
            return None
        return particles

    def append(self, what: bytes, particles: torch.Tensor) -> None:
        """Keep what was drawn.

        Args:
            what: Whatever determines the particles.
            particles: (1 ... 255, C, h, w), float32 multiples of 2^-16.
        """
        if self._given_up:
            return
        numbers = np.ascontiguousarray(particles.numpy().astype("<f4", copy=False)).data.cast("B")
        head = _digest(what) + bytes([len(particles)])
        record = (head, numbers, _crc(numbers, zlib.crc32(head)))
        pending = sum(map(len, self._pending)) + len(numbers)
        if self._file is None and time.monotonic() < self._due and pending <= PENDING_BYTES:
            self._pending += map(bytes, record)
            return
        try:
            self._write(*record)
        except OSError as error:
            self._give_up(error)

    def _write(self, *record: bytes | memoryview) -> None:
        if self._file is None:
            self._file = self.path.open("wb")
            self._file.write(self._header)
        for piece in (*self._pending, *record):
            self._file.write(piece)
        self._file.flush()  # to the system: a killed process loses nothing of it
        self._pending.clear()
        self.kept = True

    def _give_up(self, error: OSError) -> None:
        reason = error.strerror or error
        warnings.warn(
            f"the journal {self.path} cannot be kept ({reason}); if interrupted, this encode cannot go on",
            stacklevel=4,
        )
        self._given_up = True
        self.remove()  # it may be what fills the disk

    def remove(self) -> None:
        """Remove the file: the encode is done, and its result is where it should be."""
        self._close()
        self.kept = False
        with suppress(OSError):
            self.path.unlink()

    def _close(self) -> None:
        if self._file is not None:
            with suppress(OSError):  # of what could not be written
                self._file.close()
        self._file, self._replaying = None, False
        self._pending.clear()


def _particles(head: bytes, rest: bytes, shape: torch.Size) -> torch.Tensor | None:
    """What a record holds after its head, if it is whole and sound."""
    numbers, crc = rest[:-CRC_BYTES], rest[-CRC_BYTES:]
    if len(numbers) != 4 * shape.numel() or _crc(numbers, zlib.crc32(head)) != crc:
        return None
    particles = torch.from_numpy(np.frombuffer(numbers, "<f4").astype(np.float32)).reshape(shape)
    sound = bool((particles.abs() < LIMIT).all()) and torch.equal(to_grid(particles).float(), particles)
    return particles if sound else None


def _digest(value: bytes) -> bytes:
    return hashlib.blake2b(value, digest_size=DIGEST_BYTES).digest()


def _crc(numbers: bytes | memoryview, seed: int = 0) -> bytes:
    return zlib.crc32(numbers, seed).to_bytes(CRC_BYTES, "little")
