"""What the coding of numbers is worth: zeros that bind in part, contexts by surroundings, lambda.

    python -m benchmarks.numbers DIR [--every 4 --steps 136 112]

BD-rates against the codec as it is; the arguments are those of benchmarks.variants.
"""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from unittest import mock

from benchmarks.variants import compare
from psc.bitstream import quantizer, surroundings
from psc.bitstream.quantizer import UniformCoding
from psc.bitstream.quantizer_constants import TRUST

WHOLE = (32,) * len(TRUST)


@contextmanager
def with_lambda(value: float) -> Iterator[None]:
    """An encoder to which a bit is worth so much."""
    usual = UniformCoding.__init__

    def init(self: UniformCoding, step_index: int) -> None:
        usual(self, step_index)
        self.lambda_ = value

    with mock.patch.object(UniformCoding, "__init__", init):
        yield


VARIANTS = {
    "as it is": nullcontext,
    "zeros bind wholly": partial(mock.patch.object, quantizer, "TRUST", WHOLE),
    "no surroundings": partial(mock.patch.object, surroundings, "SHIFT_THRESHOLDS", ()),
    "lambda 0.13": partial(with_lambda, 0.13),
    "lambda 0.16": partial(with_lambda, 0.16),
}

if __name__ == "__main__":
    compare(__doc__, VARIANTS)
