"""How near a decoded picture is to its original, after rounding to 8 bits.

A metric takes two RGB pictures of the same size. Those whose package or weights are missing, and those that
need a larger picture, are left out, with one line that says why; nothing is downloaded.
"""

import functools
import importlib.util
import tempfile
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from psc.evaluate import st_lpips
from psc.images.pixels import psnr

LEAST_MS_SSIM = 161
"""Pixels of the shorter side: five scales with windows of 11 pixels."""
WEIGHTS = {"lpips": "alexnet-owt-7be5be79.pth", "dists": "vgg16-397923af.pth"}
"""Backbones' files among PyTorch Hub's checkpoints; the heads are part of torchmetrics."""


@dataclass(frozen=True)
class Metric:
    """A metric of a decoded picture.

    Attributes:
        name: In lines and summaries.
        label: For people.
        better: "higher" or "lower".
        measure: A number from the original and the decoded picture, RGB both.
        missing: What to do to have it, if it is not here.
        least_side: Pixels that a picture must have in height and width.
    """

    name: str
    label: str
    better: str
    measure: Callable[[Image.Image, Image.Image], float]
    missing: str = ""
    least_side: int = 1


def metrics() -> dict[str, Metric]:
    """All metrics that are known, by name, in the order of reports, whether they are here or not."""
    torchmetrics = _package("torchmetrics", "pip install psc-codec[evaluate]")
    known = [
        Metric("psnr", "PSNR, dB", "higher", psnr),
        Metric("ssim", "SSIM", "higher", _ssim, torchmetrics),
        Metric("ms-ssim", "MS-SSIM", "higher", _ms_ssim, torchmetrics, LEAST_MS_SSIM),
        Metric("ssimulacra2", "SSIMULACRA2", "higher", _ssimulacra2,
               _package("ssimulacra2", "pip install psc-codec[evaluate]")),
        Metric("st-lpips", "ST-LPIPS (AlexNet)", "lower", st_lpips.st_lpips, st_lpips.missing(),
               st_lpips.LEAST_SIDE),
        Metric("lpips", "LPIPS (AlexNet)", "lower", _lpips, torchmetrics or _backbone("lpips")),
        Metric("dists", "DISTS", "lower", _dists, torchmetrics or _backbone("dists")),
    ]  # fmt: skip
    return {metric.name: metric for metric in known}


def measure(original: Image.Image, decoded: Image.Image) -> dict[str, float]:
    """All metrics that can be had, of two RGB pictures of the same size."""
    side = min(original.size)
    able = [m for m in metrics().values() if not m.missing and side >= m.least_side]
    return {metric.name: metric.measure(original, decoded) for metric in able}


def checkpoint(name: str) -> Path:
    """Where PyTorch Hub keeps a file of weights."""
    return Path(torch.hub.get_dir(), "checkpoints", name)


def _package(name: str, remedy: str) -> str:
    return "" if importlib.util.find_spec(name) else remedy


def _backbone(metric: str) -> str:
    """What is missing for a metric whose network's backbone torchvision defines."""
    path = checkpoint(WEIGHTS[metric])
    if path.is_file() and importlib.util.find_spec("torchvision"):
        return ""
    return f"pip install torchvision, and put {path.name} from PyTorch's model zoo into {path.parent}"


def _tensor(image: Image.Image) -> torch.Tensor:
    """A picture as (1, 3, H, W), 0 to 255; in single precision: SSIM is then right to 2e-4."""
    return torch.from_numpy(np.asarray(image).transpose(2, 0, 1).copy())[None].float()


@functools.cache
def _functions() -> Any:
    with warnings.catch_warnings():  # torchmetrics imports all of itself, and what that imports may warn
        warnings.simplefilter("ignore")
        from torchmetrics.functional import image
    return image


def _ssim(original: Image.Image, decoded: Image.Image) -> float:
    function = _functions().structural_similarity_index_measure
    return float(function(_tensor(decoded), _tensor(original), data_range=255.0))


def _ms_ssim(original: Image.Image, decoded: Image.Image) -> float:
    function = _functions().multiscale_structural_similarity_index_measure
    return float(function(_tensor(decoded), _tensor(original), data_range=255.0))


def _ssimulacra2(original: Image.Image, decoded: Image.Image) -> float:
    from ssimulacra2 import compute_ssimulacra2

    with tempfile.TemporaryDirectory() as folder:  # it takes files only
        names = [Path(folder, "original.png"), Path(folder, "decoded.png")]
        for picture, name in zip((original, decoded), names, strict=True):
            picture.save(name, compress_level=1)
        return float(compute_ssimulacra2(*map(str, names)))


def _lpips(original: Image.Image, decoded: Image.Image) -> float:
    function = _functions().learned_perceptual_image_patch_similarity
    a, b = _tensor(original) / 255, _tensor(decoded) / 255
    return float(function(b, a, net_type="alex", normalize=True))


def _dists(original: Image.Image, decoded: Image.Image) -> float:
    function = _functions().deep_image_structure_and_texture_similarity
    return float(function(_tensor(decoded) / 255, _tensor(original) / 255))
