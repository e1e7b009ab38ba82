"""How many bits a picture will take, and what error it will have, before it is coded.

Both follow the energies of the picture's coefficients in each level's own basis (Haar, colours
decorrelated), which cost nothing to compute. Per pixel of the picture, with e the squares of a level's
coefficients:

    bits of the level            2^u b^v,   b = sum log2(1 + e / Delta^2)
    its squared error            2^u d^v,   d = sum e Delta^2 / (e + Delta^2)

u and v: constants by level, fitted to photographs (psc.rate.tuning). What a level really took then corrects
the forecast of that level, and in part that of the finer ones. With regions Delta is each block's own, and
errors are those of the important blocks alone.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from psc.bitstream.regions import step_at, window_offsets
from psc.images.pixels import pad
from psc.plan.presets import DEFAULT
from psc.plan.regions import Regions
from psc.rate.tuning import FORECAST, Constants
from psc.transform import Pyramid, Windows

LEVELS = len(DEFAULT.levels)
HALF_OCTAVES = np.arange(-40, 41)
"""Squared coefficients are counted by these powers of sqrt(2)."""


@dataclass(frozen=True)
class Outcome:
    """What an encode comes to, level by level, finest first.

    Attributes:
        bits: (LEVELS,) that the level takes.
        error: (LEVELS,) of the restored picture in [-1, 1], squared and summed over all (important) samples.
    """

    bits: NDArray[np.float64]
    error: NDArray[np.float64]


class Forecast:
    """What is known of a picture's bits and errors by step index, corrected by every level that was coded."""

    def __init__(self, picture: torch.Tensor, regions: Regions | None = None) -> None:
        """A forecast by the energies alone.

        Args:
            picture: (C, H, W) in [-1, 1].
            regions: Of its blocks.
        """
        padded = pad(picture, DEFAULT.block)
        pyramid = Pyramid(DEFAULT, *padded.shape)
        self._pixels = padded.shape[1] * padded.shape[2]
        self._important = (window_offsets(regions, self._pixels, padded.shape[2]) == 0).sum()
        truth = pyramid.decompose(padded[None])
        self._counts = [_counts(w, f[0], regions) for w, f in zip(pyramid.levels, truth, strict=True)]
        self._trials: list[float] = []
        self._misjudged = Outcome(np.full(LEVELS, np.nan), np.full(LEVELS, np.nan))

    def outcome(self, index: int) -> Outcome:
        """What the picture will take and lose with this step index, by all that is known."""
        first = self._first(index)
        return Outcome(
            first.bits * 2.0 ** _spread(self._misjudged.bits, FORECAST.bits_spill),
            first.error * 2.0 ** _spread(self._misjudged.error, FORECAST.error_spill),
        )

    def observe(self, index: int, level: int, bits: float, error: float) -> None:
        """A level, coded with this step index, took so many bits and left such an error."""
        first = self._first(index)
        self._misjudged.bits[level] = _log_ratio(bits, first.bits[level])
        left = error if level == 0 else FORECAST.later * error
        self._misjudged.error[level] = _log_ratio(left, first.error[level])

    def observe_trial(self, index: int, bits: float) -> None:
        """Full resolution, tried out after the coarser levels with this step index, promises so many bits.

        What several trials promise is averaged: each is wrong by a fifth.
        """
        expected = self.outcome(index).bits[0] / self._pixels
        u, v, w = FORECAST.trial
        promised = self._pixels * 2.0**u * (max(bits, 1.0) / self._pixels) ** v * expected**w
        self._trials.append(_log_ratio(promised, self._first(index).bits[0]))
        self._misjudged.bits[0] = np.mean(self._trials)

    def observe_bits(self, index: int, level: int, bits: float) -> None:
        """A level will have taken so many bits, as far as can be told before its last round."""
        self._misjudged.bits[level] = _log_ratio(bits, self._first(index).bits[level])

    def observe_least(self, index: int, level: int, bits: float) -> None:
        """A level, left unfinished, would have taken so many bits or more."""
        more = _log_ratio(bits, self._first(index).bits[level])
        if not more < _spread(self._misjudged.bits, FORECAST.bits_spill)[level]:
            self._misjudged.bits[level] = more

    def scale_error(self, factor: float) -> None:
        """The error of the whole picture, restored, turned out to be ``factor`` times what was expected."""
        self._misjudged.error[:] += math.log2(factor)

    def _first(self, index: int) -> Outcome:
        """The forecast before anything was coded."""
        energy = 2.0 ** (HALF_OCTAVES / 2 + 0.25)

        def bits(offset: int) -> NDArray[np.float64]:
            return np.log2(1 + energy / step_at(index, offset) ** 2)

        square = step_at(index, 0) ** 2
        b = [sum(float(c @ bits(offset)) for offset, c in counts.items()) for counts in self._counts]
        d = [float(counts[0] @ (energy * square / (energy + square))) for counts in self._counts]
        return Outcome(
            _power(b, self._pixels, FORECAST.bits), _power(d, int(self._important), FORECAST.error)
        )


def last_bits(trial: int, pixels: int) -> float:
    """Bits that the last round will take.

    Args:
        trial: Bits that a few of its samples promise (``psc.session.session.Session.estimate_bits``).
        pixels: Of the padded picture.
    """
    u, v = FORECAST.last
    return u * trial * trial / (trial + v * pixels)


def _power(x: list[float], pixels: int, constants: Constants) -> NDArray[np.float64]:
    u, v = np.array(constants).T
    power: NDArray[np.float64] = pixels * 2.0**u * np.maximum(np.array(x) / pixels, 1e-9) ** v
    return power


def _counts(windows: Windows, f: torch.Tensor, regions: Regions | None) -> dict[int, NDArray[np.float64]]:
    """By offset: how many squares of the coefficients f (n, d) fall into each half octave."""
    own = windows.fixed.analyse(f)
    offsets = window_offsets(regions, len(f), windows.across)
    return {int(offset): _count(own[torch.from_numpy(offsets == offset)]) for offset in np.unique(offsets)}


def _count(f: torch.Tensor) -> NDArray[np.float64]:
    """How many squares of coefficients fall into each half octave."""
    octaves = torch.log2((f * f).clamp(min=1e-30)).mul(2).floor().clamp(-40, 40).long() + 40
    return torch.bincount(octaves.flatten(), minlength=len(HALF_OCTAVES)).double().numpy()


def _log_ratio(found: float, expected: float) -> float:
    return math.log2(max(found, 1e-6) / max(expected, 1e-6))


def _spread(misjudged: NDArray[np.float64], spill: tuple[float, ...]) -> NDArray[np.float64]:
    """What is known of each level; of a level not coded yet, what the next coarser one lets expect."""
    out = np.nan_to_num(misjudged)
    for level in reversed(range(LEVELS - 1)):
        if np.isnan(misjudged[level]):
            out[level] = spill[level] * out[level + 1]
    return out
