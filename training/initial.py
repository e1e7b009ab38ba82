"""Starting from weights that are there already.

A network may have more blocks than the weights: new ones add nothing at first (their last convolution is
zero).
"""

from pathlib import Path

import torch
from safetensors.torch import load_file

from training.network import Net


def start_from(net: Net, file: Path) -> None:
    """Copy what ``file`` has: a checkpoint's average, or the lab prior (.safetensors)."""
    if file.suffix == ".safetensors":
        weights = _without_biases({name: value.float() for name, value in load_file(file).items()})
    else:
        weights = torch.load(file, weights_only=True, map_location="cpu")["average"]
    missing, unexpected = net.load_state_dict(weights, strict=False)
    if unexpected:
        raise SystemExit(f"{file} has {len(unexpected)} weights that the network lacks: {unexpected[:3]}")
    print(f"{file}: {len(weights)} tensors taken, {len(missing)} new")


def _without_biases(old: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The lab prior's weights in this network's terms.

    The first bias of a block is under its factor: a (W x + c) + b = a W x + (b + a c), linear in the level's
    embedding as before. Other biases and SiLU (now ReLU) are dropped; some hundred steps make up for that.
    """
    new = {}
    for name, value in old.items():
        if name.endswith(".f.weight"):
            block = name.removesuffix("f.weight")
            weight, bias, c = value.clone(), old[block + "f.bias"].clone(), old[block + "c1.bias"]
            half = len(c)
            weight[half:] += c[:, None] * weight[:half]
            bias[half:] += c * (1 + bias[:half])
            new[block + "level.weight"], new[block + "level.bias"] = weight, bias
        elif not (name.endswith(".bias") and not name.startswith("e.")):
            new[name] = value
    return new
