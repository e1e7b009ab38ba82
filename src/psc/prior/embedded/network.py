"""The embedded prior's network in integers: a U-Net of plain convolutions, no attention, no normalisation.

    D(x; sigma) = c_skip x + c_out F(c_in x; sigma, scale)        (Karras et al., 2022, equation 7)

F works on blocks of pixels (pixel-unshuffle). Its stream h is float32; convolutions read 8-bit integers:

    Q(h) = clamp(round(m h), -128, 127)              m: float32, one per channel
    h + s2 W2 clamp(round(a (W1 Q(h)) + b), 0, 255)  a residual block; a, b: tables over noise level and scale
    s W Q(h)                                         every other convolution

so every sum of products is one of integers (psc.prior.embedded.convolution); all the rest is one IEEE float32
operation per number at a time, in the order written here, ties rounded to even. Hence the same bits
everywhere. Without normalisation or attention every output depends on a bounded neighbourhood, so pictures
can be cut into tiles.
"""

import math
from dataclasses import dataclass

import torch
from torch.nn import functional

from psc.plan.noise_levels import LOWEST, sigma
from psc.prior.embedded.convolution import Layer, ready, to_bytes

SIGMA_DATA = 0.5
INPUT_LIMIT = 2047
"""The picture enters in 12 bits."""
SCALES = (1, 2, 4, 8, 16)
"""Scales that the network is told apart; others count as the next larger one."""
Tensors = dict[str, torch.Tensor]


