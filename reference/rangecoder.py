"""FORMAT.md, section 9: the range decoder, and the part of a cut body that is certain."""

from collections.abc import Sequence
from itertools import accumulate

from reference.errors import DamagedFileError, EndOfCertaintyError

_MASK = 2**64 - 1
TOTAL_BITS = 24
TOTAL = 2**TOTAL_BITS
"""The sum of a model's frequencies."""


class RangeDecoder:
    """Symbols of a body; ``filler`` is what stands for each byte that is missing at its end."""

    def __init__(self, body: bytes, filler: bytes = b"\0"):
        self.body, self.filler, self.position = body, filler, 0
        self.lower, self.range = 0, _MASK
        self.point = self._next(8)

    def decode(self, frequencies: Sequence[int]) -> int:
        """The next symbol, by a model."""
        quantile = self._quantile()
        left = 0
        for symbol, right in enumerate(accumulate(frequencies)):
            if right > quantile:
                self._consume(left, frequencies[symbol])
                return symbol
            left = right
        raise AssertionError("the frequencies' sum is 2^24")

    def decode_uniform(self, count: int) -> int:
        """One of ``count`` (a power of two) equally likely symbols."""
        share = TOTAL // count
        symbol = self._quantile() // share
        self._consume(symbol * share, share)
        return symbol

    def _quantile(self) -> int:
        quantile = (self.point - self.lower & _MASK) // (self.range >> TOTAL_BITS)
        if quantile >= TOTAL:
            raise DamagedFileError("the body is damaged")
        return quantile

    def _consume(self, left: int, frequency: int) -> None:
        scale = self.range >> TOTAL_BITS
        self.lower = self.lower + scale * left & _MASK
        self.range = scale * frequency
        if self.range < 2**32:
            self.lower = self.lower << 32 & _MASK
            self.range <<= 32
            self.point = (self.point << 32 & _MASK) | self._next(4)

    def _next(self, count: int) -> int:
        out = self.body[self.position : self.position + count].ljust(count, self.filler)
        self.position += count
        return int.from_bytes(out, "big")


class CertainDecoder(RangeDecoder):
    """The same for a cut body: symbols that do not depend on what is missing."""

    def __init__(self, body: bytes):
        super().__init__(body)
        self.other = RangeDecoder(body, b"\xff")

    def decode(self, frequencies: Sequence[int]) -> int:
        """The next symbol, if it is certain."""
        try:
            return _same(super().decode(frequencies), self.other.decode(frequencies))
        except DamagedFileError:
            raise EndOfCertaintyError from None

    def decode_uniform(self, count: int) -> int:
        """The next symbol, if it is certain."""
        try:
            return _same(super().decode_uniform(count), self.other.decode_uniform(count))
        except DamagedFileError:
            raise EndOfCertaintyError from None


def _same(symbol: int, other: int) -> int:
    if symbol != other:
        raise EndOfCertaintyError
    return symbol
