"""Convolutions of integers whose sums are the same on every machine.

A layer's weights and inputs are integers, and no sum of its products, in whatever order, reaches 2^24 in
magnitude: float32 holds every one of them exactly, so neither the order nor the library's choice of algorithm
matters, as long as the algorithm only multiplies and adds these numbers.

``Float`` in float32 is the reference. ``Bytes`` uses the processor's 8-bit instructions, some of which
saturate at 16 bits, and leaves it to the library to scale, add and round: it is admitted only after
:func:`agrees`, and so is float32 itself, which some libraries replace by a shorter format or by an algorithm
with fractions (Winograd's); float64 is what remains then.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch.nn import functional

from psc.errors import PscError
from psc.exact import gaussian
from psc.exact.threads import side_by_side

EXACT_BELOW = 2**24
SMALL = 80
"""Pixels of an input up to which oneDNN wants weights in another order, however large the batch."""
QUESTIONS = ((4, 4), (12, 8))
"""Heights and widths of the inputs whose answers are known: a small and a large one."""
STRIP = 2**17
"""Numbers that go through several operations together: few enough to stay in the processor's cache."""
ROUNDING = 1.5 * 2**23
"""float32 numbers of up to 2^22 become integers, ties to even, when this is added: then one ulp is 1."""


@dataclass(frozen=True)
class Layer:
    """One convolution. Outside the picture the inputs are zero.

    Attributes:
        weight: int8 (O, I, k, k).
        stride: k for k = 2, else 1 with the size kept.
        low: The least input. Inputs are stored as uint8, less ``low`` if that is negative; a range beyond
            bytes as float32.
        high: The largest input.
    """

    weight: torch.Tensor
    stride: int
    low: int
    high: int

    def __post_init__(self) -> None:
        bound = int(self.weight.to(torch.int64).abs().sum((1, 2, 3)).max()) * max(-self.low, self.high)
        if bound >= EXACT_BELOW:
            raise PscError(f"a layer of the prior can reach sums of {bound}; exact are those below 2^24")

    @property
    def padding(self) -> int:
        """Zeros around the picture."""
        return self.weight.shape[-1] // 2 if self.stride == 1 else 0

    @property
    def zero(self) -> int:
        """What is stored for an input of 0."""
        return -self.low if self.in_bytes else 0

    @property
    def in_bytes(self) -> bool:
        """Whether inputs are stored as uint8."""
        return self.high - self.low <= 255