@dataclass(frozen=True)
class Shape:
    """How large a network is.

    Attributes:
        unshuffle: Side of the pixel blocks.
        widths: Channels at each resolution, finest first.
        encoder: Residual blocks at each resolution, on the way down.
        decoder: Residual blocks at each resolution but the coarsest, on the way up.
    """

    unshuffle: int
    widths: tuple[int, ...]
    encoder: tuple[int, ...]
    decoder: tuple[int, ...]

    @property
    def multiple(self) -> int:
        """Sides of pictures are multiples of this."""
        return self.unshuffle << (len(self.widths) - 1)

    @property
    def receptive_field(self) -> int:
        """Pixels farther away do not influence an output pixel; a multiple of ``multiple``."""
        convolutions = [2 * n for n in self.encoder]
        for i, n in enumerate(self.decoder):
            convolutions[i] += 2 * n
        convolutions[0] += 2
        pixels = sum(n * (self.unshuffle << i) for i, n in enumerate(convolutions)) + self.multiple
        return -(-pixels // self.multiple) * self.multiple

    def names(self) -> list[str]:
        """The convolutions' names in the weights file."""
        blocks = [f"enc.{i}.{k}" for i, n in enumerate(self.encoder) for k in range(n)]
        blocks += [f"dec.{i}.{k}" for i, n in enumerate(self.decoder) for k in range(n)]
        between = [f"{kind}.{i}" for kind in ("dn", "up") for i in range(len(self.widths) - 1)]
        return ["inp", "out", *between, *(f"{b}.{c}" for b in blocks for c in ("c1", "c2"))]


class Network:
    """D(x; sigma) for pictures x (B, 3, H, W), float32, sides multiples of shape.multiple.

    Args:
        tensors: For every convolution NAME.weight (int8) and NAME.scale (s, float32), but for the first of a
            block NAME.a and NAME.b (scales, levels, channels) instead; NAME.unit (m) where it reads the
            stream or the picture.
        device: Where it is evaluated.
        kernel: Insist on one: see :func:`psc.prior.embedded.convolution.ready`.
        passed: The kernel that was chosen on this machine before: see there.
    """

    def __init__(
        self, tensors: Tensors, device: torch.device, kernel: str | None = None, passed: str | None = None
    ) -> None:
        self.shape = _shape(tensors)
        names = self.shape.names()
        for i in range(len(self.shape.decoder)):
            order = _by_place(len(tensors[f"up.{i}.scale"]))
            tensors = tensors | {
                f"up.{i}.{kind}": tensors[f"up.{i}.{kind}"][order] for kind in ("weight", "scale")
            }
        layers = [_layer(name, tensors[f"{name}.weight"]) for name in names]
        self._constants = {
            name: value.to(device) for name, value in tensors.items() if not name.endswith(".weight")
        }
        self.kernel, made = ready(layers, device, kernel, passed)
        self._layers = dict(zip(names, made, strict=True))

    def __call__(self, x: torch.Tensor, noise_level: int, scale: int) -> torch.Tensor:
        """D(x; sigma) of pictures.

        Args:
            x: (B, 3, H, W) float32.
            noise_level: j of the noise level sigma_j.
            scale: Of the pictures: one of SCALES.

        Returns:
            The same shape, float32.
        """
        sigma_j, row = sigma(noise_level), (SCALES.index(scale), noise_level - LOWEST)
        root = math.sqrt(sigma_j * sigma_j + SIGMA_DATA * SIGMA_DATA)
        inner = self._unet(x * _number(1 / root, x), row)
        skip = _number((SIGMA_DATA / root) * (SIGMA_DATA / root), x)
        return x * skip + inner * _number(sigma_j * SIGMA_DATA / root, x)

    def _unet(self, x: torch.Tensor, row: tuple[int, int]) -> torch.Tensor:
        x = functional.pixel_unshuffle(x, self.shape.unshuffle).contiguous(memory_format=torch.channels_last)
        x = x.mul_(self._constants["inp.unit"][:, None, None]).round_().clamp_(-INPUT_LIMIT, INPUT_LIMIT)
        h = self._layers["inp"].scaled(x, self._constants["inp.scale"])
        del x  # a large tile's stream takes 50 MB: what is done with is let go, here and in the blocks
        skips: list[torch.Tensor] = []
        for i, blocks in enumerate(self.shape.encoder):
            if i > 0:
                skips.append(h)
                h = self._linear(f"dn.{i - 1}", h)
            self._blocks(f"enc.{i}", blocks, h, row)
        for i, blocks in reversed(list(enumerate(self.shape.decoder))):
            h = _shuffled_onto(skips.pop(), self._linear(f"up.{i}", h))
            self._blocks(f"dec.{i}", blocks, h, row)
        out = self._linear("out", h).contiguous()  # channels last needs AVX2 in PyTorch's pixel-shuffle
        return functional.pixel_shuffle(out, self.shape.unshuffle)

    def _blocks(self, stage: str, count: int, h: torch.Tensor, row: tuple[int, int]) -> None:
        """Residual blocks, in the place of h."""
        for k in range(count):
            c1, c2 = f"{stage}.{k}.c1", f"{stage}.{k}.c2"
            factor, bias = self._constants[f"{c1}.a"][row], self._constants[f"{c1}.b"][row]
            inner = self._layers[c1].activated(to_bytes(h, self._constants[f"{c1}.unit"]), factor, bias)
            self._layers[c2].added(inner, self._constants[f"{c2}.scale"], h)
            del inner

    def _linear(self, name: str, h: torch.Tensor) -> torch.Tensor:
        stored = to_bytes(h, self._constants[f"{name}.unit"])
        return self._layers[name].scaled(stored, self._constants[f"{name}.scale"])


def _by_place(channels: int) -> torch.Tensor:
    """The order in which 2x2 blocks' channels (C, 2, 2) become (2, 2, C): neighbours stay neighbours."""
    return torch.arange(channels).reshape(-1, 2, 2).permute(1, 2, 0).flatten()


def _shuffled_onto(skip: torch.Tensor, h: torch.Tensor) -> torch.Tensor:
    """skip (B, C, 2H, 2W), overwritten, plus the pixel-shuffle of h (B, 4C, H, W), channels by place."""
    batch, channels, height, width = h.shape
    blocks = h.permute(0, 2, 3, 1).reshape(batch, height, width, 2, 2, channels // 4)
    places = skip.permute(0, 2, 3, 1).view(batch, height, 2, width, 2, channels // 4)
    places.add_(blocks.transpose(2, 3))
    return skip


def scale_above(scale: int) -> int:
    """The first of SCALES that is at least ``scale``, or the last."""
    return next((known for known in SCALES if known >= scale), SCALES[-1])


def _number(value: float, like: torch.Tensor) -> torch.Tensor:
    return torch.tensor(value, dtype=torch.float32, device=like.device)


def _layer(name: str, weight: torch.Tensor) -> Layer:
    if name == "inp":
        return Layer(weight, 1, -INPUT_LIMIT, INPUT_LIMIT)
    if name.endswith("c2"):
        return Layer(weight, 1, 0, 255)
    return Layer(weight, 2 if name.startswith("dn") else 1, -128, 127)


def _shape(tensors: Tensors) -> Shape:
    widths, encoder, decoder = (
        tuple(int(n) for n in tensors[f"shape.{name}"]) for name in ("widths", "encoder", "decoder")
    )
    return Shape(int(tensors["shape.unshuffle"]), widths, encoder, decoder)
