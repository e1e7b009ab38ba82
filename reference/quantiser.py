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
    k = 2 * (exponent.astype(np.int64) - 1) + 9 + (mantissa >= 181 / 256)
    k = np.where(variance == 0, constants.LOWEST_REFINED_CLASS, k)
    return np.clip(k, constants.LOWEST_REFINED_CLASS, constants.HIGHEST_CLASS)


def shift(k: int) -> int:
    """b: the low digits of a class that have no table."""
    return max(0, (k - 21) // 4 + 1)


def decode_numbers(
    coder: RangeDecoder, k: np.ndarray, across: int, tables: list[Table]
) -> tuple[np.ndarray, np.ndarray, bool]:
    """Numbers q of classes k (windows, r), which are certain, and whether the code went on to its end.

    across: how many windows lie side by side.
    """
    windows = np.arange(k.size) // max(k.shape[1], 1)
    q, certain = np.zeros(k.size, np.int64), np.zeros(k.size, bool)
    found, expected = np.zeros((2, len(k) // across, across), np.int64)
    complete = True
    try:
        for each in range(int(k.max(initial=-1)), -1, -1):
            here = k.ravel() == each
            moved = np.clip(each + _shifts(found, expected)[windows], 0, constants.HIGHEST_CLASS)
            for wider in range(constants.HIGHEST_CLASS, -1, -1):
                _decode_class(coder, wider, np.flatnonzero(here & (moved == wider)), tables, q, certain)
            for i in np.flatnonzero(here):
                found.ravel()[windows[i]] += 64 * abs(q[i])
                expected.ravel()[windows[i]] += _expected(each)
    except EndOfCertaintyError:
        q, complete = np.where(certain, q, 0), False
    return q.reshape(k.shape), certain.reshape(k.shape), complete


def _shifts(found: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """By how many classes a window's numbers are wider than they seemed, from F and X."""
    ratio = (512 + _with_neighbours(found)) / (512 + _with_neighbours(expected)) * 1024
    return (ratio[..., None] >= np.array(constants.SHIFTS)).sum(-1).ravel() - len(constants.SHIFTS) // 2


def _with_neighbours(x: np.ndarray) -> np.ndarray:
    y = np.pad(x, 1)
    return 2 * x + y[:-2, 1:-1] + y[2:, 1:-1] + y[1:-1, :-2] + y[1:-1, 2:]


def _expected(k: int) -> int:
    """64 times what |q| is on average in class k."""
    return constants.EXPECTED[k] if k < 21 else constants.EXPECTED[17 + (k - 21) % 4] << shift(k)


def _decode_class(
    coder: RangeDecoder, k: int, numbers: np.ndarray, tables: list[Table], q: np.ndarray, certain: np.ndarray
) -> None:
    b = shift(k)
    table = tables[k if k < 21 else 17 + (k - 21) % 4]
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


def trust(k: np.ndarray, zero: np.ndarray) -> np.ndarray:
    """t: how far P goes towards numbers of classes k, of which some are zero; 0 for k < 0."""
    table = np.array([*constants.TRUST, 32]) / 32
    return np.where(zero, table[np.clip(k, 0, len(constants.TRUST))], 1.0) * (k >= 0)


def dequantise(mean: np.ndarray, q: np.ndarray, delta: float) -> np.ndarray:
    """y = m' + q Delta, clamped."""
    return np.clip(mean + q * delta, -constants.LARGEST_VALUE, constants.LARGEST_VALUE)
