"""Targets as users write them: numbers above zero, or a sentence that says what came instead.

Nothing here loads PyTorch: the command imports it before it knows what it is asked for.
"""

import math
from numbers import Real

from psc.errors import PscError

LARGEST_SIZE = 2**40
"""Bytes; no file has more, so larger targets are this one."""


def positive(name: str, unit: str, value: object) -> float:
    """A number above zero.

    Args:
        name: What it is, for the message.
        unit: What it counts, for the message.
        value: What came: any real number, of Python or NumPy, but no bool.

    Raises:
        PscError: For anything else.
    """
    number = math.nan
    if isinstance(value, Real) and not isinstance(value, bool):
        try:
            number = float(value)
        except OverflowError:  # an integer of hundreds of digits
            number = math.inf
    if not (math.isfinite(number) and number > 0):
        raise PscError(f"the {name} {value!r} came; expected a finite number of {unit} above zero")
    return number


def whole_bytes(value: object) -> int:
    """A target size as a whole number of bytes, 800.0 as well as 800; PscError for anything else."""
    number = positive("target size", "bytes", value)
    if not number.is_integer():
        raise PscError(f"the target size {value!r} came; expected a whole number of bytes")
    return int(number)


def bytes_of_bpp(value: object, pixels: int) -> int:
    """The bytes that so many bits per pixel are, rounded down; PscError for what is no number above zero."""
    return math.floor(min(positive("target bpp", "bits per pixel", value) * pixels / 8, LARGEST_SIZE))
