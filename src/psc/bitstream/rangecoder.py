"""The range coder: constriction's, fed with integer frequencies, and cut files made readable.

A model is an array of integer frequencies with the sum 2^24. constriction's ``Categorical`` takes weights and
gives each of n symbols 1 / 2^24 plus its share of the remaining 2^24 - n; weights that already sum to
2^24 - n therefore become frequency - 1 + 1 exactly: nothing is left to the library's rounding.

The coder's 32-bit words are stored big-endian, so that the file's bytes are the digits of one long number and
a prefix of the file is a prefix of the number. What is missing at the end counts as zeros.
"""

import contextlib
from typing import Protocol

import constriction
import numpy as np
from numpy.typing import NDArray

from psc.errors import PscError

TOTAL = 2**24
Symbols = NDArray[np.int32]
Frequencies = NDArray[np.int64]


class BodyError(PscError):
    """A body that no encoder writes, as far as this decoder's models go."""


class Channel(Protocol):
    """Where symbols go to (a writer) or come from (a reader): both sides run the same code."""

    def code(self, symbols: Symbols, frequencies: Frequencies) -> Symbols:
        """Code symbols under one model; a writer returns them, a reader those that it finds instead.

        A reader of a cut file returns fewer than asked for: those that no continuation could change.
        """
        ...

    @property
    def bits(self) -> int:
        """Bits written or read so far."""
        ...


def uniform(size: int) -> Frequencies:
    """The model of ``size`` equally likely symbols, size a power of two up to 2^16."""
    return np.full(size, TOTAL // size, dtype=np.int64)


def _content(symbols: Symbols, frequencies: Frequencies) -> float:
    """The information content of symbols under a model, in bits."""
    return float(np.log2(TOTAL / frequencies[symbols]).sum())


def _model(frequencies: Frequencies) -> constriction.stream.model.Categorical:
    weights = (frequencies - 1).astype(np.float32)  # exact: integers up to 2^24
    return constriction.stream.model.Categorical(weights, perfect=False)


class Writer:
    """Encodes symbols to bytes."""

    def __init__(self) -> None:
        self._coder = constriction.stream.queue.RangeEncoder()
        self._log: list[tuple[Symbols, Frequencies]] = []
        self._bits = 0.0

    @property
    def bits(self) -> int:
        """The information content of the symbols written so far; the body is at most a byte longer."""
        return round(self._bits)

    def code(self, symbols: Symbols, frequencies: Frequencies) -> Symbols:
        """Write ``symbols``."""
        if len(symbols):
            self._coder.encode(symbols, _model(frequencies))
            self._log.append((symbols, frequencies))
            self._bits += _content(symbols, frequencies)
        return symbols

    @property
    def calls(self) -> int:
        """How often :meth:`code` has had something to write."""
        return len(self._log)

    def rewind(self, calls: int) -> None:
        """Forget all but the first ``calls`` calls."""
        log = self._log[:calls]
        self._coder, self._log, self._bits = constriction.stream.queue.RangeEncoder(), [], 0.0
        for symbols, frequencies in log:
            self.code(symbols, frequencies)

    def reread(self, data: bytes, calls: int) -> "Reader":
        """A reader of ``data``, a beginning of what was written, that has read the first ``calls`` calls."""
        reader = Reader(data, cut=True)
        for symbols, frequencies in self._log[:calls]:
            reader.code(symbols, frequencies)
        return reader

    def finish(self) -> bytes:
        """The shortest bytes that decode to the symbols when zeros follow."""
        data: bytes = self._coder.get_compressed().astype(">u4").tobytes()
        for length in range(max(0, len(data) - 8), len(data)):
            head = int.from_bytes(data[:length], "big")
            for number in (head, head + 1):
                if number < 256**length and self._decodes(candidate := number.to_bytes(length, "big")):
                    return candidate
        return data

    def _decodes(self, data: bytes) -> bool:
        reader = Reader(data)
        try:
            return all(np.array_equal(reader.code(s, f), s) for s, f in self._log)
        except PscError:
            return False


class Reader:
    """Decodes bytes to symbols. ``cut`` says that bytes are missing at the end."""

    def __init__(self, data: bytes, cut: bool = False) -> None:
        self._cut = cut
        self._bits = 0.0
        self._ended = False
        # Whatever the missing bytes were, the number lies between these two.
        self._low, self._high = _decoder(data + bytes(64)), _decoder(data + b"\xff" * 64)

    @property
    def bits(self) -> int:
        """The information content of the symbols read so far."""
        return round(self._bits)

    def code(self, symbols: Symbols, frequencies: Frequencies) -> Symbols:
        """Read as many symbols as ``symbols`` has; fewer where a cut file ends."""
        model = _model(frequencies)
        found = self._certain(len(symbols), model) if self._cut else self._all(len(symbols), model)
        self._bits += _content(found, frequencies)
        return found

    def _all(self, count: int, model: constriction.stream.model.Categorical) -> Symbols:
        try:
            found: Symbols = self._low.decode(model, count)
        except AssertionError as error:
            raise BodyError(
                "no encoder writes these bytes: the body is damaged, or the state here is not the encoder's"
            ) from error
        return found

    def _certain(self, count: int, model: constriction.stream.model.Categorical) -> Symbols:
        """What both decoders read, up to the first difference; after that, nothing."""
        if self._ended:
            return np.zeros(0, dtype=np.int32)
        low, high = _read(self._low, count, model), _read(self._high, count, model)
        both = min(len(low), len(high))
        differences = np.flatnonzero(low[:both] != high[:both])
        known = int(differences[0]) if len(differences) else both
        self._ended = known < count
        return low[:known]


class Copier:
    """Reads symbols and writes what it has read: a file's first rounds as a file of their own."""

    def __init__(self, reader: Reader, writer: Writer) -> None:
        self._reader, self._writer = reader, writer

    @property
    def bits(self) -> int:
        """Bits read so far."""
        return self._reader.bits

    def code(self, symbols: Symbols, frequencies: Frequencies) -> Symbols:
        """What the reader finds."""
        return self._writer.code(self._reader.code(symbols, frequencies), frequencies)


def _read(
    decoder: constriction.stream.queue.RangeDecoder, count: int, model: constriction.stream.model.Categorical
) -> Symbols:
    """The next ``count`` symbols; fewer where filler follows that no encoder writes."""
    again = decoder.clone()
    found: list[int] = []
    try:
        symbols: Symbols = decoder.decode(model, count)
        return symbols
    except AssertionError:
        with contextlib.suppress(AssertionError):
            while len(found) < count:
                found.append(again.decode(model))
    return np.array(found, dtype=np.int32)


def _decoder(data: bytes) -> constriction.stream.queue.RangeDecoder:
    padded = data + bytes(-len(data) % 4)
    return constriction.stream.queue.RangeDecoder(np.frombuffer(padded, dtype=">u4").astype(np.uint32))
