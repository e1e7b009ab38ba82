"""A second, slow implementation of pieces of FORMAT.md in plain Python, to hold the program against."""

from fractions import Fraction

MASK = 2**64 - 1


def philox_words(seed, draw, step, particle, count):
    """16-bit words of FORMAT.md section 4."""
    out = []
    c = 1
    while len(out) < count:
        block = _philox4x64([c, particle, step, draw], [seed, 0])
        out += [word >> shift & 0xFFFF for word in block for shift in (0, 16, 32, 48)]
        c += 1
    return out[:count]


def _philox4x64(x, key):
    k = list(key)
    for _ in range(10):
        a, b = 0xD2E7470EE14C6C93 * x[0], 0xCA5A826395121157 * x[2]
        x = [b >> 64 ^ x[1] ^ k[0], b & MASK, a >> 64 ^ x[3] ^ k[1], a & MASK]
        k = [(k[0] + 0x9E3779B97F4A7C15) & MASK, (k[1] + 0xBB67AE8584CAA73B) & MASK]
    return x


class RangeDecoder:
    """FORMAT.md section 7: the range decoder, on a number read from bytes with zeros behind them."""

    def __init__(self, data):
        self.data, self.position = data, 8
        self.lower, self.range = 0, MASK
        self.point = int.from_bytes(data[:8].ljust(8, b"\0"), "big")

    def decode(self, frequencies):
        scale = self.range >> 24
        quantile = (self.point - self.lower & MASK) // scale
        symbol = 0
        left = 0
        while left + frequencies[symbol] <= quantile:
            left += frequencies[symbol]
            symbol += 1
        self.lower = self.lower + scale * left & MASK
        self.range = scale * frequencies[symbol]
        if self.range < 2**32:
            self.lower = self.lower << 32 & MASK
            self.range <<= 32
            word = self.data[self.position : self.position + 4].ljust(4, b"\0")
            self.position += 4
            self.point = (self.point << 32 & MASK) | int.from_bytes(word, "big")
        return symbol


def float8_values():
    """All magnitudes of float8 e4m3 as fractions, by code 0 ... 126."""
    out = []
    for code in range(127):
        exponent, mantissa = divmod(code, 8)
        value = (
            Fraction(mantissa, 2**9)
            if exponent == 0
            else Fraction(8 + mantissa, 8) * Fraction(2) ** (exponent - 7)
        )
        out.append(value)
    return out
