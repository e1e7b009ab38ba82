"""The decoder's choices on one file: what they promise, and that they leave the file's meaning alone."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch

import psc
from psc.bitstream.rangecoder import Writer
from psc.images import uncertainty
from psc.images.pixels import to_tensor
from psc.plan.plan import Settings
from psc.prior import HaarGaussian
from psc.session.context import Context
from psc.session.restore import (
    CARRIED,
    MAX_STEPS,
    SINGLE,
    evaluations,
    mean_and_deviation,
    restore,
    variations,
)
from psc.session.session import Session
from psc.session.setup import open_session
from tests.conftest import SMALL, SMALL_PAPER, texture
from tests.headers import header_of

PRIOR = HaarGaussian(low=1.5, detail=(0.1, 0.25, 0.5))
WAYS = ("preview", "mean", "ddrm", "pigdm", "sample")
DENSE = len(SMALL.rounds)
"""Rounds up to the full basis at full size; one less ends with principal components there."""


def session(rounds: int = DENSE - 1, plan: psc.Plan = SMALL, channels: int = 3) -> Session:
    picture = to_tensor(texture(32, 48, channels))
    header = header_of(48, 32, channels == 1, plan, rounds, 100, 7, PRIOR.fingerprint[:4], True)
    opened = open_session(header, Context(PRIOR), Writer(), picture)
    opened.run(rounds)
    return opened


@pytest.fixture(scope="module")
def data() -> bytes:
    return psc.encode_with(texture(40, 30), Settings(SMALL, DENSE - 1, 110, 2), prior=PRIOR)


def psnr(a: object, b: object) -> float:
    error = np.asarray(a, dtype=float) - np.asarray(b, dtype=float)
    return float(10 * np.log10(255**2 / np.mean(error**2)))


@pytest.mark.parametrize("rounds", [2, DENSE - 1, DENSE], ids=["coarse", "fine", "full basis"])
@pytest.mark.parametrize("channels", [1, 3])
def test_restorations_neither_change_the_session_nor_each_other(rounds: int, channels: int) -> None:
    """In any order, and with rounds to come: the encoder could go on."""
    whole, broken = session(DENSE, channels=channels), session(rounds, channels=channels)
    pictures = {way: restore(broken, way) for way in WAYS}
    assert all(torch.equal(restore(broken, way), pictures[way]) for way in reversed(WAYS))
    assert all(p.shape == (channels, 32, 48) and bool(p.isfinite().all()) for p in pictures.values())
    broken.run(DENSE)
    assert broken.digest == whole.digest


def test_each_restoration_takes_the_evaluations_that_it_says() -> None:
    some = session()
    usual = {"preview": 0, "mean": 10} | {name: steps for name, (_, _, steps) in SINGLE.items()}
    for way in WAYS:
        before = some.nfe
        restore(some, way)
        assert some.nfe - before == usual[way] == evaluations(some, way)
    for way in WAYS[1:]:
        before = some.nfe
        restore(some, way, steps=3)
        assert some.nfe - before == (6 if way == "mean" else 3)


@pytest.mark.parametrize("rounds", [2, DENSE], ids=["coarse", "full basis"])
def test_steps_also_count_where_none_or_fresh_ones_are_usual(rounds: int) -> None:
    some = session(rounds)
    before = some.nfe
    picture = restore(some, "sample", steps=5)
    assert some.nfe - before == 5
    assert not torch.equal(picture, restore(some, "sample"))


def test_a_mean_of_coarse_particles_takes_all_of_them() -> None:
    some = session(2)
    before = some.nfe
    restore(some, "mean", steps=3)
    assert some.nfe - before == 3 * SMALL.levels[0].samples
    assert evaluations(some, "mean") == SMALL.fresh_steps * SMALL.levels[0].samples


def test_the_paper_plan_restores_from_noise_in_any_number_of_steps() -> None:
    some = session(3, SMALL_PAPER)
    before = some.nfe
    restore(some, "mean", steps=4)
    assert some.nfe - before == 4 * SMALL_PAPER.levels[0].samples


def test_samples_agree_with_what_was_measured() -> None:
    """All but PiGDM's exactly, since they are projected last; PiGDM's within about the quantiser's noise."""
    some = session(2)
    numbers = sum(int(w.rows.any(2).sum()) for w in some.pyramid.levels)
    noise = some._coder.coding.step / 12**0.5 * numbers**0.5
    for way, limit in (("mean", 0.001), ("sample", 0.001), ("ddrm", 0.001), ("pigdm", 1.5)):
        x = restore(some, way)[None]
        assert (some.projected(0, x) - x).norm() < limit * noise


