"""The stochastic multistep sampler, under a Gaussian prior whose posterior is known in closed form."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch

from psc.exact import to_grid
from psc.exact.fixed import ROW_BITS
from psc.plan.noise_levels import LOWEST, schedule, sigma
from psc.posterior import HIGHEST, Draw, ddrm, multistep
from psc.posterior.multistep import AHEAD_BITS
from psc.prior import HaarGaussian
from tests.test_posterior import SIDE, SIZE, basis_and_deviations, drawn, everywhere, free, measured

SAMPLES, KNOWN = 1024, 4


def spreads(sampler: object, steps: int) -> torch.Tensor:
    """The samples' variances along the eigenvectors that are not measured, in units of the posterior's."""
    prior = HaarGaussian(channels=1)
    basis, deviations = basis_and_deviations(prior)
    truth = to_grid(deviations * torch.from_numpy(np.random.default_rng(0).normal(size=SIZE)))
    windows = measured(to_grid(basis[:KNOWN], ROW_BITS), truth[:KNOWN])

    def project(x: torch.Tensor) -> torch.Tensor:
        return windows.project(x.double().flatten(1)[:, None]).reshape(x.shape).float()

    how = Draw(HIGHEST, steps, 0.0, 1, seed=1, index=0)
    start = torch.zeros(SAMPLES, 1, SIDE, SIDE)
    out = project(drawn(sampler, prior, everywhere(project), start, how)).double().flatten(1) @ basis.T
    assert (out[:, :KNOWN] - truth[:KNOWN]).abs().max() < 2e-4
    assert (out[:, KNOWN:].mean(0).abs() < 5 * deviations[KNOWN:] / SAMPLES**0.5).all()
    return out[:, KNOWN:].var(0) / deviations[KNOWN:] ** 2


def test_samples_have_the_posteriors_mean_and_spread() -> None:
    many, few, nearer = (float(spreads(s, n).mean()) for s, n in
                         ((multistep.draw, 40), (multistep.draw, 12), (ddrm.draw, 12)))  # fmt: skip
    assert many == pytest.approx(1, abs=0.06)
    assert few == pytest.approx(1, abs=0.2)
    assert nearer < few


def test_particles_do_not_depend_on_their_company_and_stay_on_the_grid() -> None:
    prior, how = HaarGaussian(channels=1), Draw(HIGHEST, 6, 0.05, 1, seed=9, index=3)
    start = torch.zeros(5, 1, SIDE, SIDE)
    together = drawn(multistep.draw, prior, free, start, how)
    assert torch.equal(drawn(multistep.draw, prior, free, start[:2], how), together[:2])
    assert torch.equal(to_grid(together).float(), together)


def test_a_grey_picture_under_a_colour_prior_has_the_spread_of_equal_channels() -> None:
    """Three independent channels that are equal are one of a third of the variance."""
    how, start = Draw(HIGHEST, 12, 0.0, 1, seed=2, index=0), torch.zeros(256, 1, SIDE, SIDE)
    grey, colour = (drawn(multistep.draw, HaarGaussian(channels=c), free, start, how) for c in (1, 3))
    assert float(colour.var(0).mean() / grey.var(0).mean()) == pytest.approx(1 / 3, abs=0.03)


def test_no_logarithms_last_bit_matters() -> None:
    """What is rounded is never so near to a tie that another library's logarithm could change it."""
    for start in range(LOWEST + 2, HIGHEST + 1):
        for steps in range(3, min(41, start - LOWEST + 2)):
            heights = [math.log(sigma(a) / sigma(b)) for a, b in pairwise(schedule(start, steps))]
            for last, now in pairwise(heights):
                scaled = 2**AHEAD_BITS * now / (2 * last)
                assert abs(scaled % 1 - 0.5) > 1e-9 or now == last
