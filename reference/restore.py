"""FORMAT.md, section 12: a picture from what is known. Mean, sample and preview."""

import copy

import numpy as np

from reference import constants
from reference.grids import grid
from reference.sampler import Sampler

RESTORATIONS = ("mean", "sample", "preview")


def restore(sampler: Sampler, how: str) -> np.ndarray:
    """The enlarged picture (channels, height, width); the sampler stays as it is."""
    sampler = copy.copy(sampler)
    if how == "preview":
        return preview(sampler)
    sampler.draw(0, steps(sampler), constants.RESTORATION_LEVEL, constants.LOWEST_LEVEL)
    return sampler.particles[0] if how == "sample" else mean(sampler.particles)[0]


def steps(sampler: Sampler) -> int:
    """Of the draw of a mean or sample."""
    if sampler.level == 0 and not sampler.plan.paper:
        return constants.RESTORATION_STEPS
    rounds = sampler.plan.rounds
    return next((item.steps for item in rounds if item.level == 0), rounds[-1].steps)


def mean(particles: np.ndarray) -> np.ndarray:
    """Over particles, on the grid 2^-16: (1, channels, height, width)."""
    return grid(particles.sum(0, keepdims=True) / len(particles), 16)


def preview(sampler: Sampler) -> np.ndarray:
    """The mean of the particles at hand, enlarged, clamped and projected; mid-grey before the first draw."""
    if sampler.level is None:
        return np.zeros(sampler.shape)
    x = mean(sampler.particles)
    ratio = sampler.plan.levels[sampler.level].scale
    if ratio > 1:
        x = enlarge(enlarge(x, ratio, 2), ratio, 3)
    return sampler.project(np.clip(x, -1, 1).astype(np.float32).astype(np.float64), 0)[0]


def enlarge(x: np.ndarray, ratio: int, axis: int) -> np.ndarray:
    """Bicubic interpolation, a = -3/4; edges are repeated, pixels are areas."""
    side = x.shape[axis]
    place = (np.arange(side * ratio) + 0.5) / ratio - 0.5
    left = np.floor(place)
    t = place - left
    a = -0.75
    out = np.zeros(1)
    for tap in range(-1, 3):
        d = np.abs(t - tap)
        near = ((a + 2) * d - (a + 3)) * d * d + 1
        far = ((a * d - 5 * a) * d + 8 * a) * d - 4 * a
        weight = np.where(d <= 1, near, far)
        index = np.clip(left.astype(int) + tap, 0, side - 1)
        out = out + np.take(x, index, axis) * weight.reshape([-1 if i == axis else 1 for i in range(4)])
    return out


def to_bytes(x: np.ndarray) -> np.ndarray:
    """(channels, height, width) in 8 bits: (height, width, channels). In binary32."""
    x = np.clip(x, -1, 1).astype(np.float32)
    return np.rint((x + np.float32(1)) * np.float32(127.5)).astype(np.uint8).transpose(1, 2, 0)
