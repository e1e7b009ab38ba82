"""Posterior samples under a Gaussian prior, whose posterior is known in closed form.

A Haar coefficient of standard deviation v, measured with noise sigma_y, has the posterior mean
y v^2 / (v^2 + sigma_y^2); Haar coefficients that are not measured keep mean 0.
"""

from dataclasses import replace

import numpy as np
import pytest
import torch

from psc.exact import haar, to_grid
from psc.exact.fixed import ROW_BITS
from psc.plan.noise_levels import LOWEST
from psc.posterior import HIGHEST, Draw, Sampler, level_above, noises, schedule, sigma
from psc.posterior.ddrm import draw
from psc.posterior.noises import Noises
from psc.posterior.sampler import Project, Projector
from psc.prior import HaarGaussian, Prior
from psc.transform import Windows
from psc.transform.fixed_basis import FixedBasis


def silent(evaluations: int) -> None:
    pass


SIDE, SIZE, SAMPLES = 8, 64, 2048


def basis_and_deviations(prior: HaarGaussian) -> tuple[torch.Tensor, torch.Tensor]:
    """The prior's eigenvectors (rows) and standard deviations, largest first."""
    unit = torch.eye(SIZE, dtype=torch.float64).reshape(SIZE, 1, SIDE, SIDE)
    low, bands = haar.analyse(unit, len(prior.detail))
    rows = torch.cat([low.flatten(1), *(b.flatten(1) for b in reversed(bands))], 1).T
    sizes = [(low, prior.low), *zip(reversed(bands), reversed(prior.detail), strict=True)]
    return rows, torch.cat([torch.full((x[0].numel(),), float(s)).double() for x, s in sizes])


def measured(rows: torch.Tensor, values: torch.Tensor) -> Windows:
    windows = Windows(1, SIZE, FixedBasis(1))
    windows.append(rows[None].float(), values[None], torch.ones(1, len(rows), dtype=torch.bool))
    return windows


def everywhere(project: Project) -> Projector:
    """A projection of whole pictures as a sampler takes it."""
    return lambda batch: [(slice(None), project)]


free = everywhere(lambda x: x)
"""Nothing is known."""


def drawn(
    sampler: Sampler, prior: Prior, projector: Projector, start: torch.Tensor, how: Draw
) -> torch.Tensor:
    """What a sampler makes of ``start``."""
    particles = start.clone()
    sampler(prior, projector, particles, how, silent)
    return particles


def estimated(
    count: int, prior: Prior, projector: Projector, start: torch.Tensor, how: Draw
) -> list[torch.Tensor]:
    """The last ``count`` estimates that DDRM makes of ``start``."""
    estimates = [*(torch.empty_like(start) for _ in range(count - 1)), start.clone()]
    draw(prior, projector, estimates[-1], how, silent, estimates[:-1])
    return estimates


def sample(prior: HaarGaussian, windows: Windows, steps: int, sigma_y: float = 0.0) -> torch.Tensor:
    def projector(x: torch.Tensor) -> torch.Tensor:
        return windows.project(x.double().flatten(1)[:, None]).reshape(x.shape).float()

    start = torch.zeros(SAMPLES, 1, SIDE, SIDE)
    how = Draw(HIGHEST, steps, sigma_y, 1, seed=1, index=0)
    return projector(drawn(draw, prior, everywhere(projector), start, how)).double().flatten(1)


def test_eigenvector_rows_give_the_exact_mean_and_the_next_eigenvectors() -> None:
    prior = HaarGaussian(channels=1)
    basis, deviations = basis_and_deviations(prior)
    truth = to_grid(deviations * torch.from_numpy(np.random.default_rng(0).normal(size=SIZE)))
    known = 4  # the mean and the coarsest details
    out = sample(prior, measured(to_grid(basis[:known], ROW_BITS), truth[:known]), steps=20)
    coefficients = out @ basis.T
    assert (coefficients[:, :known] - truth[:known]).abs().max() < 2e-4
    error = coefficients[:, known:].mean(0).abs()
    assert (error < 5 * deviations[known:] / SAMPLES**0.5).all()
    leading = torch.linalg.eigh(torch.cov(out.T))[1][:, -12:].T  # the 12 coefficients of deviation 0.3
    assert ((leading @ basis[known : known + 12].T) ** 2).sum() / 12 > 0.99


def test_random_rows_give_nearly_the_right_mean_and_subspace() -> None:
    """Rows that mix eigenvectors: the projection ignores the covariance; many steps make up for it."""
    prior = HaarGaussian(channels=1)
    basis, deviations = basis_and_deviations(prior)
    covariance = basis.T @ torch.diag(deviations**2) @ basis
    rng = np.random.default_rng(0)
    rows = to_grid(torch.from_numpy(np.linalg.qr(rng.normal(size=(SIZE, 30)))[0].T.copy()), ROW_BITS)
    sigma_y = 0.1
    x = basis.T @ (deviations * torch.from_numpy(rng.normal(size=SIZE)))
    y = to_grid(rows @ x + sigma_y * torch.from_numpy(rng.normal(size=30)))
    gain = covariance @ rows.T @ torch.linalg.inv(rows @ covariance @ rows.T + sigma_y**2 * torch.eye(30))
    mean, posterior = gain @ y, covariance - gain @ rows @ covariance
    errors = {}
    for steps in (8, 60):
        out = sample(prior, measured(rows, y), steps, sigma_y)
        errors[steps] = float((out.mean(0) - mean).norm() / mean.norm())
    assert errors[60] < 0.28 < errors[8]
    leading = torch.linalg.eigh(torch.cov(out.T))[1][:, -4:]
    captured = torch.trace(leading.T @ posterior @ leading) / torch.linalg.eigvalsh(posterior)[-4:].sum()
    assert captured > 0.9


