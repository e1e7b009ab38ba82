"""What the coding of numbers is worth: zeros that bind in part, contexts by surroundings, lambda.

    python -m benchmarks.numbers DIR [--every 4 --steps 136 112]

BD-rates against the codec as it is; the arguments are those of benchmarks.variants.
"""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from types import ModuleType
from typing import Any

from benchmarks.variants import compare
from psc.bitstream import quantizer, surroundings
from psc.bitstream.quantizer_constants import TRUST

WHOLE = (32,) * len(TRUST)


@contextmanager
def with_constant(module: ModuleType | type, name: str, value: Any) -> Iterator[None]:
    """The codec with another constant."""
    usual = getattr(module, name)
    setattr(module, name, value)
    try:
        yield
    finally:
        setattr(module, name, usual)


@contextmanager
def with_lambda(value: float) -> Iterator[None]:
    """An encoder to which a bit is worth so much."""
    usual = quantizer.UniformCoding.__init__

    def init(self: quantizer.UniformCoding, step_index: int) -> None:
        usual(self, step_index)
        self.lambda_ = value

    with with_constant(quantizer.UniformCoding, "__init__", init):
        yield


def main() -> None:
    compare(
        __doc__,
        {
            "as it is": nullcontext,
            "zeros bind wholly": partial(with_constant, quantizer, "TRUST", WHOLE),
            "no surroundings": partial(with_constant, surroundings, "SHIFT_THRESHOLDS", ()),
            "lambda 0.10": partial(with_lambda, 0.10),
            "lambda 0.16": partial(with_lambda, 0.16),
        },
    )


if __name__ == "__main__":
    main()
