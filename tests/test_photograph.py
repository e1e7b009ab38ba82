"""End to end with the embedded prior on a real photograph."""

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load

import psc
import psc.prior
from psc.images.opening import read_image
from psc.images.pixels import psnr
from psc.plan.noise_levels import sigma
from psc.plan.presets import DEFAULT
from psc.prior import Prior
from psc.prior.embedded.network import Network

WEIGHTS = Path(psc.prior.__file__).parent / "embedded" / "embedded.safetensors"
PHOTO = Path(__file__).parent.parent / "examples" / "chelsea.png"


def crop(side: int) -> Image.Image:
    return read_image(PHOTO).convert("RGB").crop((120, 40, 120 + side, 40 + side))


def smallest_jpeg_at_least(image: Image.Image, quality: float) -> int:
    """Bytes of the smallest JPEG whose PSNR reaches ``quality``."""
    for setting in range(1, 96):
        out = io.BytesIO()
        image.save(out, "JPEG", quality=setting, optimize=True, progressive=True)
        if psnr(Image.open(out).convert("RGB"), image) >= quality:
            return out.getbuffer().nbytes
    raise AssertionError("no JPEG is that good")


def test_a_photograph_is_smaller_than_as_jpeg(embedded_prior: Prior) -> None:
    torch.set_num_threads(2)
    image = crop(128)
    data, simulated = psc.simulate(image, psc.settings(35), prior=embedded_prior)
    decoded = psc.decode_details(data, prior=embedded_prior)
    assert np.array_equal(np.asarray(decoded.image), np.asarray(simulated.image))
    assert len(data) < 0.6 * smallest_jpeg_at_least(image, psnr(decoded.image, image))
    assert decoded.nfe[0] == pytest.approx(DEFAULT.nfe(len(DEFAULT.rounds)))
    cut = psc.decode_details(
        data[: len(data) // 2], restoration="preview", allow_partial=True, prior=embedded_prior
    )
    assert 0 < cut.rounds < decoded.rounds


@pytest.mark.parametrize("bpp", [0.15, 0.5])
def test_a_target_size_is_met_within_two_per_cent(embedded_prior: Prior, bpp: float) -> None:
    torch.set_num_threads(2)
    image = crop(128)
    size = round(bpp * 128 * 128 / 8)
    data = psc.encode(image, target_size=size, prior=embedded_prior)
    assert 0.98 * size <= len(data) <= size
    assert psc.decode_details(data, prior=embedded_prior).rounds >= len(DEFAULT.rounds) - 1  # one is left out


def test_grey_stays_grey(embedded_prior: Prior) -> None:
    grey = crop(64).convert("L")
    data = psc.encode(grey, quality=30, prior=embedded_prior)
    decoded = psc.decode(data, prior=embedded_prior)
    assert decoded.mode == "L"
    assert psnr(decoded, grey) > 20
    colour = Image.merge("RGB", [grey] * 3)
    assert len(data) <= len(psc.encode(colour, quality=30, prior=embedded_prior))


@pytest.mark.slow
def test_the_best_quality_reaches_38_db(embedded_prior: Prior) -> None:
    torch.set_num_threads(2)
    image = crop(128)
    assert (
        psnr(psc.decode(psc.encode(image, quality=100, prior=embedded_prior), prior=embedded_prior), image)
        >= 38
    )


def test_the_reach_is_what_it_says(embedded_prior: Prior) -> None:
    """A pixel changes nothing beyond the network's reach, and tiles rely on that."""
    reach = Network(load(WEIGHTS.read_bytes()), torch.device("cpu")).shape.receptive_field
    x = torch.zeros(1, 3, 16, 2 * reach + 64)
    y = x.clone()
    y[..., 8, reach + 32] = 30.0
    a, b = (embedded_prior.denoise(z, sigma(70)) for z in (x, y))
    changed = (a - b).abs().amax((0, 1, 2)).nonzero().flatten()
    assert changed.min() >= 32
    assert changed.max() <= 2 * reach + 32


def test_unknown_prior_and_device_get_a_sentence() -> None:
    with pytest.raises(psc.PscError, match="embedded"):
        psc.load_prior("stable-diffusion")
    with pytest.raises(psc.PscError, match="cpu"):
        psc.load_prior(device="no such device")