def test_the_deviation_is_that_of_the_samples() -> None:
    some = session()
    picture, deviation = mean_and_deviation(some)
    assert torch.equal(picture, restore(some, "mean"))
    samples = some.projected(0, some.sample(0, replace(CARRIED, count=None))).double()
    assert len(samples) == SMALL.levels[0].samples
    grey = 127.5 * (samples + 1)
    want = grey.sub(grey.mean(0)).square().sum(0).div(len(samples) - 1).mean(0).sqrt()
    assert deviation.shape == (32, 48)
    assert (deviation - want).abs().max() < 1e-3
    assert float(deviation.mean()) > 1


def test_the_deviation_shrinks_with_what_is_known() -> None:
    means = [float(mean_and_deviation(session(rounds))[1].mean()) for rounds in (1, 3, 4, DENSE)]
    assert means == sorted(means, reverse=True)
    assert means[0] > 2.2 * means[-1]


@pytest.mark.parametrize("way", ["sample", "ddrm", "pigdm"])
def test_variations_differ_and_the_first_is_the_restoration(way: str) -> None:
    some = session()
    pictures = list(variations(some, SMALL.levels[0].samples + 2, way, 4))
    assert torch.equal(pictures[0], restore(some, way, 4))
    distances = [float((a - b).square().mean().sqrt()) for a, b in itertools.combinations(pictures, 2)]
    assert min(distances) > 0.3 * max(distances) > 0
    again = list(variations(some, 2, way, 4))
    assert torch.equal(again[1], pictures[1])


def test_variations_of_a_dense_file_are_drawn() -> None:
    a, b = variations(session(DENSE), 2, "sample", None)
    assert not torch.equal(a, b)


def test_the_codec_hands_the_choices_on(data: bytes) -> None:
    usual = psc.decode(data, restoration="pigdm", prior=PRIOR)
    quick = psc.decode(data, restoration="pigdm", steps=5, prior=PRIOR)
    assert usual.size == quick.size == (30, 40)
    assert usual.tobytes() != quick.tobytes()
    plain = psc.decode_details(data, prior=PRIOR)
    with_map = psc.decode_details(data, uncertainty=True, prior=PRIOR)
    assert with_map.image.tobytes() == plain.image.tobytes()
    assert with_map.nfe == (plain.nfe[0], CARRIED.steps * SMALL.levels[0].samples)
    assert plain.deviation is None
    assert with_map.deviation is not None
    assert (with_map.deviation.shape, with_map.deviation.dtype) == ((40, 30), np.float32)
    sampled = psc.decode_details(data, restoration="sample", steps=4, uncertainty=True, prior=PRIOR)
    assert np.array_equal(sampled.deviation, with_map.deviation)
    assert sampled.nfe[1] == with_map.nfe[1] + 4


def test_the_codecs_variations(data: bytes) -> None:
    found = list(psc.variations(data, 3, prior=PRIOR))
    sample = psc.decode_details(data, restoration="sample", prior=PRIOR)
    assert found[0].image.tobytes() == sample.image.tobytes()
    assert found[0].nfe == sample.nfe == found[2].nfe
    assert len({f.image.tobytes() for f in found}) == 3
    part = list(psc.variations(data[:-9], 2, restoration="ddrm", allow_partial=True, prior=PRIOR))
    assert all("cut" in f.note and not f.complete for f in part)


