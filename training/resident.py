"""Training patches drawn on the device that trains: photographs lie there as bytes, batches are gathered.

The same patches at the same scales as training.data, which draws them one at a time: here a batch is one
table of places. Batches depend on the seed and on how many were drawn before.
"""

import numpy as np
import torch

from training.data import SCALES, Photo, Scale


class Shelf:
    """All photographs' block means that a scale can use, one after another.

    pixels (N, 3): uint8. first, height, width: of each photograph. until: how likely it or one before it is
    taken, by their areas.
    """

    def __init__(self, means: list[Photo], scale: Scale, pixels: torch.Tensor) -> None:
        self.scale, self.pixels = scale, pixels
        self.stride = max(scale.block // 2, 1)
        self.span = (scale.patch - 1) * self.stride + 1
        sizes = np.array([m.shape[:2] for m in means])
        area = sizes.prod(1)
        fits = sizes.min(1) >= self.span
        if not fits.any():
            raise SystemExit(f"no photograph has {self.span} pixels a side at block {scale.block}")

        places = np.stack([area.cumsum() - area, *sizes.T])[:, fits]
        self.first, self.height, self.width = torch.from_numpy(places).to(pixels.device)
        self.until = torch.from_numpy(area[fits].cumsum() / area[fits].sum()).to(pixels.device)

    def draw(self, count: int, symmetries: int, random: torch.Generator) -> torch.Tensor:
        """Patches (count, 3, patch, patch) in [-1, 1], channels last in memory."""
        device, patch = self.pixels.device, self.scale.patch
        u = torch.rand(4, count, generator=random, device=device, dtype=torch.float64)
        photo = torch.searchsorted(self.until, u[0]).clamp_max_(len(self.until) - 1)
        top = (u[1] * (self.height[photo] - self.span + 1)).long()
        left = (u[2] * (self.width[photo] - self.span + 1)).long()
        turn = (u[3] * symmetries).long()[:, None, None]
        row, column = torch.meshgrid(*[torch.arange(patch, device=device)] * 2, indexing="ij")
        row, column = torch.where(turn & 4 > 0, column, row), torch.where(turn & 4 > 0, row, column)
        column = torch.where(turn & 1 > 0, patch - 1 - column, column)
        row = torch.where(turn & 2 > 0, patch - 1 - row, row)
        corner = self.first[photo] + top * self.width[photo] + left
        places = corner[:, None, None] + self.stride * (row * self.width[photo][:, None, None] + column)
        found = self.pixels[places.flatten()].view(count, patch, patch, 3)
        return found.permute(0, 3, 1, 2).float() / 127.5 - 1


class Resident:
    """An endless source of batches on ``device``, of so many pixels each.

    means, symmetries: see training.data.
    """

    def __init__(
        self, means: dict[int, list[Photo]], pixels: int, device: str, seed: int, symmetries: int = 8
    ) -> None:
        self.pixels, self.symmetries = pixels, symmetries
        self._which = np.random.default_rng(seed)
        self._random = torch.Generator(device).manual_seed(seed)
        stacks = {
            block: torch.from_numpy(np.concatenate([m.reshape(-1, 3) for m in some])).to(device)
            for block, some in means.items()
        }
        self._shelves = [Shelf(means[s.block], s, stacks[s.block]) for s in SCALES]

    def batch(self) -> tuple[int, torch.Tensor]:
        """The scale's block, and patches (n, 3, patch, patch) in [-1, 1]."""
        shelf = self._shelves[self._which.choice(len(SCALES), p=[s.share for s in SCALES])]
        count = self.pixels // shelf.scale.patch**2
        return shelf.scale.block, shelf.draw(count, self.symmetries, self._random)
