"""E[x0 | x] from every kind of prediction: checked where it is known, for Gaussian data."""

import math

import pytest
import torch

import psc
from psc.plan.noise_levels import HIGHEST, LOWEST, sigma
from psc.prior.pretrained.parametrisation import (
    Discrete,
    Flow,
    Parametrisation,
    cosine_schedule,
    linear_schedule,
)

VARIANCE = 0.3
STABLE = [
    a.item() for a in torch.cumprod(1 - torch.linspace(0.00085**0.5, 0.012**0.5, 1000).double() ** 2, 0)
]


def gaussian(kind: str, alpha_bar: list[float]) -> psc.prior.pretrained.parametrisation.Predict:
    """What a perfect network predicts if x0 is normal with VARIANCE: all follows from E[x0 | x_t]."""

    def predict(x_t: torch.Tensor, t: float) -> torch.Tensor:
        if kind == "velocity":
            a, b = 1 - t / 1000, t / 1000
        else:
            a, b = math.sqrt(alpha_bar[int(t)]), math.sqrt(1 - alpha_bar[int(t)])
        x0 = a * VARIANCE / (a * a * VARIANCE + b * b) * x_t
        noise = (x_t - a * x0) / b
        return {"epsilon": noise, "v": a * noise - b * x0, "sample": x0, "velocity": noise - x0}[kind]

    return predict


@pytest.mark.parametrize("j", [LOWEST, 60, 80, 100, 110])
@pytest.mark.parametrize("kind", ["epsilon", "v", "sample", "velocity"])
def test_the_posterior_mean_of_a_gaussian(kind: str, j: int) -> None:
    alpha_bar = linear_schedule(1000)
    model: Parametrisation = Flow() if kind == "velocity" else Discrete(alpha_bar, kind)
    level = sigma(j)
    if isinstance(model, Discrete):  # at a level that the model knows
        a = alpha_bar[model.timestep(level)]
        assert math.sqrt((1 - a) / a) == pytest.approx(level, rel=0.06)
        level = math.sqrt((1 - a) / a)
    x = torch.randn(2, 3, 4, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * level
    found = model.estimate(gaussian(kind, alpha_bar), x, level)
    torch.testing.assert_close(found, x * VARIANCE / (VARIANCE + level**2), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("j", range(LOWEST, HIGHEST + 1, 5))
def test_the_nearest_timestep(j: int) -> None:
    level, model = sigma(j), Discrete(STABLE, "epsilon")
    known = torch.tensor([math.sqrt((1 - a) / a) for a in STABLE])
    assert model.timestep(level) == int((known.log() - math.log(level)).abs().argmin())


def test_above_the_last_timestep_the_noise_is_what_the_network_knows() -> None:
    model = Discrete(STABLE, "sample")
    seen: list[torch.Tensor] = []
    x = torch.full((1, 1, 1, 1), 20.0, dtype=torch.float64)  # one standard deviation of the noise
    model.estimate(lambda x_t, t: seen.append(x_t) or x_t, x, 20.0)  # type: ignore[func-returns-value]
    assert seen[0].item() == pytest.approx(math.sqrt(1 - STABLE[-1]), rel=1e-12)


def test_a_last_timestep_of_pure_noise_is_left_out() -> None:
    model = Discrete([0.9, 0.5, 0.0], "v")
    assert model.sigma_max == 1.0
    assert model.timestep(1e6) == 1


def test_schedules_are_the_librarys() -> None:
    diffusers = pytest.importorskip("diffusers", reason="needs psc-codec[models]")
    for found, name in ((linear_schedule, "linear"), (cosine_schedule, "squaredcos_cap_v2")):
        known = diffusers.DDPMScheduler(beta_schedule=name).alphas_cumprod
        torch.testing.assert_close(torch.tensor(found(1000)), known, rtol=3e-4, atol=1e-6)


def test_an_unknown_prediction_is_refused() -> None:
    with pytest.raises(psc.PscError, match="expected one of: epsilon, v, sample"):
        Discrete([0.9], "score")
