"""Numbers as multiples of one uniform step Delta around their predicted values.

q = (c - m) / Delta, rounded; its probabilities depend on the predicted spread rho = std / Delta, in contexts
of a quarter octave from rho = 0.21 up. What is below is not measured at all: its bits would buy too little
(reverse water-filling). From rho = 8 on q is split: high part by table, low bits as they are.
"""

from copy import copy

import numpy as np
import torch
from numpy.typing import NDArray

from psc.bitstream.models import UNIT, FrequencyModel, geometric, to_symbols
from psc.bitstream.quantizer_constants import (
    COARSEST_FULL,
    COARSEST_GAINS,
    CONFIDENCE,
    FINEST_FULL,
    FINEST_GAINS,
    LAMBDA,
    MIDDLE_FULL,
    MIDDLE_GAINS,
    RATIO,
    TRUST,
    ZERO,
)
from psc.bitstream.rangecoder import Channel, Symbols, uniform
from psc.bitstream.surroundings import MAX_CONTEXT, MODELS, NOT_MEASURED, groups
from psc.plan.plan import step_size

MAX_MAGNITUDE = 31
"""The tables' symbols: -MAX_MAGNITUDE ... MAX_MAGNITUDE, then ESCAPE."""
ESCAPE = 2 * MAX_MAGNITUDE + 1
MAX_EXCESS_BITS = 25
LARGEST = 2**31 - 1
"""A crafted file may have larger numbers; their values are clamped far below it."""


def spread_gain(level: int, levels: int, earlier: int, full_basis: bool) -> int:
    """What to multiply the samples' spread with, in 64ths.

    Args:
        level: The round's; 0 is full resolution.
        levels: How many levels the plan has.
        earlier: How many rounds that level has had.
        full_basis: Whether the round measures in the level's full basis.
    """
    if level == levels - 1:
        gains, full = COARSEST_GAINS, COARSEST_FULL
    elif level > 0:
        gains, full = MIDDLE_GAINS, MIDDLE_FULL
    else:
        gains, full = FINEST_GAINS, FINEST_FULL
    return full if full_basis else gains[min(earlier, len(gains) - 1)]


class UniformCoding:
    """Quantises residuals with step Delta and codes them by predicted spread.

    step: Delta, or each window's (:meth:`at`). lambda_: what a bit is worth now; an encoder's choice that
    decoders need not know.
    """

    step: float | torch.Tensor

    def __init__(self, step_index: int) -> None:
        self.step, self.lambda_ = step_size(step_index), LAMBDA
        self._models = [FrequencyModel(initial_weights(k), CONFIDENCE) for k in range(MODELS)]

    def at(self, step: torch.Tensor) -> "UniformCoding":
        """The same coding, which learns the same, for windows with these steps (n, 1)."""
        again = copy(self)
        again.step = step
        return again

    def context_of(self, variance: torch.Tensor, gain: int, least: int = NOT_MEASURED) -> NDArray[np.int8]:
        """Context of each number: floor(2 log2(rho^2)) + 9 with sqrt(2) taken as 181 / 128; or NOT_MEASURED.

        variance: the samples', of any shape. gain: see :func:`spread_gain`. least: what smaller ones become.
        """
        factor = gain / 64
        mantissa, exponent = torch.frexp(variance * (factor * factor) / (self.step * self.step))
        contexts = 2 * (exponent.long() - 1) + (mantissa >= 181 / 256).long() + 9
        contexts = torch.where(variance == 0, least, contexts)
        return contexts.clamp(least, MAX_CONTEXT).to(torch.int8).numpy()

    def quantise(self, residual: torch.Tensor, contexts: NDArray[np.int8]) -> NDArray[np.int32]:
        """The encoder's choice of q, by rate and distortion: see :func:`choose`. Not measured: 0."""
        v = (residual / self.step).clamp(-(2.0**24), 2.0**24).numpy()
        q = np.zeros(contexts.shape, dtype=np.int32)
        for k in np.unique(contexts[contexts != NOT_MEASURED]):
            where = contexts == k
            shift = _shift(int(k))
            bits = self._model(int(k)).bits() if shift == 0 else np.zeros(ESCAPE + 1)
            q[where] = choose(v[where], bits, self.lambda_)
        return q

    def dequantise(self, q: NDArray[np.int32]) -> torch.Tensor:
        """Residuals, exact multiples of Delta."""
        return torch.from_numpy(q).double().mul_(self.step)

    def trust(self, contexts: NDArray[np.integer], zero: NDArray[np.bool_]) -> NDArray[np.float32]:
        """How far what follows is bound by known numbers of these contexts, (n, d): 1/32 to 1."""
        table = np.array([*TRUST, 32], dtype=np.float32) / 32
        return np.where(zero, table[contexts.clip(0, len(TRUST))], np.float32(1))

    def code(
        self, channel: Channel, q: NDArray[np.int32], contexts: NDArray[np.int8], across: int
    ) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
        """Code a round's numbers, widest predicted spread first; learn from them.

        Args:
            channel: Where they go to or come from.
            q: (n, r) numbers of n windows; a reader's are not looked at.
            contexts: (n, r), see :meth:`context_of`.
            across: How many of the windows lie side by side.

        Returns:
            q, and which of them are known: all that are measured, unless a reader's file is cut.
        """
        known, coded = np.zeros(q.size, dtype=np.bool_), q.flatten()
        seen: list[tuple[FrequencyModel, Symbols]] = []
        for some, k in groups(coded, contexts, across):
            values, symbols = self._code_context(channel, coded[some], k)
            coded[some[: len(values)]] = values.clip(-LARGEST, LARGEST)
            known[some[: len(values)]] = True
            seen.append((self._model(k), symbols))
            if len(values) < len(some):
                break
        for model, symbols in seen:
            model.learn(symbols)
        return coded.reshape(q.shape), known.reshape(q.shape)

    def _code_context(
        self, channel: Channel, q: NDArray[np.int32], k: int
    ) -> tuple[NDArray[np.int64], Symbols]:
        """The numbers of one context: high parts, low bits, escapes. Returns what is certain of them."""
        shift = _shift(k)
        high = q >> shift
        symbols = to_symbols(np.where(np.abs(high) <= MAX_MAGNITUDE, high + MAX_MAGNITUDE, ESCAPE))
        symbols = channel.code(symbols, self._model(k).frequencies())
        low = to_symbols(q[: len(symbols)] & ((1 << shift) - 1))
        if shift:
            low = channel.code(low, uniform(1 << shift))
        found = symbols[: len(low)].astype(np.int64) - MAX_MAGNITUDE
        for i in np.flatnonzero(found == ESCAPE - MAX_MAGNITUDE):
            value = _code_escape(channel, int(high[i]))
            if value is None:
                found, low = found[:i], low[:i]
                break
            found[i] = value
        return (found << shift) + low, symbols

    def _model(self, k: int) -> FrequencyModel:
        return self._models[k if k < MODELS else MODELS - 4 + (k - MODELS) % 4]


