"""Starting from weights that are there already: a checkpoint's average, floats, or a prior of integers.

A network may have more blocks than the weights: new ones add nothing at first (their last convolution is
zero).
"""

from pathlib import Path

import torch

from psc.prior.embedded.network import Shape
from training.network import EMBEDDING, Net
from training.weights import Weights, read, shape_of

BALANCE = 4.0
"""A channel's scale is divided between a block's two convolutions to make them equally large, but moved by
no more than this factor from the block's median: channels that are nearly dead would blow up."""


def start_from(net: Net, path: Path) -> None:
    """Copy what ``path`` has; see load."""
    weights = load(path)[1]
    missing, unexpected = net.load_state_dict(weights, strict=False)
    if unexpected:
        raise SystemExit(f"{path} has {len(unexpected)} weights that the network lacks: {unexpected[:3]}")
    print(f"{path}: {len(weights)} tensors taken, {len(missing)} new")


def load(path: Path) -> tuple[Shape, Weights]:
    """A float network: of a checkpoint.pt its average; of a safetensors file its floats, or its integers'
    equivalent; of a folder its parts (training.weights)."""
    if path.suffix == ".pt":
        state = torch.load(path, weights_only=True, map_location="cpu")
        fields = {name: tuple(v) if isinstance(v, list) else v for name, v in state["shape"].items()}
        return Shape(**fields), state["average"]
    tensors = read(path)
    shape = shape_of(tensors)
    if are_integers(tensors):
        return shape, floats(tensors, shape)
    return shape, {name: value.float() for name, value in tensors.items() if not name.startswith("shape.")}


def are_integers(tensors: Weights) -> bool:
    """Whether they are a prior of psc.prior.embedded.network."""
    return tensors["inp.weight"].dtype == torch.int8


def floats(tensors: Weights, shape: Shape) -> Weights:
    """The float network of psc.prior.embedded.network's integers: it computes the same but for the rounding.

    A convolution of integers W with inputs round(m h) and outputs times s is one of floats s W m. A block's
    factors and biases become a fixed base, to which the embedding, which starts at zero, adds.
    """
    found: Weights = {}
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


def _block(name: str, tensors: Weights) -> Weights:
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
