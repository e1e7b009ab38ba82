"""PiGDM against Gaussians, whose posterior is known; the float network against integers and differences."""

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import psc
from psc.exact import to_grid
from psc.exact.fixed import ROW_BITS
from psc.posterior import HIGHEST, Draw, ddrm, pigdm, sigma
from psc.posterior.sampler import Projector, evaluate
from psc.prior import HaarGaussian
from psc.prior.embedded import tiles
from psc.prior.embedded.float_network import FloatNetwork
from psc.prior.embedded.prior import EmbeddedPrior
from tests.test_posterior import SIDE, SIZE, basis_and_deviations, drawn, everywhere, free, measured

PHOTO = Path(__file__).parent.parent / "examples" / "chelsea.png"
DEVIATION, SIGMA_Y, KNOWN = 0.5, 0.2, 20


def isotropic(channels: int = 1) -> HaarGaussian:
    """Independent pixels of standard deviation DEVIATION."""
    return HaarGaussian(DEVIATION, (DEVIATION,) * 3, channels)


def projection(rows: torch.Tensor, y: torch.Tensor) -> Projector:
    windows = measured(rows, y)
    return everywhere(lambda x: windows.project(x.double().flatten(1)[:, None]).reshape(x.shape).float())


def random_rows(generator: np.random.Generator, count: int = KNOWN) -> torch.Tensor:
    square = torch.from_numpy(np.linalg.qr(generator.normal(size=(SIZE, count)))[0].T.copy())
    return to_grid(square, ROW_BITS)


