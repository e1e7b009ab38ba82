"""Photographs to training patches at several scales.

A patch at scale S is made of means over SxS blocks of a photograph, which is what a level of the codec's
pyramid shows to the prior. For every scale the photographs are kept as sliding means on a grid of two
pixels, so that taking every (S/2)-th gives the block means at (S/2)^2 different offsets.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

Photo = NDArray[np.uint8]


@dataclass(frozen=True)
class Scale:
    """block: side of the block that one pixel is the mean of. patch: side in pixels. share: of all batches.

    The number of patches in a batch is such that every batch has the same number of pixels.
    """

    block: int
    patch: int
    share: float


SCALES = (
    Scale(1, 64, 0.28),
    Scale(2, 64, 0.12),
    Scale(4, 64, 0.30),
    Scale(8, 32, 0.10),
    Scale(12, 16, 0.04),
    Scale(16, 16, 0.16),
)


def load(folders: list[Path]) -> list[Photo]:
    """All pictures in the folders, (H, W, 3) each, in the order of their names."""
    files = sorted(f for folder in folders for f in folder.iterdir() if f.suffix in (".jpg", ".png"))
    if not files:
        raise SystemExit(f"no .jpg or .png files in {', '.join(map(str, folders))}")
    return [np.asarray(Image.open(f).convert("RGB")) for f in files]


def block_means(photo: Photo, block: int) -> Photo:
    """Means over all block x block squares that start at even rows and columns, rounded to 8 bits."""
    if block == 1:
        return photo
    total = np.zeros((photo.shape[0] + 1, photo.shape[1] + 1, 3), dtype=np.int32)
    total[1:, 1:] = photo.cumsum(0, dtype=np.int32).cumsum(1, dtype=np.int32)
    sums = total[block:, block:] - total[:-block, block:] - total[block:, :-block] + total[:-block, :-block]
    return ((sums[::2, ::2] + block * block // 2) // (block * block)).astype(np.uint8)


class Patches:
    """An endless source of batches; batch ``step`` depends on (seed, step) alone, so training can resume."""

    def __init__(self, photos: list[Photo], pixels: int, seed: int) -> None:
        self._pixels, self._seed = pixels, seed
        self._means = {s.block: [block_means(p, s.block) for p in photos] for s in SCALES}
        self._choices = {s.block: self._usable(s) for s in SCALES}

    def _usable(self, scale: Scale) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Photographs that are large enough, and how often each is taken: by its area."""
        need = self._span(scale)
        means = self._means[scale.block]
        index = [i for i, m in enumerate(means) if min(m.shape[:2]) >= need]
        area = np.array([means[i].shape[0] * means[i].shape[1] for i in index], dtype=np.float64)
        return np.array(index), area / area.sum()

    @staticmethod
    def _span(scale: Scale) -> int:
        return (scale.patch - 1) * max(scale.block // 2, 1) + 1

    def batch(self, step: int) -> tuple[int, torch.Tensor]:
        """The scale's block and patches (n, 3, patch, patch) in [-1, 1] of batch ``step`` >= 0."""
        rng = np.random.default_rng((self._seed, step))
        scale = SCALES[rng.choice(len(SCALES), p=[s.share for s in SCALES])]
        index, weight = self._choices[scale.block]
        count = self._pixels // scale.patch**2
        out = np.empty((count, scale.patch, scale.patch, 3), dtype=np.uint8)
        for i, photo in enumerate(rng.choice(index, size=count, p=weight)):
            out[i] = self._cut(self._means[scale.block][photo], scale, rng)
        return scale.block, torch.from_numpy(out).permute(0, 3, 1, 2).float() / 127.5 - 1

    def _cut(self, means: Photo, scale: Scale, rng: np.random.Generator) -> Photo:
        stride, span = max(scale.block // 2, 1), self._span(scale)
        top = rng.integers(means.shape[0] - span + 1)
        left = rng.integers(means.shape[1] - span + 1)
        patch = means[top : top + span : stride, left : left + span : stride]
        return patch[:, ::-1] if rng.random() < 0.5 else patch
