"""Photographs to training patches at several scales.

A patch at scale S is made of means over SxS blocks of a photograph, which is what a level of the codec's
pyramid shows to the prior. For every scale the photographs are kept as sliding means on a grid of two
pixels, so that taking every (S/2)-th gives the block means at (S/2)^2 different offsets. They lie in one
file per scale, made once and mapped into memory: gigabytes, of which a batch reads a few pages.
"""

import hashlib
import json
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
    Scale(1, 128, 0.42),
    Scale(2, 64, 0.05),
    Scale(4, 64, 0.31),
    Scale(8, 32, 0.03),
    Scale(12, 24, 0.04),
    Scale(16, 16, 0.09),
    Scale(16, 32, 0.06),
)
"""By what the default plan spends its bits and evaluations on; scales between levels keep a few per cent."""


SUFFIXES = (".jpg", ".png", ".webp", ".avif")


def files(folders: list[Path]) -> list[Path]:
    """The pictures in the folders, in the order of their names."""
    found = sorted(f for folder in folders for f in folder.iterdir() if f.suffix in SUFFIXES)
    if not found:
        raise SystemExit(f"no {', '.join(SUFFIXES)} files in {', '.join(map(str, folders))}")
    return found


def trained_on(data: Path) -> list[Path]:
    """The folders in ``data`` whose pictures are trained on; its others are for validation."""
    return [data / name for name in ("train", "extra", "more") if (data / name).is_dir()]


def read(file: Path) -> Photo:
    """A picture (H, W, 3)."""
    return np.asarray(Image.open(file).convert("RGB"))


def block_means(photo: Photo, block: int, every: int = 2) -> Photo:
    """Means over all block x block squares that start at every second row and column, rounded to 8 bits.

    Nothing of a photograph that is smaller than a square.
    """
    if block == 1:
        return photo
    if min(photo.shape[:2]) < block:
        return photo[:0, :0]
    total = np.zeros((photo.shape[0] + 1, photo.shape[1] + 1, 3), dtype=np.int32)
    total[1:, 1:] = photo.cumsum(0, dtype=np.int32).cumsum(1, dtype=np.int32)
    sums = total[block:, block:] - total[:-block, block:] - total[block:, :-block] + total[:-block, :-block]
    return ((sums[::every, ::every] + block * block // 2) // (block * block)).astype(np.uint8)


def mapped(folders: list[Path], cache: Path) -> dict[int, list[Photo]]:
    """The block means of all pictures by block, read from ``cache``; written there first if need be."""
    paths, blocks = files(folders), sorted({s.block for s in SCALES})
    names = json.dumps([[f"{p.parent.name}/{p.name}" for p in paths], blocks])
    folder = cache / hashlib.sha256(names.encode()).hexdigest()[:12]
    index = folder / "shapes.json"
    if not index.exists():
        folder.mkdir(parents=True, exist_ok=True)
        shapes: dict[int, list[tuple[int, ...]]] = {block: [] for block in blocks}
        streams = {block: (folder / f"{block}.u8").open("wb") for block in blocks}
        for photo in map(read, paths):
            for block, stream in streams.items():
                means = block_means(photo, block)
                shapes[block].append(means.shape)
                stream.write(np.ascontiguousarray(means).data)
        for stream in streams.values():
            stream.close()
        index.write_text(json.dumps(shapes))
    return {int(b): _split(folder / f"{b}.u8", found) for b, found in json.loads(index.read_text()).items()}


def _split(file: Path, shapes: list[list[int]]) -> list[Photo]:
    data = np.memmap(file, dtype=np.uint8, mode="r")
    ends = np.cumsum([np.prod(shape) for shape in shapes])
    parts = np.split(data, ends[:-1])
    return [part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)]


class Patches:
    """An endless source of batches; batch ``step`` depends on (seed, step) alone, so training can resume.

    means: by block, see mapped. symmetries: how many of a square's eight a patch is turned by: 1 (none), 2
    (left to right) or 8.
    """

    def __init__(self, means: dict[int, list[Photo]], pixels: int, seed: int, symmetries: int = 8) -> None:
        self._means, self._pixels, self._seed, self._symmetries = means, pixels, seed, symmetries
        self._choices = {s: self._usable(s) for s in SCALES}

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
        index, weight = self._choices[scale]
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
        turn = int(rng.integers(8)) % self._symmetries
        patch = patch[:, ::-1] if turn & 1 else patch
        patch = patch[::-1] if turn & 2 else patch
        return patch.transpose(1, 0, 2) if turn & 4 else patch
