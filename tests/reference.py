"""A second, slow implementation of pieces of FORMAT.md in plain Python, to hold the program against."""

from fractions import Fraction
from pathlib import Path

import psc.bitstream

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


def caption(data):
    """FORMAT.md section 16: a caption from its bytes."""
    counts = _contexts()
    decoder, text = RangeDecoder(data), b""
    while (symbol := decoder.decode(_caption_frequencies(counts, text))) != 256:
        text += bytes([symbol])
    return text.decode()


def _contexts():
    lines = (Path(psc.bitstream.__file__).parent / "captions.txt").read_bytes().split(b"\n")[:-1]
    counts = {}
    for line in lines:
        for i in range(len(line) + 1):
            symbol = line[i] if i < len(line) else 256
            before = b"\n" * 5 + line[:i]
            for k in (5, 4, 3, 2, 1, 0):
                context = before[len(before) - k :]
                new = symbol not in counts.setdefault((k, context), {})
                counts[k, context][symbol] = counts[k, context].get(symbol, 0) + 1
                if not new:
                    break
    return counts


def _caption_frequencies(counts, text):
    before = b"\n" * 5 + text
    w = [2**32 // 257] * 257
    for k in range(6):
        n = counts.get((k, before[len(before) - k :]))
        if n is None:
            break
        total = sum(n.values())
        w = [
            (3 * len(n) * w[c] + (2**32 * (4 * n[c] - 3) if c in n else 0)) // (4 * total) for c in range(257)
        ]
    f = [1 + w[c] * (2**24 - 257) // sum(w) for c in range(257)]
    f[w.index(max(w))] += 2**24 - sum(f)
    return f
