"""FORMAT.md, section 7: numbers of paper plans, float8 e4m3."""

import numpy as np

from reference.errors import EndOfCertaintyError
from reference.rangecoder import RangeDecoder
from reference.tables import Table


def magnitudes() -> list[float]:
    """By code, 0 ... 126: exact in binary64."""
    out = []
    for code in range(127):
        exponent, mantissa = code >> 3, code & 7
        out.append(mantissa * 2.0**-9 if exponent == 0 else (8 + mantissa) * 2.0 ** (exponent - 10))
    return out


def decode_numbers(coder: RangeDecoder, count: int, table: Table) -> tuple[np.ndarray, np.ndarray, bool]:
    """Signed codes of a round's numbers, which are certain, and whether the code went on to its end."""
    codes: list[int] = []
    signed = 0
    try:
        while len(codes) < count:
            codes.append(table.decode(coder))
        while signed < count:
            if codes[signed]:
                codes[signed] *= 1 - 2 * coder.decode_uniform(2)
            signed += 1
    except EndOfCertaintyError:
        while signed < len(codes) and codes[signed] == 0:
            signed += 1
    certain = np.arange(count) < signed
    q = np.zeros(count, np.int64)
    q[:signed] = codes[:signed]
    return q, certain, signed == count


def values(codes: np.ndarray) -> np.ndarray:
    """What signed codes stand for."""
    return np.sign(codes) * np.array(magnitudes())[np.abs(codes)]
