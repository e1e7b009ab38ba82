"""FORMAT.md, section 5: drawing posterior samples (denoising diffusion restoration, in integers)."""

import math
from collections.abc import Sequence
from typing import Protocol

import numpy as np

from reference import constants
from reference.grids import grid
from reference.noise import centred, noise
from reference.plan import Level, Plan
from reference.posterior import Known, project


class Prior(Protocol):
    """A denoiser."""

    channels: int
    multiple: int
    """What the sides of a picture must be multiples of."""
    identity: bytes
    """The SHA-256 of section 14."""

    def denoise(self, x: np.ndarray, level: int, scale: int) -> np.ndarray:
        """The expected picture under noise of this level: binary32 (particles, channels, height, width)."""


def sigma(level: int) -> float:
    """Noise level ``level``: exact in binary64."""
    return float(level**5) / 2.0**30


def schedule(high: int, low: int, steps: int) -> list[int]:
    """Noise levels of a draw's steps."""
    span = high - low
    return [high - (2 * i * span + steps - 1) // (2 * (steps - 1)) for i in range(steps)]


class Sampler:
    """The particles, what is known, and the draws."""

    def __init__(self, plan: Plan, shape: tuple[int, int, int], prior: Prior, seed: int, delta: float):
        """shape: of the enlarged picture, (channels, height, width)."""
        self.plan, self.shape, self.prior, self.seed = plan, shape, prior, seed
        self.known = [self._nothing(level) for level in plan.levels]
        self.cells = [delta] * len(plan.levels)
        """Widths of the quantiser's cells: Delta, or after refinements less."""
        self.particles = np.zeros(0)
        self.level: int | None = None
        """Of the last draw."""
        self.unmeasured = 0.0
        """v: the last round's largest unmeasured variance."""
        self.draws = 0

    def _nothing(self, level: Level) -> Known:
        channels, height, width = self.shape
        j = self.plan.levels.index(level)
        numbers = channels * (level.window**2 or height * width)
        windows = height * width // (level.scale * level.window) ** 2 if level.window else 1
        if j + 1 < len(self.plan.levels):
            numbers -= numbers // (self.plan.levels[j + 1].scale // level.scale) ** 2
        return Known(np.zeros((windows, 0, numbers)), np.zeros((windows, 0)), np.zeros((windows, 0)), [])

    def draw(
        self,
        k: int,
        steps: int,
        lowest: int = constants.RESTART_LEVEL,
        end: int | None = None,
        count: int | None = None,
    ) -> list[np.ndarray]:
        """Draw the samples of level k, or the first ``count``; the steps' estimates, the last one last."""
        level = self.plan.levels[k]
        end = level.end if end is None else end
        x0, start = self.beginning(k, max(lowest, end))
        x0 = x0[:count]
        estimates = []
        for i, j in enumerate(schedule(start, end, steps)):
            x0 = self._step(x0, k, i, j)
            estimates.append(x0)
        self.particles, self.level = x0, k
        self.draws += 1
        return estimates

    def beginning(self, k: int, lowest: int) -> tuple[np.ndarray, int]:
        """x0 and the first noise level of a draw."""
        level = self.plan.levels[k]
        if self.level is None or self.plan.paper:
            channels, height, width = self.shape
            shape = (level.samples, channels, height // level.scale, width // level.scale)
            return np.zeros(shape), constants.HIGHEST_LEVEL
        x0 = self.particles[: level.samples]
        if k != self.level:
            ratio = self.plan.levels[self.level].scale // level.scale
            x0 = x0.repeat(ratio, 2).repeat(ratio, 3)
            lowest = max(lowest, level.start)
        wanted = 4 * self.unmeasured / level.scale**2
        for j in range(lowest, constants.HIGHEST_LEVEL + 1):
            if sigma(j) * sigma(j) >= wanted:
                return x0, j
        return x0, constants.HIGHEST_LEVEL

    def _step(self, x0: np.ndarray, k: int, i: int, j: int) -> np.ndarray:
        """One step at noise level j, for all particles."""
        channels = self.shape[0]
        scale = self.plan.levels[k].scale
        shape = (self.prior.channels, *x0.shape[2:])
        n = self._noise(len(x0), i, shape)
        own = n if channels == shape[0] else n.sum(1, keepdims=True) / shape[0]
        s = sigma(j)
        s_y = 0.0 if self.plan.paper else self.cells[k] / math.sqrt(12) / scale
        tau = math.sqrt(max(s * s - shape[0] / channels * (s_y * s_y), 0.0))
        d = grid((s - tau) * own, 16)
        x = self.project(x0 + d, k) - d + grid(s * n, 16)
        mirrored = [] if self.plan.paper else [p for p in range(len(x)) if (p + i) % 2]
        return self.estimate(x, k, j, mirrored)

    def estimate(self, x: np.ndarray, k: int, j: int, mirrored: Sequence[int] = ()) -> np.ndarray:
        """D of pictures x at noise level j, clamped; mirrored: whose mirror image is evaluated."""
        channels, own = self.prior.channels, self.shape[0]
        found = self._denoise(x, j, self.plan.levels[k].scale, mirrored)
        out = np.clip(grid(found, 16), -constants.CLAMP, constants.CLAMP)
        if channels != own:
            out = grid(out.sum(1, keepdims=True) / channels, 16)
        return out

    def _noise(self, count: int, i: int, shape: tuple[int, ...]) -> np.ndarray:
        """Section 4: of step i, for all particles."""
        if self.plan.paper:
            return np.stack([noise(self.seed, self.draws, i, p, shape) for p in range(count)])
        return centred(self.seed, self.draws, i, count, shape)

    def _denoise(self, x: np.ndarray, j: int, scale: int, mirrored: Sequence[int]) -> np.ndarray:
        """D at noise level j."""
        mirrored, x = list(mirrored), x.copy()
        x[mirrored] = x[mirrored, :, :, ::-1]
        height, width = x.shape[2:]
        below, right = (-side % self.prior.multiple for side in (height, width))
        x = np.pad(x, ((0, 0), (0, 0), (0, below), (0, right)), "edge").astype(np.float32)
        batch = max(1, constants.BATCH_PIXELS // (height * width))
        parts = [self.prior.denoise(x[p : p + batch], j, scale) for p in range(0, len(x), batch)]
        out = np.concatenate(parts)[..., :height, :width].copy()
        out[mirrored] = out[mirrored, :, :, ::-1]
        return out

    def project(self, x: np.ndarray, k: int) -> np.ndarray:
        """P."""
        return project(x, self.known, self.plan.levels, k)
