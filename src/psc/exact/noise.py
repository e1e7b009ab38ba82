"""Standard normal noise that depends on nothing but integers.

The i-th value of a stream is ``T[u_i]``, where ``u_i`` is a 16-bit word of the counter-based generator
Philox4x64-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011) and ``T`` holds the
2^16 mid-quantiles of the normal distribution, rounded to multiples of 2^-16:

    T[u] = round(2^16 * Phi^-1((u + 1/2) / 2^16)) / 2^16

NumPy promises the raw integers of Philox, not its ``standard_normal``. T is defined by mathematics, not
by this program; its digest below guards against a machine whose logarithm is too coarse to obtain it.
"""

import functools
import hashlib
import math
import statistics
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from psc.errors import PscError

BLOCK = 16
"""Values per step of the generator's counter: four words of 64 bits."""
TABLE_SHA256 = "ee46eda6f743ea9b2949c72134d6385025bcc7573bb0fba98b3bf40224779880"


@functools.cache
def _table() -> NDArray[np.int32]:
    """The 2^16 values of T in units of 2^-16, in increasing order."""
    quantile = statistics.NormalDist().inv_cdf
    upper = [round(65536 * quantile((u + 0.5) / 65536)) for u in range(32768, 65536)]
    table = np.array([-v for v in reversed(upper)] + upper, dtype="<i4")
    if hashlib.sha256(table.tobytes()).hexdigest() != TABLE_SHA256:
        raise PscError(
            "the normal quantile table differs on this machine, so files would not be portable; "
            "please report the platform and the Python version"
        )
    return table.astype(np.int32)


def integers(seed: int, stream: tuple[int, int, int], count: int, first: int = 0) -> NDArray[np.int32]:
    """Standard normal noise in units of 2^-16, up to 4.3 sigma.

    Args:
        seed: 0 to 2^64 - 1, the generator's key.
        stream: (draw, step, particle), each below 2^64: the upper words of the 256-bit counter, so that
            streams never overlap.
        count: How many values.
        first: The number, in the stream, of the first one.

    Returns:
        (count,) the values.
    """
    draw, step, particle = stream
    block, skipped = divmod(first, BLOCK)
    counter = np.array([block, particle, step, draw], dtype=np.uint64)  # lists would pass through float64
    generator = np.random.Philox(counter=counter, key=np.array([seed, 0], dtype=np.uint64))
    words = generator.random_raw((skipped + count + 3) // 4).astype("<u8", copy=False).view("<u2")
    return np.take(_table(), words[skipped : skipped + count])


def gaussian(seed: int, stream: tuple[int, int, int], shape: tuple[int, ...], first: int = 0) -> torch.Tensor:
    """Standard normal noise as numbers: :func:`integers` times 2^-16.

    Args:
        seed: 0 to 2^64 - 1.
        stream: (draw, step, particle).
        shape: Of the result, which the stream's values fill in C order.
        first: The number, in the stream, of the first value.

    Returns:
        float64 of that shape.
    """
    values = integers(seed, stream, int(np.prod(shape)), first)
    return torch.from_numpy(values / 65536).reshape(shape)


def total(seed: int, streams: list[tuple[int, int, int]], count: int, first: int) -> NDArray[np.int32]:
    """The sum of several streams' :func:`integers`: below 2^31 for up to 64 of them."""
    found = integers(seed, streams[0], count, first)
    for stream in streams[1:]:
        found += integers(seed, stream, count, first)
    return found


def centred(
    seed: int,
    streams: list[tuple[int, int, int]],
    count: int,
    first: int,
    members: Sequence[int] | None = None,
    summed: NDArray[np.int32] | None = None,
) -> NDArray[np.float64]:
    """Noises of several streams whose sum is zero, each still standard normal.

    n'_i = sqrt(s / (s - 1)) (n_i - mean of all n_j), in units of 2^-16 the integer s n_i - sum n_j times
    1 / sqrt(s (s - 1)), rounded to the nearest integer, ties to even. What samples have in common is then not
    left to chance: to first order their mean has no Monte Carlo error.

    Args:
        seed: 0 to 2^64 - 1.
        streams: s of them, (draw, step, particle) each, at most 64.
        count: How many values of each.
        first: The number, in its stream, of the first one.
        members: Numbers i of the streams whose n' are wanted; None for all.
        summed: Their :func:`total`, where it is known: then only the members' streams are made.

    Returns:
        (members, count), multiples of 2^-16.
    """
    s = len(streams)
    wanted = range(s) if members is None else members
    values = {i: integers(seed, streams[i], count, first) for i in (range(s) if summed is None else wanted)}
    if summed is None:
        summed = np.sum(list(values.values()), 0, dtype=np.int32)
    found = np.empty((len(wanted), count))
    for i, out in zip(wanted, found, strict=True):  # one at a time: what is between stays in the cache
        shares = s * values[i]  # below 2^31, as the sum
        shares -= summed
        np.rint(np.multiply(shares, 1 / math.sqrt(s * (s - 1)), out=out), out=out)
        out *= 1 / 65536
    return found