def choose(v: NDArray[np.float64], bits: NDArray[np.float64], lambda_: float = LAMBDA) -> NDArray[np.int64]:
    """Rate-distortion optimised quantisation: q with the least (v - q)^2 + lambda bits[q].

    v: numbers in units of Delta. bits: of every symbol of the table. Candidates are the nearest integer, the
    next one towards zero, and zero. Plain IEEE operations: every machine chooses the same.
    """
    nearest = np.sign(v) * np.floor(np.abs(v) + 0.5)
    smaller = np.sign(v) * np.maximum(np.abs(nearest) - 1, 0)
    candidates = np.stack([nearest, smaller, np.zeros_like(v)])
    symbols = np.where(np.abs(candidates) <= MAX_MAGNITUDE, candidates + MAX_MAGNITUDE, ESCAPE).astype(
        np.int64
    )
    cost = (v - candidates) * (v - candidates) + lambda_ * bits[symbols]
    best: NDArray[np.int64] = np.take_along_axis(candidates, cost.argmin(0)[None], 0)[0].astype(np.int64)
    return best


def _shift(k: int) -> int:
    """How many low bits of the numbers of context k are coded as they are."""
    return max(0, (k - MODELS) // 4 + 1)


def initial_weights(k: int) -> list[int]:
    """Weights of table k before anything was seen: zero, two-sided geometric tails, little for an escape."""
    side = geometric(RATIO[k], MAX_MAGNITUDE, (1024 - ZERO[k]) * UNIT // 2048)
    return [*reversed(side), ZERO[k] * UNIT // 1024, *side, 1]


def _code_escape(channel: Channel, value: int) -> int | None:
    """A value beyond MAX_MAGNITUDE: sign, length, digits of what is beyond; None where the file ends."""
    excess = max(abs(value) - MAX_MAGNITUDE, 1)
    header = _bits(channel, (excess.bit_length() - 1) * 2 + (value < 0), 6)
    if header is None:
        return None
    length = min(header >> 1, MAX_EXCESS_BITS)
    digits = 1
    for first in range(length, 0, -8):  # after the leading one, eight digits at a time
        width = min(first, 8)
        part = _bits(channel, excess >> (first - width) & (1 << width) - 1, width)
        if part is None:
            return None
        digits = digits << width | part
    return -(digits + MAX_MAGNITUDE) if header & 1 else digits + MAX_MAGNITUDE


def _bits(channel: Channel, value: int, width: int) -> int | None:
    found = channel.code(np.array([value], dtype=np.int32), uniform(1 << width))
    return int(found[0]) if len(found) else None
