"""Pieces of the second decoder, the package ``reference``, to hold the program's pieces against."""

from reference.captions import caption
from reference.float8 import magnitudes as float8_values
from reference.noise import philox_words
from reference.rangecoder import RangeDecoder

__all__ = ["RangeDecoder", "caption", "float8_values", "philox_words"]
