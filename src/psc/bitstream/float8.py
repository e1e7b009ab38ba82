"""Numbers as float8 e4m3: the published scheme's quantiser, defined in integers.

A code is a sign and a magnitude 0 ... 126: exponent field E (4 bits, bias 7) and mantissa field M (3 bits).
It is worth M * 2^-9 for E = 0 and (8 + M) * 2^(E - 10) otherwise. Values round to the nearest code, ties to
an even M; beyond 448 they saturate. Nothing is predicted; the range coder learns how often magnitudes occur.
"""

import numpy as np
import torch
from numpy.typing import NDArray

from psc.bitstream.models import UNIT, FrequencyModel, to_symbols
from psc.bitstream.rangecoder import Channel, uniform

LARGEST = 126
STEPS_PER_OCTAVE = 8


class Float8Coding:
    """The ``paper`` preset's coding; the same face as :class:`psc.bitstream.quantizer.UniformCoding`."""

    def __init__(self) -> None:
        size = LARGEST + 1
        self._model = FrequencyModel([UNIT // size] * size, confidence=8)

    def at(self, step: torch.Tensor) -> "Float8Coding":
        """Itself: there are no steps."""
        del step
        return self

    def context_of(self, variance: torch.Tensor, gain: int, least: int = 0) -> NDArray[np.int8]:
        """All numbers are of one context: everything proposed is measured."""
        del gain, least  # nothing is predicted
        return np.zeros(tuple(variance.shape), dtype=np.int8)

    def quantise(self, value: torch.Tensor, contexts: NDArray[np.int8]) -> NDArray[np.int32]:
        """The nearest codes, with the value's sign."""
        del contexts  # there is only one
        units = (value.abs() * 512).clamp(max=448 * 512)
        share, exponent = torch.frexp(units)  # units = share * 2^exponent with 1/2 <= share < 1
        mantissa = torch.round(torch.where(exponent > 4, 16 * share, units)).long()
        exponent = (exponent.long() - 4).clamp(min=0)
        code = exponent * STEPS_PER_OCTAVE + mantissa
        return (torch.sign(value).long() * code.clamp(max=LARGEST)).int().numpy()

    def dequantise(self, q: NDArray[np.int32]) -> torch.Tensor:
        """The values of signed codes."""
        code = np.abs(q)
        exponent = np.maximum(code // STEPS_PER_OCTAVE - 1, 0)
        units = (code - exponent * STEPS_PER_OCTAVE) << exponent
        return torch.from_numpy(np.sign(q) * units).double() / 512

    def trust(self, contexts: NDArray[np.integer], zero: NDArray[np.bool_]) -> NDArray[np.float32]:
        """All of them bind what follows."""
        del zero
        return np.ones(contexts.shape, dtype=np.float32)

    def code(
        self, channel: Channel, q: NDArray[np.int32], contexts: NDArray[np.int8], across: int
    ) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
        """Code a round's numbers (n, r) in order: all magnitudes, then the signs of those that have one."""
        del contexts, across  # there is only one context
        shape, q = q.shape, q.ravel()
        magnitude = channel.code(to_symbols(np.abs(q)), self._model.frequencies())
        signed = np.flatnonzero(magnitude)
        sign = channel.code(to_symbols((q[signed] < 0).astype(np.int64)), uniform(2))
        whole = len(magnitude) if len(sign) == len(signed) else int(signed[len(sign)])
        out = np.zeros_like(q)
        out[: len(magnitude)] = magnitude
        out[signed[: len(sign)]] *= 1 - 2 * sign.astype(np.int64)
        self._model.learn(magnitude)
        return out.reshape(shape), (np.arange(len(q)) < whole).reshape(shape)