class Convolution(Protocol):
    """A layer made ready. Stateless but for the weights, so threads may share it.

    The sums S are exact; what follows them is one IEEE float32 operation per number at a time. In all methods
    ``stored`` has the inputs (B, I, H, W), stored as the layer says; ``scale``, ``factor`` and ``bias`` are
    float32, one number per output channel.
    """

    def scaled(self, stored: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
        """scale S, float32 (B, O, H', W')."""
        ...

    def added(self, stored: torch.Tensor, scale: torch.Tensor, h: torch.Tensor) -> torch.Tensor:
        """scale S + h, in the place of h (B, O, H', W')."""
        ...

    def activated(self, stored: torch.Tensor, factor: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
        """clamp(round(factor S + bias), 0, 255) as uint8."""
        ...


class Float:
    """Everything by plain operations, the sums in a floating-point type."""

    def __init__(self, layer: Layer, device: torch.device, dtype: torch.dtype = torch.float32) -> None:
        self.layer, self._dtype = layer, dtype
        self._weight = layer.weight.to(device, dtype).contiguous(memory_format=torch.channels_last)

    def scaled(self, stored: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
        """See :meth:`Convolution.scaled`."""
        return self.sums(stored).mul_(scale[:, None, None])

    def added(self, stored: torch.Tensor, scale: torch.Tensor, h: torch.Tensor) -> torch.Tensor:
        """See :meth:`Convolution.added`."""
        return h.add_(self.scaled(stored, scale))

    def activated(self, stored: torch.Tensor, factor: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
        """See :meth:`Convolution.activated`."""
        h = self.scaled(stored, factor).add_(bias[:, None, None])
        return h.round_().clamp_(0, 255).to(torch.uint8)

    def sums(self, stored: torch.Tensor) -> torch.Tensor:
        """The sums S (B, O, H', W'), exact, in this kernel's type."""
        layer = self.layer
        a = stored.to(self._dtype)
        if layer.zero:
            a -= layer.zero
        return functional.conv2d(a, self._weight, stride=layer.stride, padding=layer.padding).float()


class Bytes:
    """oneDNN's 8-bit convolutions with what follows them; RuntimeError where this PyTorch has none.

    Weights of 3x3 are kept in two orders, for large inputs and for small ones: otherwise they would be put in
    order at every call, which takes longer than a small input's convolution.
    """

    def __init__(self, layer: Layer, device: torch.device) -> None:
        if device.type != "cpu":
            raise RuntimeError("8-bit convolutions are used on the CPU only")
        self._zeros = torch.zeros(len(layer.weight), dtype=torch.int64)
        self._zero = layer.zero
        self._shape = ([layer.stride] * 2, [layer.padding] * 2, [1, 1], 1)
        inputs, side = layer.weight.shape[1:3]
        self._large = self._ordered(layer, None)
        self._small = self._ordered(layer, [1, inputs, 8, 8]) if side == 3 else self._large

    def _ordered(self, layer: Layer, inputs: list[int] | None) -> torch.Tensor:
        """The weights for inputs of this shape, or of none in particular."""
        ones = torch.ones(len(layer.weight))
        found: torch.Tensor = torch.ops.onednn.qconv_prepack(
            layer.weight, ones, 1.0, layer.zero, *self._shape, inputs
        )
        return found

    def scaled(self, stored: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
        """See :meth:`Convolution.scaled`."""
        return self._pointwise(stored, scale, None, torch.float32)

    def added(self, stored: torch.Tensor, scale: torch.Tensor, h: torch.Tensor) -> torch.Tensor:
        """See :meth:`Convolution.added`."""
        return h.add_(self.scaled(stored, scale))  # faster than the library's own addition, which copies

    def activated(self, stored: torch.Tensor, factor: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
        """See :meth:`Convolution.activated`."""
        return self._pointwise(stored, factor, bias, torch.uint8)

    def _pointwise(
        self, stored: torch.Tensor, scale: torch.Tensor, bias: torch.Tensor | None, out: torch.dtype
    ) -> torch.Tensor:
        weight = self._small if stored.shape[2] * stored.shape[3] <= SMALL else self._large
        found: torch.Tensor = torch.ops.onednn.qconv2d_pointwise(
            stored, 1.0, self._zero, weight, scale, self._zeros, bias,
            *self._shape, 1.0, 0, out, "none", [], "",
        )  # fmt: skip
        return found


def to_bytes(h: torch.Tensor, unit: torch.Tensor) -> torch.Tensor:
    """clamp(round(unit h), -128, 127) + 128 for h (B, C, H, W), as uint8 with channels last."""
    batch, channels, height, width = h.shape
    pixels = h.permute(0, 2, 3, 1).reshape(-1, channels)  # a view where channels are last already
    out = torch.empty(pixels.shape, dtype=torch.uint8, device=h.device)
    size, zero = max(1, STRIP // channels), ROUNDING + 128
    buffer = torch.empty(min(size, len(pixels)), channels, device=h.device)
    for strip, target in zip(torch.split(pixels, size), torch.split(out, size), strict=True):
        rounded = torch.mul(strip, unit, out=buffer[: len(strip)]).add_(zero)
        rounded.clamp_(zero - 128, zero + 127)
        target.copy_(rounded.view(torch.int32))  # whose lowest byte it is
    return out.reshape(batch, height, width, channels).permute(0, 3, 1, 2)


KERNELS: dict[str, Callable[[Layer, torch.device], Convolution]] = {
    "int8": Bytes,
    "float32": Float,
    "float64": functools.partial(Float, dtype=torch.float64),
}
"""By name, the fastest first."""


def ready(
    layers: list[Layer], device: torch.device, only: str | None = None, passed: str | None = None
) -> tuple[str, list[Convolution]]:
    """The fastest kernel that knows the answers of every layer, and the layers made ready with it.

    Args:
        layers: All of a network's. One whose inputs do not fit into bytes takes float32 beside int8.
        device: Where they are evaluated.
        only: Try this kernel alone.
        passed: The kernel that was chosen on this machine before: only its largest layer is asked.

    Returns:
        The kernel's name, "int8", "float32" or "float64", and the layers.
    """
    for name in [only] if only else [passed, *KERNELS] if passed else KERNELS:
        try:
            made = [KERNELS[name if x.in_bytes or name != "int8" else "float32"](x, device) for x in layers]
            pairs = list(zip(layers, made, strict=True))
            if name == passed:
                pairs = [max(pairs, key=lambda pair: pair[0].weight.numel())]
            if all(side_by_side(lambda pair: agrees(*pair, device), pairs)):
                return name, made
        except (RuntimeError, AttributeError):  # no such operation in this build, or on this device
            pass
        passed = None  # what fails is asked everything, as the others are
    raise PscError(
        f"no convolution of this PyTorch ({torch.__version__}, {device}) gives the exact sums that the "
        "embedded prior needs; 'cpu' with an official build does"
    )


def agrees(layer: Layer, made: Convolution, device: torch.device) -> bool:
    """Whether ``made`` gives the known answers: on highest, lowest and worst inputs, and on noise.

    Factors and summands have all of a float32's bits, so that a sum that was rounded once instead of twice
    (a fused multiply-add) gives other answers in a quarter of all places.
    """
    return all(_agrees(layer, made, device, sides) for sides in QUESTIONS)


def _agrees(layer: Layer, made: Convolution, device: torch.device, sides: tuple[int, int]) -> bool:
    inputs = _questions(layer, sides)
    stored = (inputs + layer.zero).to(device, torch.uint8 if layer.in_bytes else torch.float32)
    stored = stored.contiguous(memory_format=torch.channels_last)
    sums = _answers(layer, inputs)
    outputs = sums.shape[1]
    noise = gaussian(1, (0, 0, 0), (2, outputs)).float()
    ones, factor, bias = torch.ones(outputs), 0.003 * (noise[0] / 7).exp(), 100 + 40 * noise[1]
    product = sums * factor[:, None, None]
    h = gaussian(2, (0, 0, 0), tuple(sums.shape)).float().contiguous(memory_format=torch.channels_last) / 3
    act = (product + bias[:, None, None]).round().clamp(0, 255).to(torch.uint8)
    halves = (sums / 2 + 100.5).round().clamp(0, 255).to(torch.uint8)
    pairs = [
        (made.scaled(stored, ones.to(device)), sums),
        (made.scaled(stored, factor.to(device)), product),
        (made.added(stored, factor.to(device), h.to(device, copy=True)), product + h),
        (made.activated(stored, factor.to(device), bias.to(device)), act),
        (made.activated(stored, (ones / 2).to(device), (100.5 * ones).to(device)), halves),
    ]
    return all(torch.equal(found.cpu(), want) for found, want in pairs)


def _questions(layer: Layer, sides: tuple[int, int]) -> torch.Tensor:
    """Inputs (4, I, *sides) as float64 integers: the highest, the lowest, the worst, and noise."""
    channels = layer.weight.shape[1]
    weight = layer.weight.to(torch.int64)
    worst = weight[int(weight.abs().sum((1, 2, 3)).argmax())].sum((1, 2))
    questions = torch.empty(4, channels, *sides, dtype=torch.float64)
    questions[0], questions[1] = layer.high, layer.low
    questions[2] = torch.where(worst > 0, layer.high, layer.low)[:, None, None]
    noise = gaussian(0, (0, 0, 0), (channels, *sides)) * ((layer.high - layer.low) / 4)
    questions[3] = (noise + (layer.high + layer.low) / 2).round().clamp(layer.low, layer.high)
    return questions


def _answers(layer: Layer, inputs: torch.Tensor) -> torch.Tensor:
    """The sums as products of float64 matrices: exact below 2^53 in any order."""
    side = layer.weight.shape[-1]
    columns = functional.unfold(inputs, side, padding=layer.padding, stride=layer.stride)
    height, width = (n // layer.stride for n in inputs.shape[2:])
    return (layer.weight.double().flatten(1) @ columns).reshape(len(inputs), -1, height, width).float()
