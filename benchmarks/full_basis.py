"""Which fixed basis the full one starts from, level by level.

    python -m benchmarks.full_basis DIR --every 4 --steps 132 116 100

As benchmarks.draws, with BD-rates against the default: a DCT at full resolution, Haar below.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from unittest import mock

from benchmarks.variants import compare
from psc.transform import Pyramid
from psc.transform.fixed_basis import FixedBasis


@contextmanager
def dct_at(*levels: int) -> Iterator[None]:
    """A DCT at these levels, whose windows must be of 8x8 with the next scale four times theirs."""
    with mock.patch.object(Pyramid, "_fixed", lambda self, k: FixedBasis(self.channels, k in levels)):
        yield


VARIANTS = {
    "DCT at full resolution": partial(dct_at, 0),
    "Haar everywhere": dct_at,
    "DCT at the middle level, too": partial(dct_at, 0, 1),
}

if __name__ == "__main__":
    compare(__doc__, VARIANTS)
