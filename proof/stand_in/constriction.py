"""The part of ``constriction`` that psc uses, in Python's integers, for machines it has no wheel for.

FORMAT.md, section 9, with the library's way of ending. ``python proof/stand_in/constriction.py`` compares it
with the library where that is installed. Import it by putting this folder on PYTHONPATH.
"""

from bisect import bisect_right
from itertools import accumulate
from types import SimpleNamespace

import numpy as np

WORD, TOTAL_BITS = 32, 24
MASK = 2**64 - 1


class Categorical:
    """Integer weights whose sum is 2^24 less their number: each symbol's frequency is its weight + 1."""

    def __init__(self, weights, perfect=False):
        self.ends = list(accumulate(int(w) + 1 for w in weights))
        if perfect or self.ends[-1] != 2**TOTAL_BITS:
            raise NotImplementedError("weights that need rounding")

    def interval(self, symbol):
        """Sum of the frequencies before the symbol's, and its own."""
        left = self.ends[symbol - 1] if symbol else 0
        return left, self.ends[symbol] - left


class RangeEncoder:
    """A message is one long number, here ``lower``, without a limit."""

    def __init__(self):
        self.lower, self.range, self.words = 0, MASK, 0

    def encode(self, symbols, model):
        """Append symbols under one model."""
        for symbol in np.atleast_1d(symbols).tolist():
            left, size = model.interval(symbol)
            scale = self.range >> TOTAL_BITS
            self.lower, self.range = self.lower + scale * left, scale * size
            if self.range < 2**WORD:
                self.lower, self.range, self.words = self.lower << WORD, self.range << WORD, self.words + 1

    def get_compressed(self):
        """The words, as few as a reader of any words behind them needs."""
        if self.range == MASK:
            return np.zeros(0, dtype=np.uint32)
        top, end = (self.lower + 2**WORD - 1) >> WORD, (self.lower + self.range) >> WORD
        data = top.to_bytes(4 * (self.words + 1), "big") + bytes(4 * (top == end))
        return np.frombuffer(data, dtype=">u4").astype(np.uint32)


class RangeDecoder:
    """Zeros follow the words."""

    def __init__(self, words):
        self.data, self.position = np.asarray(words).astype(">u4").tobytes(), 0
        self.lower, self.range, self.point = 0, MASK, self.word() << WORD | self.word()

    def word(self):
        """The next one."""
        self.position += 4
        return int.from_bytes(self.data[self.position - 4 : self.position].ljust(4, b"\0"), "big")

    def clone(self):
        """One that goes on from here alone."""
        other = RangeDecoder([])
        other.__dict__.update(self.__dict__)
        return other

    def decode(self, model, count=None):
        """An array of symbols, or one; AssertionError for what no encoder writes."""
        if count is None:
            return self.one(model)
        return np.array([self.one(model) for _ in range(count)], dtype=np.int32)

    def one(self, model):
        """The next symbol."""
        scale = self.range >> TOTAL_BITS
        quantile = (self.point - self.lower & MASK) // scale
        if quantile >= 2**TOTAL_BITS:
            raise AssertionError("invalid data")
        symbol = bisect_right(model.ends, quantile)
        left, size = model.interval(symbol)
        self.lower, self.range = self.lower + scale * left & MASK, scale * size
        if self.range < 2**WORD:
            self.lower, self.range = self.lower << WORD & MASK, self.range << WORD
            self.point = self.point << WORD & MASK | self.word()
        return symbol


stream = SimpleNamespace(
    model=SimpleNamespace(Categorical=Categorical),
    queue=SimpleNamespace(RangeEncoder=RangeEncoder, RangeDecoder=RangeDecoder),
)


def compared(messages):
    """Whether words and symbols are the library's for so many random messages; damaged ones, too."""
    import constriction as library

    rng = np.random.default_rng(0)
    for _ in range(messages):
        ours, theirs, models = RangeEncoder(), library.stream.queue.RangeEncoder(), []
        for _ in range(rng.integers(0, 6)):
            size = int(rng.integers(2, 300))
            weights = rng.exponential(size=size) ** rng.integers(1, 40)
            weights = np.floor(weights / weights.sum() * (2**TOTAL_BITS - size))
            weights[weights.argmax()] += 2**TOTAL_BITS - size - weights.sum()
            weights = weights.astype(np.float32)
            pair = Categorical(weights), library.stream.model.Categorical(weights, perfect=False)
            symbols = rng.choice(size, int(rng.integers(0, 60))).astype(np.int32)
            ours.encode(symbols, pair[0])
            theirs.encode(symbols, pair[1])
            models.append((symbols, pair))
        words = theirs.get_compressed()
        if not np.array_equal(ours.get_compressed(), words):
            return False
        damaged = words ^ rng.integers(0, 2**32, len(words), dtype=np.uint32) * (rng.random(len(words)) < 0.2)
        for data in (words, damaged.astype(np.uint32)):
            ours, theirs = RangeDecoder(data), library.stream.queue.RangeDecoder(data)
            for symbols, pair in models:
                found = [_symbols(d, m, len(symbols)) for d, m in zip((ours, theirs), pair, strict=True)]
                if found[0] != found[1] or (data is words and found[0] != symbols.tolist()):
                    return False
                if found[0] is None:
                    break
    return True


def _symbols(decoder, model, count):
    try:
        return decoder.decode(model, count).tolist()
    except AssertionError:
        return None


if __name__ == "__main__":
    import sys
    from pathlib import Path

    here = Path(__file__).resolve().parent
    sys.path[:] = [folder for folder in sys.path if Path(folder).resolve() != here]
    same = compared(2000)
    sys.stdout.write(f"2000 random messages: words and symbols are {'the same' if same else 'OTHERS'}\n")
    sys.exit(not same)
