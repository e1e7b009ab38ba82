"""ST-LPIPS: with made-up weights its definition, with the authors' package their numbers."""

import io
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch.nn import functional

from psc.evaluate import metrics, st_lpips
from tests.pictures import PHOTO

CHANNELS = (3, 2, 3, 4, 2, 3)
SIZES = (11, 5, 3, 3, 3)


def made_up() -> dict[str, torch.Tensor]:
    random = torch.Generator().manual_seed(0)
    weights = {
        "scaling_layer.shift": torch.full((1, 3, 1, 1), 0.25),
        "scaling_layer.scale": torch.full((1, 3, 1, 1), 0.5),
    }
    for i, (layer, size, (before, after)) in enumerate(
        zip(st_lpips.LAYERS, SIZES, pairwise(CHANNELS), strict=True)
    ):
        weights[f"net.{layer}.weight"] = torch.randn(after, before, size, size, generator=random)
        weights[f"net.{layer}.bias"] = torch.randn(after, generator=random)
        weights[f"lin{i}.model.1.weight"] = torch.ones(1, after, 1, 1) * (i == 0)
    return weights


@pytest.fixture
def pair() -> tuple[Image.Image, Image.Image]:
    image = Image.open(PHOTO).convert("RGB").crop((20, 20, 85, 61))
    out = io.BytesIO()
    image.save(out, "JPEG", quality=5)
    return image, Image.open(out).convert("RGB")


def test_it_is_zero_for_the_same_picture_and_symmetric(
    monkeypatch: pytest.MonkeyPatch, pair: tuple[Image.Image, Image.Image]
) -> None:
    monkeypatch.setattr(st_lpips, "_weights", made_up)
    assert st_lpips.st_lpips(pair[0], pair[0]) == 0
    assert st_lpips.st_lpips(*pair) == pytest.approx(st_lpips.st_lpips(*reversed(pair)))
    assert st_lpips.st_lpips(*pair) > 1e-3


def test_the_first_layer_by_its_definition(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two grey levels: away from borders each place has the same features, whose unit vectors are known."""
    weights = made_up()
    monkeypatch.setattr(st_lpips, "_weights", lambda: weights)
    a, b = (Image.new("RGB", (400, 400), (grey,) * 3) for grey in (40, 200))
    kernel, bias = weights["net.slice1.0.weight"], weights["net.slice1.0.bias"]
    units = []
    for grey in (40, 200):
        level = (grey / 127.5 - 1 - 0.25) / 0.5
        units.append(functional.normalize((level * kernel.sum((1, 2, 3)) + bias).relu(), dim=0))
    expected = float(((units[0] - units[1]) ** 2).sum())
    assert expected > 0.01
    assert st_lpips.st_lpips(a, b) == pytest.approx(expected, rel=0.1)


def test_without_the_package_the_metric_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(st_lpips, "PACKAGE", "a_package_that_is_nowhere")
    assert metrics.metrics()["st-lpips"].missing == "pip install --no-deps stlpips-pytorch"
    monkeypatch.setattr(st_lpips, "PACKAGE", "json")  # a package, but without the file
    assert st_lpips.missing()


@pytest.mark.skipif(bool(st_lpips.missing()), reason="needs stlpips-pytorch")
def test_the_numbers_are_the_authors(pair: tuple[Image.Image, Image.Image]) -> None:
    """Of stlpips.LPIPS(net="alex", variant="shift_tolerant") of stlpips-pytorch 0.0.2."""
    assert st_lpips.st_lpips(*pair) == pytest.approx(0.325242, rel=1e-4)
