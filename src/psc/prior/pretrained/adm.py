"""The U-Net of OpenAI's guided-diffusion ("ADM"), with the tensor names of its published checkpoints.

Dhariwal and Nichol, "Diffusion models beat GANs on image synthesis" (2021), section 3 and appendix: BigGAN
residual blocks that resample, attention at several resolutions, the timestep (and the class) as a scale and
a shift after a group normalisation. In half precision the convolutions of the trunk run in float16, all
else in float32, as the checkpoints were trained.
"""

import math
from dataclasses import dataclass
from typing import cast

import torch
from torch import nn
from torch.nn import functional

GROUPS = 32
PERIOD = 10000.0
"""The longest period of the timestep's sines, over 2 pi."""


@dataclass(frozen=True)
class Architecture:
    """What a checkpoint's network looks like, in the terms of the published configuration.

    (More than ten attributes: it has as many numbers, and a model card lists them side by side.)

    Attributes:
        size: Side of the training pictures in pixels.
        width: Channels of the first level.
        factors: Of the width, one per level.
        blocks: Residual blocks per level.
        attention: The downsampling factors at which there is attention.
        head_width: Channels of an attention head, unless ``heads`` says how many there are.
        heads: Number of attention heads; 0 if ``head_width`` decides.
        heads_first: Whether the channels of query, key and value are ordered by head (the older order).
        classes: Of a class-conditional model; 0 if it is unconditional.
        channels: Of the pictures.
        outputs: Channels of the output; twice ``channels`` with a learned variance.
    """

    size: int
    width: int
    factors: tuple[float, ...]
    blocks: int
    attention: tuple[int, ...]
    head_width: int = 64
    heads: int = 0
    heads_first: bool = True
    classes: int = 0
    channels: int = 3
    outputs: int = 6

    @property
    def multiple(self) -> int:
        """Sides of pictures are multiples of this."""
        return 1 << (len(self.factors) - 1)


