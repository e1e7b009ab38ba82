"""From the trained network to integers: calibrate, fine-tune with rounding (training.train), export.

Weights become signed integers up to WEIGHT_LIMIT, with one scale per output channel; activations 8 bits, with
one unit per channel, chosen on training patches at all noise levels and scales. A calibrated network computes
with those very integers; its gradients pass through the rounding unchanged (the straight-through estimator,
Bengio et al., 2013).
"""

from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional

from psc.plan.noise_levels import HIGHEST, LOWEST
from psc.prior.embedded.network import INPUT_LIMIT, SCALES, scale_above
from training.data import Patches
from training.network import Block, Convolution, Net, sigmas
from training.weights import Weights, shape_tensors

WEIGHT_LIMIT = 127
FIRST_BATCH = 10**6
"""Other batches than training's."""
INPUT_RANGE = 5.0
"""The scaled picture has standard deviation 1."""
COVERED = 0.9998
"""Share of a channel's values that is not clamped, in the batch where they are largest."""


class Observer(nn.Module):
    """Passes values on and remembers how large they are, per channel."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner, self.largest = inner, torch.zeros(1)

    def forward(self, h: torch.Tensor) -> torch.Tensor:
        values = h.detach().float().abs().permute(1, 0, 2, 3).flatten(1)
        values = values[:, :: max(1, values.shape[1] // 8192)]
        self.largest = torch.maximum(self.largest, torch.quantile(values, COVERED, dim=1))
        out: torch.Tensor = self.inner(h)
        return out


class Quantised(nn.Module):
    """A convolution of integers.

    unit (I,): what an input of 1 stands for. low, high: of the inputs; where low is negative, the layer reads
    the stream and rounds it, else it reads a block's Clamp. limit: of the weights.
    """

    limit = WEIGHT_LIMIT

    def __init__(self, inner: Convolution, unit: torch.Tensor, low: int, high: int) -> None:
        super().__init__()
        self.inner = inner
        self.register_buffer("unit", unit[None, :, None, None].clone())
        self.low, self.high = low, high

    def scale(self) -> torch.Tensor:
        """(O, 1, 1, 1): what one of the sums stands for."""
        weight = self.inner.kernel().detach() * self.unit
        return weight.abs().amax((1, 2, 3), keepdim=True) / self.limit + 1e-12

    def integers(self) -> torch.Tensor:
        weight = self.inner.kernel() * self.unit / self.scale()
        return _through(weight, -self.limit, self.limit)

    def forward(self, h: torch.Tensor) -> torch.Tensor:
        a = _through(h / self.unit, self.low, self.high) if self.low < 0 else h
        padding = self.inner.side // 2 if self.inner.stride == 1 else 0
        sums = functional.conv2d(a, self.integers(), stride=self.inner.stride, padding=padding)
        return sums * self.scale().flatten()[:, None, None]


class Clamp(nn.Module):
    """relu, in integers of 0 to high. unit (C,): what 1 stands for."""

    high = 255

    def __init__(self, unit: torch.Tensor) -> None:
        super().__init__()
        self.register_buffer("unit", unit[None, :, None, None].clone())

    def forward(self, h: torch.Tensor) -> torch.Tensor:
        return _through(h / self.unit, 0, self.high)


def _through(x: torch.Tensor, low: int, high: int) -> torch.Tensor:
    """round(x) clamped, with the gradient of the clamp alone."""
    clamped = x.clamp(low, high)
    return clamped + (clamped.round() - clamped).detach()


def calibrate(net: Net, patches: Patches, batches: int) -> None:
    """Replace the network's convolutions and clamps, in place, by those of integers."""
    _replace(net, lambda module, _: Observer(module))
    with torch.no_grad():
        for step in range(batches):
            block, x = patches.batch(FIRST_BATCH + step)
            level = torch.full((len(x),), LOWEST + step * 37 % (HIGHEST - LOWEST + 1))
            noise = torch.randn(x.shape, generator=torch.Generator().manual_seed(step))
            scale = torch.full_like(level, SCALES.index(scale_above(block)))
            net(x + sigmas(level) * noise, level, scale)
    _replace(net, _quantised)
    unit = torch.full((net.inp.inputs,), INPUT_RANGE / INPUT_LIMIT)
    net.inp = Quantised(net.inp, unit, -INPUT_LIMIT, INPUT_LIMIT)


def _quantised(observer: nn.Module, before: nn.Module | None) -> nn.Module:
    """before: the block's clamp, whose integers its second convolution reads."""
    assert isinstance(observer, Observer)
    inner, largest = observer.inner, observer.largest.clamp_min(1e-3)
    if isinstance(inner, nn.ReLU):
        return Clamp(largest / 255)
    if isinstance(before, Clamp):
        return Quantised(inner, before.unit.flatten(), 0, 255)
    return Quantised(inner, largest / 127, -128, 127)


def _replace(net: Net, new: Callable[[nn.Module, nn.Module | None], nn.Module]) -> None:
    """Every convolution and clamp by new(it, the clamp that it reads)."""
    for block in net.modules():
        if isinstance(block, Block):
            block.c1, block.act = new(block.c1, None), new(block.act, None)
            block.c2 = new(block.c2, block.act)
    net.out = new(net.out, None)
    for between in (net.dn, net.up):
        for i in range(len(between)):
            between[i] = new(between[i], None)


@torch.no_grad()
def exported(net: Net) -> Weights:
    """The tensors of psc.prior.embedded.network."""
    tensors = shape_tensors(net.shape)
    for name, module in net.named_modules():
        if isinstance(module, Quantised):
            tensors[f"{name}.weight"] = module.integers().to(torch.int8)
            if module.low < 0:
                tensors[f"{name}.unit"] = 1 / module.unit.flatten()
            if not name.endswith("c1"):
                tensors[f"{name}.scale"] = module.scale().flatten()
        if isinstance(module, Block):
            a, b = _tables(net, module)
            unit = module.act.unit.flatten()
            tensors[f"{name}.c1.a"] = (1 + a) * module.c1.scale().flatten() / unit
            tensors[f"{name}.c1.b"] = b / unit
    return {name: value.contiguous() for name, value in tensors.items()}


def _tables(net: Net, block: Block) -> tuple[torch.Tensor, torch.Tensor]:
    """The block's factor less one, and bias: (scales, levels, channels) each."""
    levels = torch.arange(LOWEST, HIGHEST + 1)
    rows = []
    for i in range(len(SCALES)):
        scale = torch.full_like(levels, i)
        rows.append(block.tables(net.embedding(levels, scale), levels, scale))
    a, b = torch.stack(rows).chunk(2, -1)
    return a, b