def test_the_mean_is_closest_and_samples_are_farther(data: bytes) -> None:
    original = texture(40, 30)
    quality = {way: psnr(psc.decode(data, restoration=way, prior=PRIOR), original) for way in WAYS}
    assert quality["mean"] == max(quality.values())
    assert quality["pigdm"] < quality["mean"] - 0.5


@pytest.mark.parametrize("prior", ["embedded", 1, b"embedded"], ids=str)
def test_what_is_no_prior_is_refused(data: bytes, prior: object) -> None:
    for use in (psc.decode, psc.open, psc.encode):
        with pytest.raises(psc.PscError, match=r"a prior came as .*psc.load_prior"):
            use(texture(8, 8) if use is psc.encode else data, prior=prior)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"restoration": "best"}, "choose one of: preview, mean, ddrm, pigdm, sample"),
        ({"restoration": "preview", "steps": 4}, "evaluates nothing"),
        ({"restoration": "pigdm", "steps": 1}, f"1 steps asked for; expected 2 to {MAX_STEPS}"),
        ({"steps": MAX_STEPS + 1}, f"expected 2 to {MAX_STEPS}"),
        ({"steps": "4"}, "4 steps asked for; expected 2"),
        ({"steps": 4.5}, "4.5 steps asked for; expected 2"),
        ({"steps": True}, "True steps asked for; expected 2"),
    ],
)
def test_impossible_choices_are_refused_before_the_long_run(
    data: bytes, options: dict[str, object], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Session, "run", None)
    with pytest.raises(psc.PscError, match=words):
        psc.decode(data, prior=PRIOR, **options)


@pytest.mark.parametrize(
    ("count", "way", "words"),
    [(2, "mean", "single picture"), (2, "preview", "single picture"), (0, "sample", "expected 1 to")],
)
def test_impossible_variations_are_refused_at_once(data: bytes, count: int, way: str, words: str) -> None:
    with pytest.raises(psc.PscError, match=words):
        psc.variations(data, count, restoration=way, prior=PRIOR)


def test_pigdm_needs_a_derivative(data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    class Opaque:
        def __getattr__(self, name: str) -> object:
            if name == "pullback":
                raise AttributeError(name)
            return getattr(PRIOR, name)

    assert psc.decode(data, restoration="ddrm", prior=Opaque()).size == (30, 40)
    monkeypatch.setattr(Session, "run", None)
    with pytest.raises(psc.PscError, match="'gaussian' has none"):
        psc.decode(data, restoration="pigdm", prior=Opaque())


# The map


def test_the_map_shows_every_pixel_and_a_scale() -> None:
    deviation = np.zeros((50, 70), np.float32)
    deviation[:, 35:] = 10
    image = uncertainty.uncertainty_map(deviation)
    assert image.mode == "RGB"
    zoom = round(uncertainty.LEAST_SIDE / 70)
    left, right = (np.asarray(image)[uncertainty.MARGIN + 20, uncertainty.MARGIN + x] for x in (5, 60 * zoom))
    assert tuple(left) == uncertainty.STOPS[0]
    assert right.sum() > 600
    bar = (
        np.asarray(image)[:, uncertainty.MARGIN + 70 * zoom + uncertainty.GAP + uncertainty.BAR // 2]
        .astype(int)
        .sum(1)
    )
    inside = bar[uncertainty.MARGIN + 3 : -uncertainty.MARGIN - 3]
    assert inside[0] > 600 > 30 > inside[-1]
    assert image.width > 70 * zoom + uncertainty.BAR + 2 * uncertainty.MARGIN


@pytest.mark.parametrize(("top", "expected"), [(1, 6), (3.2, 7), (7, 8), (23.4, 5), (127.5, 7)])
def test_the_scale_has_round_numbers(top: float, expected: int) -> None:
    ticks = uncertainty._ticks(top)
    assert (ticks[0], len(ticks)) == (0, expected)
    assert ticks[-1] <= top < ticks[-1] + ticks[1]
