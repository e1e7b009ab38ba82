"""ST-LPIPS, a perceptual distance that small shifts hardly change (Ghildyal and Liu, 2022, arXiv 2207.13686).

The weights are those of the authors' package stlpips-pytorch (BSD-2), its AlexNet; the network around them is
ours, since the package needs torchvision and IPython, and parts of its code may not be used commercially.
"""

import functools
import importlib.util
from pathlib import Path

import torch
from PIL import Image
from torch.nn import functional

from psc.images.pixels import to_tensor

PACKAGE, FILE = "stlpips_pytorch", Path("weights", "vST0.0", "alex_shift_tolerant.pth")
LEAST_SIDE = 32
"""Pixels that leave something to pad by reflection after the last pooling."""
LAYERS = ("slice1.0", "slice2.5", "slice3.9", "slice4.11", "slice5.13")
"""The convolutions, by the names that their weights have in the file."""
PADDINGS = (2, 2, 1, 1, 1)
POOLED = (1, 2)
"""Layers before which the maximum of 3x3 is taken and blurred to half size."""
Weights = dict[str, torch.Tensor]


def missing() -> str:
    """What to do to have it; empty if it is here."""
    return "" if _file() else "pip install --no-deps stlpips-pytorch"


@torch.no_grad()
def st_lpips(original: Image.Image, decoded: Image.Image) -> float:
    """The distance between two RGB pictures of the same size; lower is better.

    Args:
        original: At least LEAST_SIDE pixels high and wide.
        decoded: Likewise.

    Returns:
        0 for the same picture; JPEG's quality 80 is some 0.005, quality 5 some 0.13.
    """
    weights = _weights()
    pairs = zip(_features(weights, original), _features(weights, decoded), strict=True)
    heads = (weights[f"lin{i}.model.1.weight"] for i in range(len(LAYERS)))
    return sum(
        float(functional.conv2d((_unit(a) - _unit(b)) ** 2, head).mean())
        for (a, b), head in zip(pairs, heads, strict=True)
    )


def _features(weights: Weights, image: Image.Image) -> list[torch.Tensor]:
    """What each layer finds in a picture."""
    x = to_tensor(image)[None]
    x = (x - weights["scaling_layer.shift"]) / weights["scaling_layer.scale"]
    found = []
    for i, (layer, padding) in enumerate(zip(LAYERS, PADDINGS, strict=True)):
        if i in POOLED:
            x = _halved(functional.max_pool2d(x, 3, 1))
        x = functional.conv2d(
            x, weights[f"net.{layer}.weight"], weights[f"net.{layer}.bias"], padding=padding
        )
        x = functional.relu(_halved(x) if i == 0 else x)
        found.append(x)
    return found


def _halved(x: torch.Tensor) -> torch.Tensor:
    """Blurred by 1 2 1 in both directions; every other is kept, and one more at each border than needed."""
    taps = torch.tensor([0.25, 0.5, 0.25], dtype=x.dtype)
    kernel = torch.outer(taps, taps).expand(x.shape[1], 1, 3, 3)
    return functional.conv2d(functional.pad(x, (2, 2, 2, 2), "reflect"), kernel, stride=2, groups=x.shape[1])


def _unit(x: torch.Tensor) -> torch.Tensor:
    """A layer's output with channels of length 1 at every place."""
    unit: torch.Tensor = x / (x.norm(dim=1, keepdim=True) + 1e-10)
    return unit


def _file() -> Path | None:
    """The weights, if the package is here; it is not imported."""
    spec = importlib.util.find_spec(PACKAGE)
    places = [Path(place, FILE) for place in (spec.submodule_search_locations or ())] if spec else []
    return next((place for place in places if place.is_file()), None)


@functools.cache
def _weights() -> Weights:
    file = _file()
    assert file is not None, missing()
    state: Weights = torch.load(file, weights_only=True, map_location="cpu")
    return {name: value.float() for name, value in state.items()}
