"""FORMAT.md, section 13: the embedded prior, a U-Net of residual blocks in integers.

All numbers are binary32; arrays are (channels, particles, height, width). Sums of a convolution are of
integers and below 2^24: a matrix product gives them exactly, whatever its order.
"""

import hashlib
import math
from pathlib import Path

import numpy as np

from reference import safetensors
from reference.sampler import sigma

WEIGHTS = Path(__file__).parent.parent / "src" / "psc" / "prior" / "embedded" / "embedded.safetensors"


class EmbeddedPrior:
    """The denoiser of a .safetensors file; see sampler.Prior."""

    channels = 3

    def __init__(self, weights: bytes):
        self.identity = hashlib.sha256(weights).digest()
        self.tensors = safetensors.load(weights)
        self.unshuffle = int(self.tensors["shape.unshuffle"])
        self.encoder = [int(n) for n in self.tensors["shape.encoder"]]
        self.decoder = [int(n) for n in self.tensors["shape.decoder"]]
        self.multiple = self.unshuffle << len(self.encoder) - 1
        self.matrices: dict[str, np.ndarray] = {}

    def denoise(self, x: np.ndarray, level: int, scale: int) -> np.ndarray:
        """D(x; sigma) at noise level ``level``."""
        s = sigma(level)
        root = math.sqrt(s * s + 0.25)
        place = min(max(scale - 1, 0).bit_length(), 4), level - 32
        x = x.astype(np.float32).transpose(1, 0, 2, 3)
        f = self._run(into_channels(x * np.float32(1 / root), self.unshuffle), place)
        f = out_of_channels(f, self.unshuffle)
        estimate = x * np.float32((0.5 / root) * (0.5 / root)) + f * np.float32(s * 0.5 / root)
        return estimate.transpose(1, 0, 2, 3)

    def _run(self, x: np.ndarray, place: tuple[int, int]) -> np.ndarray:
        """F, its channels not yet spread."""
        last = len(self.encoder) - 1
        h = self._scaled("inp", self._convolve("inp", self._round(x, "inp.unit", -2047, 2047)))
        kept = []
        for i, blocks in enumerate(self.encoder):
            if i:
                kept.append(h)
                h = self._reads(f"dn.{i - 1}", h)
            for b in range(blocks):
                h = self._block(f"enc.{i}.{b}", h, place)
        for i in range(last - 1, -1, -1):
            h = out_of_channels(self._reads(f"up.{i}", h), 2) + kept[i]
            for b in range(self.decoder[i]):
                h = self._block(f"dec.{i}.{b}", h, place)
        return self._reads("out", h)

    def _block(self, name: str, h: np.ndarray, place: tuple[int, int]) -> np.ndarray:
        a, b = (self.tensors[f"{name}.c1.{part}"][place][:, None, None, None] for part in "ab")
        t = a * self._convolve(f"{name}.c1", self._round(h, f"{name}.c1.unit", -128, 127)) + b
        t = np.clip(np.rint(t), 0, 255)
        return self._scaled(f"{name}.c2", self._convolve(f"{name}.c2", t)) + h

    def _reads(self, name: str, h: np.ndarray) -> np.ndarray:
        """scale (W Q(h))."""
        return self._scaled(name, self._convolve(name, self._round(h, f"{name}.unit", -128, 127)))

    def _scaled(self, name: str, sums: np.ndarray) -> np.ndarray:
        return self.tensors[f"{name}.scale"][:, None, None, None] * sums

    def _round(self, h: np.ndarray, unit: str, low: int, high: int) -> np.ndarray:
        return np.clip(np.rint(h * self.tensors[unit][:, None, None, None]), low, high)

    def _convolve(self, name: str, x: np.ndarray) -> np.ndarray:
        """W x: a product of a matrix and unfolded patches."""
        weight = self.tensors[f"{name}.weight"]
        if name not in self.matrices:
            self.matrices[name] = weight.reshape(len(weight), -1).astype(np.float32)
        if weight.shape[-1] == 2:
            x = into_channels(x, 2)
        elif weight.shape[-1] == 3:
            x = patches(x)
        return (self.matrices[name] @ x.reshape(len(x), -1)).reshape(-1, *x.shape[1:])


def patches(x: np.ndarray) -> np.ndarray:
    """Channels 9 c + 3 dy + dx: the 3 x 3 neighbours of every pixel, zeros outside the picture."""
    c, p, h, w = x.shape
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    out = np.empty((c, 3, 3, p, h, w), np.float32)
    for dy in range(3):
        for dx in range(3):
            out[:, dy, dx] = padded[:, :, dy : dy + h, dx : dx + w]
    return out.reshape(9 * c, p, h, w)


def into_channels(x: np.ndarray, u: int) -> np.ndarray:
    """Blocks of u x u as channels (c u + dy) u + dx."""
    c, p, h, w = x.shape
    blocks = x.reshape(c, p, h // u, u, w // u, u).transpose(0, 3, 5, 1, 2, 4)
    return blocks.reshape(-1, p, h // u, w // u)


def out_of_channels(x: np.ndarray, u: int) -> np.ndarray:
    """The reverse."""
    _, p, h, w = x.shape
    return x.reshape(-1, u, u, p, h, w).transpose(0, 3, 4, 1, 5, 2).reshape(-1, p, h * u, w * u)
