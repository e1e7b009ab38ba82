"""FORMAT.md, section 4: normal variates from a counter."""

import functools
import hashlib
import math
from statistics import NormalDist

import numpy as np

from reference import constants

_LOW = np.uint64(2**32 - 1)
_32 = np.uint64(32)
_MULTIPLIERS = 0xD2E7470EE14C6C93, 0xCA5A826395121157
_WEYL = 0x9E3779B97F4A7C15, 0xBB67AE8584CAA73B


def noise(seed: int, draw: int, step: int, particle: int, shape: tuple[int, ...]) -> np.ndarray:
    """Values of stream (seed; draw, step, particle), binary64 on the grid 2^-16."""
    words = philox_words(seed, draw, step, particle, int(np.prod(shape)))
    return normal_table()[words].reshape(shape)


def centred(seed: int, draw: int, step: int, count: int, shape: tuple[int, ...]) -> np.ndarray:
    """Noises of particles 0 ... count - 1 that sum to zero, (count, *shape)."""
    units = 2**16 * np.stack([noise(seed, draw, step, p, shape) for p in range(count)])
    shares = count * units - units.sum(0)
    return np.rint(shares * (1 / math.sqrt(count * (count - 1)))) / 2**16


@functools.cache
def normal_table() -> np.ndarray:
    """T: 65536 values of the normal distribution's quantile function, on the grid 2^-16."""
    normal = NormalDist()
    upper = np.array([round(2**16 * normal.inv_cdf((u + 0.5) / 2**16)) for u in range(2**15, 2**16)])
    table = np.concatenate([-upper[::-1], upper]).astype("<i4")
    if hashlib.sha256(table.tobytes()).hexdigest() != constants.NOISE_TABLE:
        raise ArithmeticError("this machine's quantile function is not accurate enough")
    return table / 2.0**16


def philox_words(seed: int, draw: int, step: int, particle: int, count: int) -> np.ndarray:
    """The first 16-bit words u_i of a stream, by Philox4x64-10."""
    blocks = -(-count // 16)
    counters = np.arange(1, blocks + 1, dtype=np.uint64)
    x = [counters] + [np.full(blocks, word, np.uint64) for word in (particle, step, draw)]
    key = [seed, 0]
    for _ in range(10):
        high0, low0 = _multiply(_MULTIPLIERS[0], x[0])
        high2, low2 = _multiply(_MULTIPLIERS[1], x[2])
        x = [high2 ^ x[1] ^ np.uint64(key[0]), low2, high0 ^ x[3] ^ np.uint64(key[1]), low0]
        key = [(k + w) % 2**64 for k, w in zip(key, _WEYL, strict=True)]
    return np.stack(x, 1).astype("<u8").view("<u2").ravel()[:count].astype(np.int64)


def _multiply(a: int, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """High and low 64 bits of the 128-bit product."""
    a_high, a_low = np.uint64(a >> 32), np.uint64(a & 0xFFFFFFFF)
    b_high, b_low = b >> _32, b & _LOW
    low = a_low * b_low
    middle = a_high * b_low + (low >> _32)
    cross = a_low * b_high + (middle & _LOW)
    return a_high * b_high + (middle >> _32) + (cross >> _32), np.uint64(a) * b