def problem(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Rows, and noisy measurements of a picture drawn from the prior."""
    generator = np.random.default_rng(seed)
    rows = random_rows(generator)
    x = DEVIATION * torch.from_numpy(generator.normal(size=SIZE))
    return rows, to_grid(rows @ x + SIGMA_Y * torch.from_numpy(generator.normal(size=KNOWN)))


@pytest.mark.parametrize("level", [0.05, 0.5, 5.0])
def test_the_guided_estimate_is_the_posteriors(level: float) -> None:
    """E[x | x_t, y] in closed form: x_t and y are two noisy observations."""
    rows, y = problem()
    x = torch.from_numpy(np.random.default_rng(1).normal(size=(3, SIZE)))
    precision = (1 / DEVIATION**2 + 1 / level**2) * torch.eye(SIZE) + rows.T @ rows / SIGMA_Y**2
    want = torch.linalg.solve(precision, (x / level**2 + y @ rows / SIGMA_Y**2).T).T
    how = Draw(HIGHEST, 2, SIGMA_Y, 1, 0, 0)
    x = x.reshape(3, 1, SIDE, SIDE).float()
    found = pigdm.Guide(isotropic(), projection(rows, y), how, 1)(x, x, level, 0).flatten(1)
    assert (found - want).abs().max() < 5e-5


def test_grey_under_a_colour_prior_is_known_to_be_grey() -> None:
    """Independent channels that are equal: a third of the variance, a third of the noise."""
    rows, y = problem()
    level = 0.7
    x, noise = torch.from_numpy(np.random.default_rng(1).normal(size=(2, 3, SIZE)))
    precision = 3 * (1 / DEVIATION**2 + 1 / level**2) * torch.eye(SIZE) + rows.T @ rows / SIGMA_Y**2
    want = torch.linalg.solve(precision, 3 * x[0] / level**2 + rows.T @ y / SIGMA_Y**2)
    how = Draw(HIGHEST, 2, SIGMA_Y, 1, 0, 0)
    guide = pigdm.Guide(isotropic(3), projection(rows, y), how, 1)
    grey, colours = x[0].reshape(1, 1, SIDE, SIDE).float(), noise.reshape(1, 3, SIDE, SIDE).float()
    assert (guide(grey, colours, level, 0).flatten() - want).abs().max() < 5e-5


def test_samples_have_the_posteriors_mean_and_covariance() -> None:
    """Here r^2 is the Gaussian's own; up to chance and the steps' length."""
    rows, y = problem()
    count, start = 2048, torch.zeros(2048, 1, SIDE, SIDE)
    how = Draw(HIGHEST, 80, SIGMA_Y, 1, seed=1, index=0)
    projector = projection(rows, y)
    out = drawn(pigdm.draw, isotropic(), projector, start, how).double().flatten(1)
    gain = DEVIATION**2 / (DEVIATION**2 + SIGMA_Y**2)
    covariance = DEVIATION**2 * (torch.eye(SIZE) - gain * rows.T @ rows)
    error = (out.mean(0) - gain * rows.T @ y) / covariance.diagonal().sqrt()
    assert error.abs().max() < 4.5 / math.sqrt(count)
    basis = torch.linalg.qr(torch.cat([rows.T, torch.eye(SIZE).double()], 1))[0].T
    found, want = basis @ torch.cov(out.T) @ basis.T, basis @ covariance @ basis.T
    scale = want.diagonal().sqrt()
    error = (found - want) / (scale[:, None] * scale)
    assert error.abs().max() < 6 / math.sqrt(count)
    for block in (slice(KNOWN), slice(KNOWN, SIZE)):  # mean variances: chance is half a per cent
        assert float(error.diagonal()[block].mean()) == pytest.approx(0, abs=0.02)


def test_numbers_of_different_variance() -> None:
    """Rows along the widest directions, as in a session: nearly the posterior, where DDRM is not."""
    prior = HaarGaussian(channels=1)
    basis, deviations = basis_and_deviations(prior)
    generator = np.random.default_rng(0)
    rows, widths = to_grid(basis[:16], ROW_BITS), deviations[:16]
    x, noise = torch.from_numpy(generator.normal(size=(2, 16)))
    y = to_grid(widths * x + SIGMA_Y * noise)
    mean = (y * widths**2 / (widths**2 + SIGMA_Y**2)) @ rows
    power = (widths**2 * SIGMA_Y**2 / (widths**2 + SIGMA_Y**2)).sum() + (deviations[16:] ** 2).sum()
    errors, spreads = [], []
    for sampler in (pigdm.draw, ddrm.draw):
        how = Draw(HIGHEST, 20, SIGMA_Y, 1, seed=1, index=0)
        out = drawn(sampler, prior, projection(rows, y), torch.zeros(512, 1, SIDE, SIDE), how)
        out = out.double().flatten(1)
        errors.append(float((out.mean(0) - mean).norm() / mean.norm()))
        spreads.append(float(out.var(0).sum() / power))
    assert errors[0] < 0.06 < errors[1]
    assert spreads[0] == pytest.approx(1, abs=0.1)
    assert spreads[1] < 0.3


@pytest.mark.parametrize("size", [(16, 24), (13, 19)], ids=["whole", "enlarged"])
def test_the_derivative_is_the_adjoint_for_any_size(size: tuple[int, int]) -> None:
    """<v, D(x + u) - D(x)> = <J^T v, u> for a linear denoiser."""
    prior = HaarGaussian(detail=(0.2, 0.5))
    x, u, v = torch.from_numpy(np.random.default_rng(0).normal(size=(3, 1, 3, *size))).float()
    guide = pigdm.Guide(prior, free, Draw(HIGHEST, 2, 0.0, 1, 0, 0), 3)
    change = evaluate(prior, x + u, 0.5, 1) - evaluate(prior, x, 0.5, 1)
    assert float((v * change).sum()) == pytest.approx(
        float((guide._pulled_back(x, v, 0.5) * u).sum()), rel=1e-4
    )


def test_particles_do_not_depend_on_their_company() -> None:
    how = Draw(HIGHEST, 5, 0.1, 1, seed=4, index=2)
    start = torch.zeros(3, 1, SIDE, SIDE)
    together = drawn(pigdm.draw, isotropic(), free, start, how)
    alone = Draw(HIGHEST, 5, 0.1, 1, seed=4, index=2, first=2)
    assert torch.equal(drawn(pigdm.draw, isotropic(), free, start[:1], alone), together[2:])


def test_a_prior_without_a_derivative_is_refused() -> None:
    class Opaque:
        name = "opaque"

    with pytest.raises(psc.PscError, match="'opaque' has none"):
        drawn(pigdm.draw, Opaque(), free, torch.zeros(1, 1, 8, 8), Draw(HIGHEST, 2, 0, 1, 0, 0))


# The floating-point network


@pytest.fixture(scope="module")
def photograph() -> torch.Tensor:
    with Image.open(PHOTO) as image:
        pixels = np.asarray(image.convert("RGB").crop((120, 40, 216, 104)))
    return torch.from_numpy(pixels.transpose(2, 0, 1).copy())[None] / 127.5 - 1


def noised(x: torch.Tensor, level: float) -> torch.Tensor:
    noise = torch.from_numpy(np.random.default_rng(2).normal(size=x.shape))
    return (x + level * noise).float()


@pytest.mark.parametrize(("j", "scale"), [(32, 1), (60, 1), (60, 4), (90, 16), (117, 1)])
def test_the_twin_is_close_to_the_integers(
    embedded_prior: EmbeddedPrior, photograph: torch.Tensor, j: int, scale: int
) -> None:
    """Their difference is what 8-bit rounding does: a fraction of the denoising error."""
    x = noised(photograph, sigma(j))
    integers = embedded_prior.denoise(x, sigma(j), scale)
    floats = embedded_prior.float_network(x, j, scale)
    difference = float((floats - integers).square().mean().sqrt())
    error = float((integers - photograph).square().mean().sqrt())
    assert 0 < difference < 0.012
    assert difference < 0.2 * error


def in_double(floats: FloatNetwork) -> Callable[[torch.Tensor, int, int], torch.Tensor]:
    """The same network in double precision: differences of a piecewise linear function, without rounding."""
    double = FloatNetwork.__new__(FloatNetwork)
    double._shape, double._tensors = floats._shape, {name: t.double() for name, t in floats._tensors.items()}
    return double


@pytest.mark.parametrize("j", [34, 70, 117])
def test_the_twins_derivative_is_that_of_differences(
    embedded_prior: EmbeddedPrior, photograph: torch.Tensor, j: int
) -> None:
    x = noised(photograph, sigma(j))
    u, v = torch.from_numpy(np.random.default_rng(3).normal(size=(2, *x.shape)))
    floats, step = in_double(embedded_prior.float_network), 1e-7
    change = (floats(x + step * u, j, 1) - floats(x - step * u, j, 1)) / (2 * step)
    found = embedded_prior.pullback(x, v.float(), sigma(j)).double()
    assert float((found * u).sum()) == pytest.approx(float((v * change).sum()), rel=1e-3, abs=1e-3)


def test_tiles_do_not_change_the_derivative(
    embedded_prior: EmbeddedPrior, photograph: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Smaller than the network's reach, so that every tile's part overlaps with others."""
    x = noised(photograph, 1.0).repeat(2, 1, 1, 2)
    v = torch.from_numpy(np.random.default_rng(4).normal(size=x.shape)).float()
    whole = embedded_prior.pullback(x, v, sigma(64), 1)
    monkeypatch.setattr(tiles, "TILE", 32)
    monkeypatch.setattr(tiles, "BATCH", 1)
    parts = embedded_prior.pullback(x, v, sigma(64), 1)
    assert (parts - whole).abs().max() < 1e-4 * whole.abs().max()


def test_a_derivative_at_an_unknown_noise_level_is_refused(embedded_prior: EmbeddedPrior) -> None:
    with pytest.raises(psc.PscError, match="noise level"):
        embedded_prior.pullback(torch.zeros(1, 3, 16, 16), torch.zeros(1, 3, 16, 16), 0.123)
