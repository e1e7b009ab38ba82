"""Convolutions of integers whose sums are the same on every machine.

A layer's weights and inputs are integers, and no sum of its products, in whatever order, reaches 2^24 in
magnitude: float32 holds every one of them exactly, so neither the order nor the library's choice of algorithm
matters, as long as the algorithm only multiplies and adds these numbers.

``Float`` in float32 is the reference. ``Bytes`` uses the processor's 8-bit instructions, some of which
saturate at 16 bits: it is admitted only after :func:`agrees`, and so is float32 itself, which some libraries
replace by a shorter format or by an algorithm with fractions (Winograd's); float64 is what remains then.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch.nn import functional

from psc.errors import PscError
from psc.exact import gaussian

EXACT_BELOW = 2**24
Sums = Callable[[torch.Tensor], torch.Tensor]
"""A layer made ready: stored integers (B, I, H, W) to their sums, float32 (B, O, H', W')."""


@dataclass(frozen=True)
class Layer:
    """One convolution. Outside the picture the inputs are zero.

    weight: int8 (O, I, k, k). stride: k for k = 2, else 1 with the size kept. low, high: the range of the
    inputs. They are stored as uint8, less low if that is negative; a range beyond bytes as float32.
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


class Float:
    """The sums in a floating-point type. Stateless but for the weights, so threads may share it."""

    def __init__(self, layer: Layer, device: torch.device, dtype: torch.dtype = torch.float32) -> None:
        self._layer, self._dtype = layer, dtype
        self._weight = layer.weight.to(device, dtype).contiguous(memory_format=torch.channels_last)

    def __call__(self, stored: torch.Tensor) -> torch.Tensor:
        """See Sums."""
        layer = self._layer
        a = stored.to(self._dtype)
        if layer.zero:
            a -= layer.zero
        return functional.conv2d(a, self._weight, stride=layer.stride, padding=layer.padding).float()


class Bytes:
    """The sums through oneDNN's 8-bit convolutions; RuntimeError where this PyTorch has none."""

    def __init__(self, layer: Layer, device: torch.device) -> None:
        if device.type != "cpu":
            raise RuntimeError("8-bit convolutions are used on the CPU only")
        outputs = len(layer.weight)
        self._ones, self._zeros = torch.ones(outputs), torch.zeros(outputs, dtype=torch.int64)
        self._zero = layer.zero
        self._shape = ([layer.stride] * 2, [layer.padding] * 2, [1, 1], 1)
        self._weight = torch.ops.onednn.qconv_prepack(
            layer.weight, self._ones, 1.0, layer.zero, *self._shape, None
        )

    def __call__(self, stored: torch.Tensor) -> torch.Tensor:
        """See Sums."""
        sums: torch.Tensor = torch.ops.onednn.qconv2d_pointwise(
            stored, 1.0, self._zero, self._weight, self._ones, self._zeros, None,
            *self._shape, 1.0, 0, torch.float32, "none", [], "",
        )  # fmt: skip
        return sums


KERNELS: dict[str, Callable[[Layer, torch.device], Sums]] = {
    "int8": Bytes,
    "float32": Float,
    "float64": functools.partial(Float, dtype=torch.float64),
}
"""By speed."""


def ready(layers: list[Layer], device: torch.device, only: str | None = None) -> tuple[str, list[Sums]]:
    """The fastest kernel that knows the answers of every layer, and the layers made ready with it.

    A layer whose inputs do not fit into bytes takes float32 beside int8. only: try this kernel alone.
    """
    for name in [only] if only else KERNELS:
        try:
            sums = [KERNELS[name if x.in_bytes or name != "int8" else "float32"](x, device) for x in layers]
            if all(agrees(*pair, device) for pair in zip(layers, sums, strict=True)):
                return name, sums
        except (RuntimeError, AttributeError):  # no such operation in this build, or on this device
            continue
    raise PscError(
        f"no convolution of this PyTorch ({torch.__version__}, {device}) gives the exact sums that the "
        "embedded prior needs; 'cpu' with an official build does"
    )


def agrees(layer: Layer, sums: Sums, device: torch.device) -> bool:
    """Whether ``sums`` gives the known answers: on highest, lowest and worst inputs, and on noise."""
    inputs = _questions(layer)
    stored = (inputs + layer.zero).to(device, torch.uint8 if layer.in_bytes else torch.float32)
    found = sums(stored.contiguous(memory_format=torch.channels_last))
    return torch.equal(found.cpu(), _answers(layer, inputs))


def _questions(layer: Layer) -> torch.Tensor:
    """Inputs (4, I, 8, 8) as float64 integers."""
    channels = layer.weight.shape[1]
    weight = layer.weight.to(torch.int64)
    worst = weight[int(weight.abs().sum((1, 2, 3)).argmax())].sum((1, 2))
    questions = torch.empty(4, channels, 8, 8, dtype=torch.float64)
    questions[0], questions[1] = layer.high, layer.low
    questions[2] = torch.where(worst > 0, layer.high, layer.low)[:, None, None]
    noise = gaussian(0, (0, 0, 0), (channels, 8, 8)) * ((layer.high - layer.low) / 4)
    questions[3] = (noise + (layer.high + layer.low) / 2).round().clamp(layer.low, layer.high)
    return questions


def _answers(layer: Layer, inputs: torch.Tensor) -> torch.Tensor:
    """The sums as products of float64 matrices: exact below 2^53 in any order."""
    side = layer.weight.shape[-1]
    columns = functional.unfold(inputs, side, padding=layer.padding, stride=layer.stride)
    size = inputs.shape[-1] // layer.stride
    return (layer.weight.double().flatten(1) @ columns).reshape(len(inputs), -1, size, size).float()
