"""The embedded network in floating point: the same formula and weights, differentiable.

See psc.prior.embedded.network; here nothing is rounded, so that gradients exist, and nothing is exact: it may
serve a restoration, never a round. Clamps stay: where the integers do not move, the derivative is zero.

The network is piecewise linear in its picture, and only that derivative is wanted. So all that a backward
pass must remember is which numbers were clamped, in a byte each; PyTorch's own operations would keep every
layer's input (for the weights' gradients), four times as much or more.
"""

import math
from typing import Any

import torch
from torch.autograd import Function
from torch.nn import functional

from psc.plan.noise_levels import LOWEST, sigma
from psc.prior.embedded.network import INPUT_LIMIT, SCALES, SIGMA_DATA, Shape, Tensors


class FloatNetwork:
    """D(x; sigma) for pictures x (B, 3, H, W), float32, sides multiples of shape.multiple.

    Differentiable once, with respect to x. It is made of the tensors of
    :class:`psc.prior.embedded.network.Network`.
    """

    def __init__(self, tensors: Tensors, shape: Shape, device: torch.device) -> None:
        self._shape = shape
        self._tensors = {name: value.to(device, torch.float32) for name, value in tensors.items()}

    def __call__(self, x: torch.Tensor, noise_level: int, scale: int) -> torch.Tensor:
        """D(x; sigma) of pictures.

        Args:
            x: (B, 3, H, W) float32.
            noise_level: j of the noise level sigma_j.
            scale: Of the pictures: one of psc.prior.embedded.network.SCALES.

        Returns:
            The same shape, float32.
        """
        sigma_j, row = sigma(noise_level), (SCALES.index(scale), noise_level - LOWEST)
        root = math.sqrt(sigma_j * sigma_j + SIGMA_DATA * SIGMA_DATA)
        return x * (SIGMA_DATA / root) ** 2 + self._unet(x / root, row) * (sigma_j * SIGMA_DATA / root)

    def _unet(self, x: torch.Tensor, row: tuple[int, int]) -> torch.Tensor:
        x = functional.pixel_unshuffle(x, self._shape.unshuffle)
        h = self._linear("inp", x.contiguous(memory_format=torch.channels_last), -INPUT_LIMIT, INPUT_LIMIT)
        skips: list[torch.Tensor] = []
        for i, blocks in enumerate(self._shape.encoder):
            if i > 0:
                skips.append(h)
                h = self._linear(f"dn.{i - 1}", h, stride=2)
            h = self._blocks(f"enc.{i}", blocks, h, row)
        for i, blocks in reversed(list(enumerate(self._shape.decoder))):
            h = functional.pixel_shuffle(self._linear(f"up.{i}", h), 2) + skips.pop()
            h = self._blocks(f"dec.{i}", blocks, h, row)
        return functional.pixel_shuffle(self._linear("out", h), self._shape.unshuffle)

    def _blocks(self, stage: str, count: int, h: torch.Tensor, row: tuple[int, int]) -> torch.Tensor:
        for k in range(count):
            c1, c2 = f"{stage}.{k}.c1", f"{stage}.{k}.c2"
            factor, bias = (self._tensors[f"{c1}.{kind}"][row][:, None, None] for kind in "ab")
            inner = self._sums(c1, _clamped(h * self._channels(f"{c1}.unit"), -128, 127))
            inner = self._sums(c2, _clamped(inner * factor + bias, 0, 255))
            h = inner * self._channels(f"{c2}.scale") + h
        return h

    def _linear(
        self, name: str, h: torch.Tensor, low: int = -128, high: int = 127, stride: int = 1
    ) -> torch.Tensor:
        inputs = _clamped(h * self._channels(f"{name}.unit"), low, high)
        return self._sums(name, inputs, stride) * self._channels(f"{name}.scale")

    def _sums(self, name: str, inputs: torch.Tensor, stride: int = 1) -> torch.Tensor:
        sums: torch.Tensor = _Convolution.apply(inputs, self._tensors[f"{name}.weight"], stride)  # type: ignore[no-untyped-call]
        return sums

    def _channels(self, name: str) -> torch.Tensor:
        return self._tensors[name][:, None, None]


class _Convolution(Function):
    """conv2d that forgets its input; zeros outside the picture."""

    @staticmethod
    def forward(ctx: Any, inputs: torch.Tensor, weight: torch.Tensor, stride: int) -> torch.Tensor:
        ctx.weight = weight
        ctx.geometry = {"stride": stride, "padding": weight.shape[-1] // 2 if stride == 1 else 0}
        return functional.conv2d(inputs, weight, **ctx.geometry)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        return functional.conv_transpose2d(gradient, ctx.weight, **ctx.geometry), None, None


class _Clamp(Function):
    """clamp that keeps one byte per number."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, low: int, high: int) -> torch.Tensor:
        out = x.clamp(low, high)
        ctx.save_for_backward(x == out)
        return out

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        return gradient * ctx.saved_tensors[0], None, None


def _clamped(x: torch.Tensor, low: int, high: int) -> torch.Tensor:
    out: torch.Tensor = _Clamp.apply(x, low, high)  # type: ignore[no-untyped-call]
    return out