class Norm(nn.GroupNorm):
    """Group normalisation in float32, whatever the type of its input."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """x (B, C, ...) -> the same shape and type."""
        return super().forward(x.float() if x.dtype == torch.float16 else x).to(x.dtype)


class Residual(nn.Module):
    """A residual block; ``resample`` is "down", "up" or empty."""

    def __init__(self, inputs: int, outputs: int, embedding: int, resample: str = "") -> None:
        super().__init__()
        self.resample = resample
        self.in_layers = nn.Sequential(Norm(GROUPS, inputs), nn.SiLU(), _conv3(inputs, outputs))
        self.emb_layers = nn.Sequential(nn.SiLU(), nn.Linear(embedding, 2 * outputs))
        self.out_layers = nn.Sequential(
            Norm(GROUPS, outputs), nn.SiLU(), nn.Identity(), _conv3(outputs, outputs)
        )
        self.skip_connection = nn.Identity() if inputs == outputs else nn.Conv2d(inputs, outputs, 1)

    def forward(self, x: torch.Tensor, embedding: torch.Tensor) -> torch.Tensor:
        """x (B, C, H, W), embedding (B, E) -> (B, outputs, H', W')."""
        h = self.in_layers[:2](x)
        if self.resample == "down":
            h, x = functional.avg_pool2d(h, 2), functional.avg_pool2d(x, 2)
        elif self.resample == "up":
            h, x = (functional.interpolate(z, scale_factor=2.0, mode="nearest") for z in (h, x))
        h = self.in_layers[2](h)
        scale, shift = self.emb_layers(embedding)[:, :, None, None].to(h.dtype).chunk(2, dim=1)
        h = self.out_layers[0](h) * (1 + scale) + shift
        return cast(torch.Tensor, self.skip_connection(x) + self.out_layers[1:](h))


class Attention(nn.Module):
    """Self-attention over all positions."""

    def __init__(self, channels: int, about: Architecture) -> None:
        super().__init__()
        self.heads = about.heads or channels // about.head_width
        self.heads_first = about.heads_first
        self.norm = Norm(GROUPS, channels)
        self.qkv = nn.Conv1d(channels, 3 * channels, 1)
        self.proj_out = nn.Conv1d(channels, channels, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """x (B, C, H, W) -> the same shape."""
        batch, channels, height, width = x.shape
        flat = x.reshape(batch, channels, -1)
        parts = (self.heads, 3) if self.heads_first else (3, self.heads)
        each = self.qkv(self.norm(flat)).reshape(batch, *parts, channels // self.heads, -1)
        q, k, v = each.transpose(3, 4).unbind(2 if self.heads_first else 1)
        h = functional.scaled_dot_product_attention(q, k, v)  # (B, heads, positions, channels of a head)
        h = self.proj_out(h.transpose(2, 3).reshape(batch, channels, -1))
        return cast(torch.Tensor, flat + h).reshape(batch, channels, height, width)


class Stage(nn.Sequential):
    """Modules in a row, of which residual blocks hear the embedding."""

    def forward(self, x: torch.Tensor, embedding: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
        """x (B, C, H, W), embedding (B, E) -> what the last module makes of it."""
        for module in self:
            x = module(x, embedding) if isinstance(module, Residual) else module(x)
        return x


class Adm(nn.Module):
    """The whole network. Its output: the predicted noise, then what a learned variance is made of."""

    def __init__(self, about: Architecture) -> None:
        super().__init__()
        self.about = about
        e = 4 * about.width
        self.time_embed = nn.Sequential(nn.Linear(about.width, e), nn.SiLU(), nn.Linear(e, e))
        if about.classes:
            self.label_emb = nn.Embedding(about.classes, e)
        widths = [int(about.width * factor) for factor in about.factors]
        down, left = _way_down(about, widths)
        self.input_blocks = nn.ModuleList(down)
        last = widths[-1]
        self.middle_block = Stage(Residual(last, last, e), Attention(last, about), Residual(last, last, e))
        self.output_blocks = nn.ModuleList(_way_up(about, widths, left))
        self.out = nn.Sequential(Norm(GROUPS, widths[0]), nn.SiLU(), _conv3(widths[0], about.outputs))

    def forward(self, x: torch.Tensor, t: float, label: int | None = None) -> torch.Tensor:
        """x (B, channels, H, W), t the timestep, label of the class -> (B, outputs, H, W)."""
        first = cast(nn.Conv2d, cast(Stage, self.input_blocks[0])[0]).weight
        embedding = self.time_embed(_sines(t, self.about.width, x))
        if label is not None:
            embedding = embedding + self.label_emb.weight[label]
        h, left = x.to(first.dtype), []
        for stage in self.input_blocks:
            h = stage(h, embedding)
            left.append(h)
        h = self.middle_block(h, embedding)
        for stage in self.output_blocks:
            h = stage(torch.cat([h, left.pop()], 1), embedding)
        return cast(torch.Tensor, self.out(h.to(x.dtype)))

    def halve(self) -> "Adm":
        """Turn the trunk's convolutions to float16."""
        for trunk in (self.input_blocks, self.middle_block, self.output_blocks):
            for module in trunk.modules():
                if isinstance(module, nn.Conv1d | nn.Conv2d):
                    module.half()
        return self


def _way_down(about: Architecture, widths: list[int]) -> tuple[list[Stage], list[int]]:
    """The stages, and the channels that each leaves for the way up."""
    inputs, left = widths[0], [widths[0]]
    stages = [Stage(_conv3(about.channels, inputs))]
    for level, width in enumerate(widths):
        for _ in range(about.blocks):
            stages.append(_stage(about, inputs, width, level))
            inputs = width
            left.append(width)
        if level + 1 < len(widths):
            stages.append(Stage(Residual(width, width, 4 * about.width, "down")))
            left.append(width)
    return stages, left


def _way_up(about: Architecture, widths: list[int], left: list[int]) -> list[Stage]:
    inputs, stages = widths[-1], []
    for level, width in reversed(list(enumerate(widths))):
        for i in range(about.blocks + 1):
            up = level > 0 and i == about.blocks
            stages.append(_stage(about, inputs + left.pop(), width, level, "up" if up else ""))
            inputs = width
    return stages


def _stage(about: Architecture, inputs: int, outputs: int, level: int, resample: str = "") -> Stage:
    modules: list[nn.Module] = [Residual(inputs, outputs, 4 * about.width)]
    if 1 << level in about.attention:
        modules.append(Attention(outputs, about))
    if resample:
        modules.append(Residual(outputs, outputs, 4 * about.width, resample))
    return Stage(*modules)


def _sines(t: float, width: int, like: torch.Tensor) -> torch.Tensor:
    """Cosines and sines of t at width / 2 frequencies: (1, width)."""
    half = width // 2
    angles = t * torch.exp(-math.log(PERIOD) / half * torch.arange(half, dtype=torch.float32))
    return torch.cat([angles.cos(), angles.sin()])[None].to(like.device, like.dtype)


def _conv3(inputs: int, outputs: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, padding=1)
