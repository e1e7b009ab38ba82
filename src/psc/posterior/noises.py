"""The noises of a draw's particles; those of particles that are drawn together sum to zero.

Each of these is made of its own stream and the sum of all of theirs. Particles come group by group, so the
sum is kept from the first group for the others, where the picture is small.
"""

import itertools
import threading

import numpy as np
import torch
from numpy.typing import NDArray

from psc.exact.noise import centred, integers, total
from psc.posterior.sampler import Draw

KEPT = 2**24
"""Numbers of sums that a draw keeps at most, 4 bytes each: five steps of a megapixel."""


class Noises:
    """The noises of a draw, for pictures of so many channels, height and width; threads may share it."""

    def __init__(self, how: Draw, channels: int, height: int, width: int) -> None:
        self.how, self.channels, self._size = how, channels, (height, width)
        self._kept_steps = KEPT // (channels * height * width)
        self._sums: dict[tuple[int, int, int, int], NDArray[np.int32]] = {}
        self._lock = threading.Lock()

    def __call__(self, step: int, particles: range, rows: slice = slice(None)) -> torch.Tensor:
        """Standard normal noise of a step.

        Args:
            step: Which of the draw's steps.
            particles: Their numbers, counted from 0 in this draw.
            rows: Of the pictures, if not all.

        Returns:
            (B, C, h, w) float64, multiples of 2^-16.
        """
        channels, (height, width) = self.channels, self._size
        top, bottom, _ = rows.indices(height)
        places, count = [(c * height + top) * width for c in range(channels)], (bottom - top) * width
        if bottom - top == height:  # the channels follow each other without a gap
            places, count = [0], channels * count
        out = np.empty((len(particles), len(places), count))
        numbers = range(self.how.first + particles.start, self.how.first + particles.stop)
        done = 0
        for together, some in itertools.groupby(numbers, lambda n: n // self.how.of):
            members = [n % self.how.of for n in some]
            for run, place in enumerate(places):
                out[done : done + len(members), run] = self._run(step, together, members, place, count)
            done += len(members)
        return torch.from_numpy(out).reshape(-1, channels, bottom - top, width)

    def _run(
        self, step: int, together: int, members: list[int], place: int, count: int
    ) -> NDArray[np.float64]:
        """Numbers of some members of a group of particles that are drawn together: (members, count)."""
        seed, of = self.how.seed, self.how.of
        streams = [(self.how.index, step, together * of + i) for i in range(of)]
        if of == 1:
            return integers(seed, streams[0], count, place)[None] / 65536
        if len(members) == of or step >= self._kept_steps:
            return centred(seed, streams, count, place, members)
        with self._lock:  # who comes second waits, and then has it for nothing
            key = step, together, place, count
            if key not in self._sums:
                self._sums[key] = total(seed, streams, count, place)
        return centred(seed, streams, count, place, members, self._sums[key])
