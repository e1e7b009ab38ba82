"""The plans that come with psc: efforts, what they go with, and their numbers in the header."""

import dataclasses

import numpy as np
import pytest

import psc
from psc.bitstream.header import Header, unpack
from psc.bitstream.plan_code import NAMED_PLANS, PLAN_NAMES
from psc.cli.encode_options import adjusted
from psc.plan.plan import FULL_BASIS, Plan
from psc.plan.presets import DEFAULT, DEFAULT_EFFORT, EFFORTS
from psc.prior import HaarGaussian
from tests.conftest import texture
from tests.headers import header_of

PRIOR = HaarGaussian(low=1.5, detail=(0.1, 0.25, 0.5))
ARRAY = texture(40, 50)


def header(plan: Plan) -> Header:
    return header_of(24, 24, False, plan, len(plan.rounds), 96, 0, PRIOR.fingerprint[:4], True)


def test_more_effort_is_more_evaluations() -> None:
    assert list(EFFORTS) == list(range(1, 10))
    costs = [plan.nfe(len(plan.rounds)) for plan in EFFORTS.values()]
    assert costs == sorted(set(costs))
    assert EFFORTS[DEFAULT_EFFORT] is DEFAULT
    assert psc.settings(40) == psc.settings(40, effort=DEFAULT_EFFORT) == psc.settings(40, effort=2)
    assert len({psc.settings(40, effort=effort) for effort in EFFORTS}) == len(EFFORTS)


@pytest.mark.parametrize(("number", "plan"), NAMED_PLANS.items(), ids=str)
def test_named_plans_take_one_byte(number: int, plan: Plan) -> None:
    short, levels = header(plan).pack(), plan.levels
    assert unpack(short)[0].settings.plan is plan
    assert psc.info(short)["plan"] == PLAN_NAMES[plan]
    assert short[8] == number
    own = dataclasses.replace(plan, levels=(dataclasses.replace(levels[0], start=75), *levels[1:]))
    assert unpack(header(own).pack())[0].settings.plan == own
    assert psc.info(header(own).pack())["plan"] == "custom"


@pytest.mark.parametrize("effort", [min(EFFORTS), max(EFFORTS)])
def test_an_effort_comes_back(effort: int) -> None:
    data = psc.encode(ARRAY, quality=20, effort=effort, prior=PRIOR)
    assert psc.info(data)["plan"] == f"effort {effort}"
    simulated = psc.simulate(ARRAY, psc.settings(20, effort=effort), prior=PRIOR)[1].image
    assert np.array_equal(np.asarray(psc.decode(data, prior=PRIOR)), np.asarray(simulated))


def test_targets_have_efforts() -> None:
    data = psc.encode(ARRAY, target_size=300, effort=1, prior=PRIOR)
    assert 0.98 * 300 <= len(data) <= 300
    assert psc.info(data)["plan"] == "effort 1"
    assert psc.decode(data, prior=PRIOR).size == (50, 40)


def test_a_default_plan_of_ones_own() -> None:
    """As many estimates as the changed plan may have: with fewer steps, or with more samples."""
    quick = adjusted(psc.settings(20), steps=2).plan
    assert [level.estimates for level in quick.levels] == [2, 2, 1]
    assert {item.steps for item in quick.rounds} == {2}
    assert {item.rows for item in quick.rounds if item.level == 0} == {6, FULL_BASIS}
    many = adjusted(psc.settings(20), samples=24).plan
    assert [(level.samples, level.estimates) for level in many.levels] == [(24, 2), (24, 2), (24, 1)]
    rows = adjusted(psc.settings(20), rows=20).plan
    assert [(level.samples, level.estimates) for level in rows.levels] == [(26, 2), (26, 2), (26, 1)]
    assert {item.rows for item in rows.rounds} == {20, FULL_BASIS}
    data = psc.encode_with(ARRAY, adjusted(psc.settings(20), steps=2), prior=PRIOR)
    assert psc.info(data)["plan"] == "custom"
    assert psc.decode(data, prior=PRIOR).size == (50, 40)


@pytest.mark.parametrize("target", [{}, {"target_size": 300}, {"target_psnr": 25.0}], ids=str)
def test_efforts_that_are_none(target: dict[str, float]) -> None:
    for effort in (0, 10, -1, True, 2.0, "5"):
        with pytest.raises(psc.PscError, match=rf"effort {effort} came; .* from 1 \(fastest\) to 9"):
            psc.encode(ARRAY, effort=effort, prior=PRIOR, **target)


@pytest.mark.parametrize("preset", ["progressive", "paper", "latent", "latent-paper"])
def test_other_presets_have_no_efforts(preset: str) -> None:
    with pytest.raises(psc.PscError, match=f"'{preset}' has no efforts"):
        psc.settings(50, preset, effort=3)
    if "latent" not in preset:
        with pytest.raises(psc.PscError, match="has no efforts"):
            psc.encode(ARRAY, preset=preset, effort=3, prior=PRIOR)