def test_particles_do_not_depend_on_their_company() -> None:
    prior = HaarGaussian(channels=1)
    how = Draw(HIGHEST, 6, 0.05, 1, seed=9, index=3)
    start = torch.zeros(5, 1, SIDE, SIDE)
    together = drawn(draw, prior, free, start, how)
    assert torch.equal(drawn(draw, prior, free, start[:2], how), together[:2])


@pytest.mark.parametrize("of", [1, 4])
def test_noises_do_not_depend_on_groups_bands_or_what_is_kept(
    of: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    how = Draw(80, 5, 0.1, 1, seed=3, index=2, first=4, of=of)
    whole = Noises(how, 3, 8, 6)(1, range(4))
    assert of == 1 or whole.sum(0).abs().max() <= of / 2 / 65536
    for kept in (2**24, 0):
        monkeypatch.setattr(noises, "KEPT", kept)
        made = Noises(how, 3, 8, 6)
        for some in (range(1, 3), range(3, 4), range(1), range(4)):
            for rows in (slice(None), slice(2, 5)):
                assert torch.equal(made(1, some, rows), whole[some.start : some.stop, :, rows])
    across = Noises(replace(how, first=2), 3, 8, 6)(1, range(4))  # two of one group, two of the next
    assert torch.equal(across[2:], whole[:2])


def test_bands_do_not_change_a_draw() -> None:
    """Neither where they end nor whether the picture is grey under a colour prior."""
    how = Draw(HIGHEST, 6, 0.05, 1, seed=9, index=3)
    bands = [(rows, lambda x: x / 2) for rows in (slice(0, 3), slice(3, 4), slice(4, SIDE))]
    for channels in (1, 3):
        prior, start = HaarGaussian(channels=channels), torch.ones(5, 1, SIDE, SIDE)
        whole = estimated(2, prior, everywhere(lambda x: x / 2), start, how)
        assert all(map(torch.equal, estimated(2, prior, lambda batch: bands, start, how), whole))


def test_grey_under_a_colour_prior_equals_a_grey_prior() -> None:
    """Channels that are known to be equal: the mean of three independent ones has a third of the noise."""
    prior = HaarGaussian(low=0.5, detail=(0.05, 0.1, 0.2), channels=3)
    how = Draw(HIGHEST, 40, 0.0, 1, seed=2, index=0)
    out = drawn(draw, prior, free, torch.zeros(SAMPLES, 1, SIDE, SIDE), how)
    assert out.shape == (SAMPLES, 1, SIDE, SIDE)
    assert float(out.mean().abs()) < 0.02


def test_estimates_are_those_of_the_last_steps() -> None:
    """Unmeasured coefficients of deviation v become g (x0 + sigma n) with g = v^2 / (v^2 + sigma^2)."""
    prior = HaarGaussian(channels=1)
    basis, deviations = basis_and_deviations(prior)
    how = Draw(80, 5, 0.0, 1, seed=1, index=0, end=50)
    start = torch.zeros(SAMPLES, 1, SIDE, SIDE)
    found = estimated(3, prior, free, start, how)
    assert torch.equal(found[-1], drawn(draw, prior, free, start, how))
    variance = torch.zeros(SIZE).double()
    for step, noise in enumerate(map(sigma, schedule(80, 5, 50))):
        gain = deviations**2 / (deviations**2 + noise**2)
        variance = gain**2 * (variance + noise**2)
        if step >= 2:
            coefficients = found[step - 2].double().flatten(1) @ basis.T
            assert (coefficients.var(0) / variance - 1).abs().max() < 0.15


@pytest.mark.parametrize("steps", [2, 3, 8, 14, 255])
@pytest.mark.parametrize("start", [LOWEST, 42, 74, HIGHEST])
@pytest.mark.parametrize("end", [LOWEST, 42])
def test_schedules_descend_to_the_end(start: int, steps: int, end: int) -> None:
    levels = schedule(max(start, end), steps, end)
    assert len(levels) == steps
    assert (levels[0], levels[-1]) == (max(start, end), end)
    assert schedule(start, steps) == schedule(start, steps, LOWEST)
    assert levels == sorted(levels, reverse=True)


def test_level_above_covers_the_variance() -> None:
    assert sigma(level_above(0.5)) ** 2 >= 0.5 > sigma(level_above(0.5) - 1) ** 2
    assert level_above(0.0, lowest=42) == 42
    assert level_above(1e9) == HIGHEST
