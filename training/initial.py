"""Starting from weights that are there already: a checkpoint's average, or a prior of integers.

A network may have more blocks than the weights: new ones add nothing at first (their last convolution is
zero).
"""

from pathlib import Path

import torch
from safetensors.torch import load_file

from psc.prior.network import Shape
from training.network import EMBEDDING, Net

BALANCE = 4.0
"""A channel's scale is divided between a block's two convolutions to make them equally large, but moved by
no more than this factor from the block's median: channels that are nearly dead would blow up."""


def start_from(net: Net, file: Path) -> None:
    """Copy what ``file`` has."""
    if file.suffix == ".safetensors":
        weights = floats(load_file(file), net.shape)
    else:
        weights = torch.load(file, weights_only=True, map_location="cpu")["average"]
    missing, unexpected = net.load_state_dict(weights, strict=False)
    if unexpected:
        raise SystemExit(f"{file} has {len(unexpected)} weights that the network lacks: {unexpected[:3]}")
    print(f"{file}: {len(weights)} tensors taken, {len(missing)} new")


def floats(tensors: dict[str, torch.Tensor], shape: Shape) -> dict[str, torch.Tensor]:
    """The float network of the integers (psc.prior.network), which computes the same but for the rounding.

    A convolution of integers W with inputs round(m h) and outputs times s is one of floats s W m. A block's
    factors and biases become a fixed base, to which the embedding, which starts at zero, adds.
    """
    found: dict[str, torch.Tensor] = {}
    for name in shape.names():
        weight, unit = tensors[f"{name}.weight"].float(), tensors.get(f"{name}.unit")
        if name.endswith((".c1", ".c2")):
            continue
        scale = tensors[f"{name}.scale"]
        assert unit is not None
        found[f"{name}.weight"] = (weight * scale[:, None, None, None] * unit[:, None, None]).flatten(1)
    for name in shape.names():
        if name.endswith(".c1"):
            found |= _block(name.removesuffix(".c1"), tensors)
    return found


def _block(name: str, tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    a, b = tensors[f"{name}.c1.a"], tensors[f"{name}.c1.b"]
    first = tensors[f"{name}.c1.weight"].float() * tensors[f"{name}.c1.unit"][:, None, None]
    second = tensors[f"{name}.c2.weight"].float() * tensors[f"{name}.c2.scale"][:, None, None, None]
    usual = a.square().mean((0, 1)).sqrt()
    usual = usual.clamp(min=float(usual.median()) / BALANCE)
    one, two = usual * first.flatten(1).norm(dim=1), second.transpose(0, 1).flatten(1).norm(dim=1)
    unit = (two / one).sqrt()
    middle = float(unit.median())
    unit = unit.clamp(middle / BALANCE, middle * BALANCE)
    return {
        f"{name}.c1.weight": (first * (usual * unit)[:, None, None, None]).flatten(1),
        f"{name}.c2.weight": (second / unit[:, None, None]).flatten(1),
        f"{name}.base": torch.cat([a / usual - 1, b * unit], -1),
        f"{name}.level.weight": torch.zeros(2 * len(unit), EMBEDDING),
        f"{name}.level.bias": torch.zeros(2 * len(unit)),
    }
