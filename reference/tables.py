"""FORMAT.md, section 7: adaptive tables of symbols."""

from reference import constants
from reference.rangecoder import TOTAL, RangeDecoder


class Table:
    """Counts of earlier rounds, on top of prior weights."""

    def __init__(self, weights: list[int], confidence: int = constants.CONFIDENCE):
        self.weights, self.confidence = weights, confidence
        self.counts = [0] * len(weights)
        self.fresh: list[int] = []
        """Symbols of this round, from which the table has not learnt."""
        self.frequencies = self._frequencies()

    def decode(self, coder: RangeDecoder) -> int:
        """The next symbol."""
        symbol = coder.decode(self.frequencies)
        self.fresh.append(symbol)
        return symbol

    def learn(self) -> None:
        """The round is over."""
        if self.fresh:
            for symbol in self.fresh:
                self.counts[symbol] += 1
            self.fresh = []
            self.frequencies = self._frequencies()

    def _frequencies(self) -> list[int]:
        mass = [self.confidence * w + 2**20 * c for w, c in zip(self.weights, self.counts, strict=True)]
        return proportional(mass)


def proportional(mass: list[int]) -> list[int]:
    """Frequencies of at least 1 with the sum 2^24, proportional to ``mass``."""
    total = sum(mass)
    out = [1 + m * (TOTAL - len(mass)) // total for m in mass]
    out[mass.index(max(mass))] += TOTAL - sum(out)
    return out


def number_weights(k: int) -> list[int]:
    """Prior weights of table k: the symbols -31 ... 31, escape."""
    zero, ratio = constants.TABLE_ZERO[k], constants.TABLE_RATIO[k]
    g = [2**40]
    for _ in range(30):
        g.append(g[-1] * ratio // 1024)
    side = ((1024 - zero) * 2**20) // 2048
    tail = [value * side // sum(g) for value in g]
    return [*reversed(tail), zero * 2**20 // 1024, *tail, 1]


def number_tables() -> list[Table]:
    """Those of all classes."""
    return [Table(number_weights(k)) for k in range(len(constants.TABLE_ZERO))]


def float8_table() -> Table:
    """Of float8 magnitudes."""
    return Table([2**20 // 127] * 127, constants.FLOAT8_CONFIDENCE)


def sign_table() -> Table:
    """Of refinements of numbers that are not zero."""
    return Table([2**19] * 2, constants.REFINEMENT_CONFIDENCE)


def direction_table() -> Table:
    """Of refinements of numbers that are zero."""
    third = 2**20 // 3
    return Table([third // 2, 2 * third, third // 2], constants.REFINEMENT_CONFIDENCE)
