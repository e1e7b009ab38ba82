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
import statistics

import numpy as np
import torch
from numpy.typing import NDArray

from psc.errors import PscError

BLOCK = 16
"""Values per step of the generator's counter: four words of 64 bits."""
TABLE_SHA256 = "ee46eda6f743ea9b2949c72134d6385025bcc7573bb0fba98b3bf40224779880"


@functools.cache
def _table() -> NDArray[np.float64]:
    """The 2^16 values of T, in increasing order."""
    quantile = statistics.NormalDist().inv_cdf
    upper = [round(65536 * quantile((u + 0.5) / 65536)) for u in range(32768, 65536)]
    table = np.array([-v for v in reversed(upper)] + upper, dtype="<i4")
    if hashlib.sha256(table.tobytes()).hexdigest() != TABLE_SHA256:
        raise PscError(
            "the normal quantile table differs on this machine, so files would not be portable; "
            "please report the platform and the Python version"
        )
    values: NDArray[np.float64] = table.astype(np.float64) / 65536
    return values


def gaussian(seed: int, stream: tuple[int, int, int], shape: tuple[int, ...], first: int = 0) -> torch.Tensor:
    """Noise of the given shape, float64 multiples of 2^-16, standard normal up to 4.3 sigma.

    seed: 0 <= seed < 2^64, the generator's key. stream: (draw, step, particle), each below 2^64: the
    upper words of the 256-bit counter, so that streams never overlap; values fill the shape in C order.
    first: the number of the stream's value that the shape begins with.
    """
    draw, step, particle = stream
    block, skipped = divmod(first, BLOCK)
    count = skipped + int(np.prod(shape))
    counter = np.array([block, particle, step, draw], dtype=np.uint64)  # lists would pass through float64
    generator = np.random.Philox(counter=counter, key=np.array([seed, 0], dtype=np.uint64))
    words = generator.random_raw((count + 3) // 4).astype("<u8").view("<u2")[skipped:count]
    return torch.from_numpy(np.take(_table(), words).reshape(shape))
