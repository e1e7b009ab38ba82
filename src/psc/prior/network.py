"""The embedded prior's network: a U-Net of plain convolutions, no attention, no normalisation.

    D(x; sigma) = c_skip x + c_out F(c_in x; ln(sigma) / 4)        (Karras et al., 2022, equation 7)

F works on 2x2 pixel blocks (pixel-unshuffle), at three resolutions. Without normalisation or attention
every output pixel depends on a bounded neighbourhood only, so a large picture can be evaluated in tiles.
"""

import math
from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional

WIDTHS = (48, 96, 192)
DEPTHS = (2, 2, 3)
EMBEDDING = 128
SIGMA_DATA = 0.5


class Block(nn.Module):
    """Residual block: two 3x3 convolutions with the noise level as scale and shift between them."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.c1 = nn.Conv2d(width, width, 3, padding=1)
        self.c2 = nn.Conv2d(width, width, 3, padding=1)
        self.f = nn.Linear(EMBEDDING, 2 * width)

    def forward(self, x: torch.Tensor, level: torch.Tensor) -> torch.Tensor:
        """x (B, width, h, w), level (1, EMBEDDING)."""
        scale, shift = self.f(level)[0].chunk(2)
        # The noise level is one for the batch, so scale and shift go into the convolution.
        weight, bias = self.c1.weight * (1 + scale)[:, None, None, None], self.c1.bias * (1 + scale) + shift
        inner: torch.Tensor = self.c2(functional.silu(functional.conv2d(x, weight, bias, padding=1)))
        return x + inner


def _blocks(width: int, depth: int) -> nn.ModuleList:
    return nn.ModuleList([Block(width) for _ in range(depth)])


class Denoiser(nn.Module):
    """D(x; sigma) for x (B, 3, H, W), H and W multiples of 8."""

    REACH = 104
    """Pixels beyond this distance do not influence an output pixel: 10 convolutions at 1/2, 8 at 1/4 and 6
    at 1/8 resolution reach 20 + 32 + 48 pixels; rounded up to the grid of 8."""

    def __init__(self) -> None:
        super().__init__()
        self.e = nn.Sequential(
            nn.Linear(64, EMBEDDING), nn.SiLU(), nn.Linear(EMBEDDING, EMBEDDING), nn.SiLU()
        )
        self.inp = nn.Conv2d(12, WIDTHS[0], 3, padding=1)
        self.out = nn.Conv2d(WIDTHS[0], 12, 3, padding=1)
        steps = list(pairwise(WIDTHS))
        self.enc = nn.ModuleList([_blocks(w, d) for w, d in zip(WIDTHS, DEPTHS, strict=True)])
        self.dec = nn.ModuleList([_blocks(w, d) for w, d in zip(WIDTHS[:-1], DEPTHS[:-1], strict=True)])
        self.dn = nn.ModuleList([nn.Conv2d(a, b, 2, stride=2) for a, b in steps])
        self.up = nn.ModuleList([nn.ConvTranspose2d(b, a, 2, stride=2) for a, b in steps])
        self.register_buffer("fr", torch.zeros(32))  # frequencies of the noise level's embedding

    def forward(self, x: torch.Tensor, sigma: float) -> torch.Tensor:
        """D(x; sigma)."""
        variance = sigma**2 + SIGMA_DATA**2
        level = self._level(math.log(sigma) / 4)
        inner = self._unet(x / math.sqrt(variance), level)
        return SIGMA_DATA**2 / variance * x + sigma * SIGMA_DATA / math.sqrt(variance) * inner

    def _level(self, noise: float) -> torch.Tensor:
        angle = noise * self.get_buffer("fr")[None]
        embedding: torch.Tensor = self.e(torch.cat([angle.sin(), angle.cos()], 1))
        return embedding

    def _unet(self, x: torch.Tensor, level: torch.Tensor) -> torch.Tensor:
        h = self.inp(functional.pixel_unshuffle(x, 2).contiguous(memory_format=torch.channels_last))
        skips: list[torch.Tensor] = []
        for i, blocks in enumerate(self.enc):
            h = _run(blocks, h, level)
            if i < len(self.dn):
                skips.append(h)
                h = self.dn[i](h)
        for i in reversed(range(len(self.up))):
            h = _run(self.dec[i], self.up[i](h) + skips.pop(), level)
        return functional.pixel_shuffle(self.out(h), 2)


def _run(blocks: nn.Module, h: torch.Tensor, level: torch.Tensor) -> torch.Tensor:
    for block in blocks.children():
        h = block(h, level)
    return h
