"""FORMAT.md, section 12: a picture from what is known. Mean, sample and preview."""

import copy
import math

import numpy as np

from reference import constants
from reference.grids import grid
from reference.noise import noise
from reference.sampler import Sampler, schedule, sigma

RESTORATIONS = ("mean", "sample", "preview")


def restore(sampler: Sampler, how: str) -> np.ndarray:
    """The enlarged picture (channels, height, width); the sampler stays as it is."""
    sampler = copy.copy(sampler)
    if how == "preview":
        return preview(sampler)
    if how == "sample":
        return sample(sampler)
    end, count = constants.LOWEST_LEVEL, None
    if sampler.level == 0 and not sampler.plan.paper:
        end, count = constants.RESTORATION_END, constants.RESTORATION_SAMPLES
    sampler.draw(0, steps(sampler), constants.RESTORATION_LEVEL, end, count)
    return sampler.project(mean(sampler.particles), 0)[0]


def steps(sampler: Sampler, carried: int = constants.RESTORATION_STEPS) -> int:
    """Of the draw of a mean or sample; carried: of particles of level 0."""
    if sampler.level == 0 and not sampler.plan.paper:
        return carried
    rounds = sampler.plan.rounds
    return next((item.steps for item in rounds if item.level == 0), rounds[-1].steps)


def sample(sampler: Sampler) -> np.ndarray:
    """One sample by a stochastic multistep sampler: (channels, height, width)."""
    x0, start = sampler.beginning(0, constants.SAMPLE_LEVEL)
    levels = schedule(start, constants.LOWEST_LEVEL, steps(sampler, constants.SAMPLE_STEPS))
    x = now = last = x0[:1]
    step = 0.0
    for i, j in enumerate(levels):
        n = noise(sampler.seed, sampler.draws, i, 0, (sampler.prior.channels, *x0.shape[2:]))[None]
        own = n if n.shape[1] == x.shape[1] else n.sum(1, keepdims=True) / n.shape[1]
        if i == 0:
            x = x + grid(sigma(j) * own, 16)
        else:
            before, q = step, sigma(j) / sigma(levels[i - 1])
            step = math.log(sigma(levels[i - 1]) / sigma(j))
            weight = round(2**12 * step / (2 * before)) / 2**12 if i > 1 else 0.0
            ahead = now + weight * (now - last)
            x = grid(ahead + q * q * (x - ahead), 16) + grid(sigma(j) * math.sqrt(1 - q * q) * own, 16)
        last, now = now, sampler.project(sampler.estimate(x + grid(sigma(j) * (n - own), 16), 0, j), 0)
    return now[0]


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
