"""The denoiser in floating point, as it is trained; psc.prior.embedded.network evaluates it in integers.

    D(x; sigma) = c_skip x + c_out F(c_in x; sigma, scale)        (Karras et al., 2022, equation 7)

F is a U-Net on k x k pixel blocks (pixel-unshuffle) made for integers: convolutions of stride 1 and ReLU, no
normalisation, no attention; noise level and scale act as a factor and a bias inside the residual blocks.
"""

import math
from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional

from psc.plan.noise_levels import HIGHEST, LOWEST, sigma
from psc.prior.embedded.network import SCALES, SIGMA_DATA, Shape

EMBEDDING = 128


class Convolution(nn.Module):
    """A convolution whose weight is a matrix (O, I k k), which is what Muon takes."""

    def __init__(self, inputs: int, outputs: int, side: int = 3, stride: int = 1) -> None:
        super().__init__()
        self.inputs, self.side, self.stride = inputs, side, stride
        self.weight = nn.Parameter(torch.empty(outputs, inputs * side * side))
        nn.init.kaiming_normal_(self.weight, nonlinearity="relu")

    def kernel(self) -> torch.Tensor:
        """The weight as (O, I, k, k)."""
        return self.weight.view(-1, self.inputs, self.side, self.side)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        padding = self.side // 2 if self.stride == 1 else 0
        kernel = self.kernel().contiguous(memory_format=torch.channels_last)
        return functional.conv2d(x, kernel, stride=self.stride, padding=padding)


class Block(nn.Module):
    """x + W2 relu(a (W1 x) + b), a and b functions of noise level and scale.

    base: what is added to a and b, (scales, levels, 2 width): of a network that was had from integers, the
    tables that these had; else zero. It is not trained.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.c1, self.c2 = Convolution(width, width), Convolution(width, width)
        self.act = nn.ReLU()
        self.level = nn.Linear(EMBEDDING, 2 * width)
        self.register_buffer("base", torch.zeros(len(SCALES), HIGHEST - LOWEST + 1, 2 * width))
        nn.init.zeros_(self.c2.weight)
        nn.init.normal_(self.level.weight, std=0.01)
        nn.init.zeros_(self.level.bias)

    def tables(self, e: torch.Tensor, level: torch.Tensor, block: torch.Tensor) -> torch.Tensor:
        """a less one, and b: (B, 2 width)."""
        found: torch.Tensor = self.level(e) + self.get_buffer("base")[block, level - LOWEST]
        return found

    def forward(self, x: torch.Tensor, tables: torch.Tensor) -> torch.Tensor:
        a, b = tables[:, :, None, None].to(x.dtype).chunk(2, 1)
        out: torch.Tensor = x + self.c2(self.act(self.c1(x) * (1 + a) + b))
        return out


class Net(nn.Module):
    """F and D. Pictures are (B, 3, H, W), sides multiples of shape.multiple."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        w, k = shape.widths, 3 * shape.unshuffle**2
        steps = list(pairwise(w))
        self.e = nn.Sequential(
            nn.Linear(64, EMBEDDING), nn.SiLU(), nn.Linear(EMBEDDING, EMBEDDING), nn.SiLU()
        )
        self.scale = nn.Embedding(len(SCALES), EMBEDDING)
        nn.init.zeros_(self.scale.weight)
        self.inp, self.out = Convolution(k, w[0]), Convolution(w[0], k)
        self.enc = nn.ModuleList([_blocks(c, n) for c, n in zip(w, shape.encoder, strict=True)])
        self.dec = nn.ModuleList([_blocks(c, n) for c, n in zip(w[:-1], shape.decoder, strict=True)])
        self.dn = nn.ModuleList([Convolution(a, b, 2, stride=2) for a, b in steps])
        self.up = nn.ModuleList([Convolution(b, 4 * a, 1) for a, b in steps])
        for new in (self.out, *self.up):
            nn.init.zeros_(new.weight)
        self.register_buffer("fr", torch.exp(torch.linspace(math.log(0.5), math.log(8), 32)))

    def embedding(self, level: torch.Tensor, block: torch.Tensor) -> torch.Tensor:
        """(B, EMBEDDING) of noise level indices and indices into SCALES, both (B,)."""
        t = sigmas(level).flatten().log()[:, None] / 4 * self.get_buffer("fr")[None]
        e = self.e[:3](torch.cat([t.sin(), t.cos()], 1)) + self.scale(block)
        return functional.silu(e)

    def raw(self, x: torch.Tensor, level: torch.Tensor, block: torch.Tensor) -> torch.Tensor:
        """F of the scaled picture."""
        e = self.embedding(level, block)

        def run(blocks: nn.Module, h: torch.Tensor) -> torch.Tensor:
            for each in blocks.children():
                h = each(h, each.tables(e, level, block))
            return h

        x = functional.pixel_unshuffle(x, self.shape.unshuffle)
        h = self.inp(x.contiguous(memory_format=torch.channels_last))
        skips = []
        for i, blocks in enumerate(self.enc):
            h = run(blocks, h)
            if i < len(self.dn):
                skips.append(h)
                h = self.dn[i](h)
        for i in reversed(range(len(self.up))):
            h = run(self.dec[i], functional.pixel_shuffle(self.up[i](h), 2) + skips.pop())
        return functional.pixel_shuffle(self.out(h), self.shape.unshuffle)

    def forward(self, x: torch.Tensor, level: torch.Tensor, block: torch.Tensor) -> torch.Tensor:
        """D(x; sigma_level) with level and block (B,)."""
        s = sigmas(level)
        v = s * s + SIGMA_DATA**2
        raw = self.raw(x / v.sqrt(), level, block).float()
        return SIGMA_DATA**2 / v * x + s * SIGMA_DATA / v.sqrt() * raw


def sigmas(level: torch.Tensor) -> torch.Tensor:
    """(B, 1, 1, 1) noise standard deviations of level indices (B,), integers."""
    found: torch.Tensor = sigma(level)  # type: ignore[arg-type, assignment]  # integers, then one division
    return found[:, None, None, None]


def loss(
    net: Net, x: torch.Tensor, level: torch.Tensor, block: torch.Tensor, n: torch.Tensor
) -> torch.Tensor:
    """EDM's loss (equation 8, lambda = 1 / c_out^2), a number per picture; n standard normal noise."""
    s = sigmas(level)
    weight = (s * s + SIGMA_DATA**2) / (s * SIGMA_DATA) ** 2
    return (weight * (net(x + s * n, level, block) - x) ** 2).mean((1, 2, 3))


def _blocks(width: int, count: int) -> nn.ModuleList:
    return nn.ModuleList([Block(width) for _ in range(count)])
