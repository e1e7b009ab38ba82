"""FORMAT.md, section 7: classes of numbers and their code."""

import numpy as np

from reference import constants
from reference.errors import EndOfCertaintyError
from reference.rangecoder import RangeDecoder
from reference.tables import Table

_ESCAPE, _REACH = 63, 31


def calibration(level: int, levels: int, full: bool, earlier: int) -> float:
    """g: the gain of a round at ``level`` of so many, after ``earlier`` rounds there."""
    where = "coarsest" if level == levels - 1 else "finest" if level == 0 else "between"
    if full:
        return constants.CALIBRATION_FULL[where] / 64
    gains = {
        "coarsest": constants.CALIBRATION_COARSEST,
        "finest": constants.CALIBRATION_FINEST,
        "between": constants.CALIBRATION_BETWEEN,
    }[where]
    return gains[min(earlier, 7)] / 64


def classes(variance: np.ndarray, gain: float, delta: float) -> np.ndarray:
    """Classes of numbers with the variance v', down to -64; a negative one says: not measured."""
    mantissa, exponent = np.frexp(variance * (gain * gain) / (delta * delta))
    k = 2 * (exponent.astype(np.int64) - 1) + 8 + (mantissa >= 181 / 256)
    k = np.where(variance == 0, constants.LOWEST_REFINED_CLASS, k)
    return np.clip(k, constants.LOWEST_REFINED_CLASS, constants.HIGHEST_CLASS)


def shift(k: int) -> int:
    """b: the low digits of a class that have no table."""
    return max(0, (k - 20) // 4 + 1)


def decode_numbers(
    coder: RangeDecoder, k: np.ndarray, tables: list[Table]
) -> tuple[np.ndarray, np.ndarray, bool]:
    """Numbers q of classes k (n,), which of them are certain, and whether the code went on to its end."""
    q = np.zeros(len(k), np.int64)
    certain = np.zeros(len(k), bool)
    try:
        for each in range(int(k.max(initial=-1)), -1, -1):
            _decode_class(coder, each, np.flatnonzero(k == each), tables, q, certain)
    except EndOfCertaintyError:
        return np.where(certain, q, 0), certain, False
    return q, certain, True


def _decode_class(
    coder: RangeDecoder, k: int, numbers: np.ndarray, tables: list[Table], q: np.ndarray, certain: np.ndarray
) -> None:
    b = shift(k)
    table = tables[k if k < 20 else 16 + k % 4]
    symbols = {}
    for i in numbers:
        symbols[i] = table.decode(coder)
        q[i] = symbols[i] - _REACH << b
        certain[i] = b == 0 and symbols[i] != _ESCAPE
    low = dict.fromkeys(numbers, 0)
    if b > 0:
        for i in numbers:
            low[i] = coder.decode_uniform(2**b)
            q[i] += low[i]
            certain[i] = symbols[i] != _ESCAPE
    for i in numbers:
        if symbols[i] == _ESCAPE:
            q[i] = (_decode_escape(coder) << b) + low[i]
            certain[i] = True


def _decode_escape(coder: RangeDecoder) -> int:
    """h, beyond +-31: Elias gamma."""
    length, negative = divmod(coder.decode_uniform(64), 2)
    length = min(length, 25)
    excess, left = 1, length
    while left:
        width = min(left, 8)
        excess = excess << width | coder.decode_uniform(2**width)
        left -= width
    h = excess + _REACH
    return -h if negative else h


def dequantise(mean: np.ndarray, q: np.ndarray, delta: float) -> np.ndarray:
    """y = m' + q Delta, clamped."""
    return np.clip(mean + q * delta, -constants.LARGEST_VALUE, constants.LARGEST_VALUE)
