"""Encoder and decoder rebuild the same state, and the picture comes back as well as it should."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from PIL import Image

import psc
from psc.bitstream.header import unpack
from psc.bitstream.quantizer import LAMBDA
from psc.bitstream.rangecoder import Reader, Writer
from psc.images.picture import Picture
from psc.images.pixels import to_tensor
from psc.plan.plan import FULL_BASIS, Plan, Round, Settings
from psc.posterior import grouping
from psc.prior import HaarGaussian
from psc.session.context import Context
from psc.session.encoder import Encoder
from psc.session.progress import Progress
from psc.session.restore import restore
from psc.session.session import Session
from psc.session.setup import open_session
from psc.transform import pyramid, sensing
from tests.conftest import ESTIMATES, SMALL, SMALL_PAPER, texture
from tests.headers import header_of

REFINED = Plan(SMALL.levels, (*SMALL.rounds, *(Round(level, FULL_BASIS, 0) for level in (1, 0))))


def psnr(a: object, b: object) -> float:
    error = np.asarray(a, dtype=float) - np.asarray(b, dtype=float)
    return float(10 * np.log10(255**2 / max(np.mean(error**2), 1e-9)))


def states(session: Session, rounds: int) -> list[list[torch.Tensor]]:
    """All that a session knows after every round."""
    out = []
    for _ in range(rounds):
        assert session.step()
        assert session.particles.values is not None
        windows = session.pyramid.levels
        known = [t.clone() for w in windows for t in (w.rows, w.values)]
        known += [t.clone() for w in windows if w.full for t in (w.full.values, w.full.trust)]
        out.append([session.particles.values.clone(), *known])
    return out


@pytest.mark.parametrize("plan", [SMALL, ESTIMATES, SMALL_PAPER], ids=["pyramid", "estimates", "paper"])
def test_both_sides_hold_the_same_state_after_every_round(
    plan: psc.Plan, gaussian_prior: HaarGaussian
) -> None:
    picture = to_tensor(texture(32, 32))
    rounds = len(plan.rounds)
    header = header_of(32, 32, False, plan, rounds, 100, 7, gaussian_prior.fingerprint[:4], True)
    writer = Writer()
    ours = states(open_session(header, Context(gaussian_prior), writer, picture), rounds)
    reader = Reader(writer.finish())
    theirs = states(open_session(header, Context(gaussian_prior), reader), rounds)
    for a, b in zip(ours, theirs, strict=True):
        assert len(a) == len(b)
        assert all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


@given(st.integers(1, 70), st.integers(1, 70), st.sampled_from([1, 3]), st.integers(60, 150))
@hypothesis_settings(max_examples=12, deadline=None)
def test_any_size_comes_back(height: int, width: int, channels: int, step: int) -> None:
    prior = HaarGaussian()
    array = texture(height, width, channels)
    data, simulated = psc.simulate(array, Settings(SMALL, 4, step, 1), prior=prior)
    decoded = psc.decode(data, prior=prior)
    assert decoded.mode == ("L" if channels == 1 else "RGB")
    assert decoded.size == (width, height)
    assert np.array_equal(np.asarray(decoded), np.asarray(simulated.image))


@pytest.mark.parametrize("channels", [1, 3])
def test_a_full_basis_leaves_only_the_quantisers_error(channels: int, gaussian_prior: HaarGaussian) -> None:
    array = texture(48, 48, channels)
    data = psc.encode_with(array, Settings(SMALL, 5, 48, 0), prior=gaussian_prior)  # Delta = 1/32
    # A uniform error of width Delta in every coefficient is 46.9 dB; rounding to 8 bits costs some of it.
    assert psnr(psc.decode(data, prior=gaussian_prior), array) > 45


def test_more_quality_is_more_bytes_and_a_better_picture(gaussian_prior: HaarGaussian) -> None:
    array = texture(64, 64)
    files = [psc.encode(array, quality=q, prior=gaussian_prior) for q in (0, 20, 39, 41, 71, 73, 100)]
    sizes = [len(f) for f in files]
    assert sizes == sorted(sizes)
    quality = [psnr(psc.decode(f, prior=gaussian_prior), array) for f in (files[0], files[2], files[-1])]
    assert quality == sorted(quality)


def test_the_seed_changes_the_rows_not_the_promise(
    picture: Image.Image, gaussian_prior: HaarGaussian
) -> None:
    files = [
        psc.encode_with(picture, Settings(SMALL, 5, 96, s), prior=gaussian_prior) for s in (0, 2**64 - 1)
    ]
    assert files[0] != files[1]
    for data in files:
        assert psnr(psc.decode(data, prior=gaussian_prior), picture) > 25


@pytest.mark.parametrize("plan", [SMALL, ESTIMATES], ids=["samples", "estimates"])
def test_neither_threads_nor_groups_nor_bands_change_the_bytes(
    picture: Image.Image, gaussian_prior: HaarGaussian, monkeypatch: pytest.MonkeyPatch, plan: psc.Plan
) -> None:
    small = Settings(plan, len(plan.rounds), 96, 3)
    files = [psc.encode_with(picture, small, prior=gaussian_prior)]
    torch.set_num_threads(2)
    files.append(psc.encode_with(picture, small, prior=gaussian_prior))
    monkeypatch.setattr(grouping, "LARGEST", 1)
    monkeypatch.setattr(pyramid, "BAND", 1)
    monkeypatch.setattr(sensing, "WINDOWS_AT_ONCE", 3)
    files.append(psc.encode_with(picture, small, prior=gaussian_prior))
    assert files[0] == files[1] == files[2]


def test_restorations_differ_as_they_should(
    picture: Image.Image, small: Settings, gaussian_prior: HaarGaussian
) -> None:
    data = psc.encode_with(picture, Settings(SMALL, 4, 120, 0), prior=gaussian_prior)
    by_way = {
        how: psc.decode_details(data, restoration=how, prior=gaussian_prior)
        for how in ("mean", "sample", "preview")
    }
    assert by_way["preview"].nfe[1] == 0
    assert 0 < by_way["sample"].nfe[1] < by_way["mean"].nfe[1]
    assert psnr(by_way["mean"].image, picture) > psnr(by_way["sample"].image, picture)


def test_nfe_counts_full_resolution_equivalents(picture: Image.Image, gaussian_prior: HaarGaussian) -> None:
    _, decoded = psc.simulate(picture, Settings(SMALL, 4, 120, 0), prior=gaussian_prior)
    coarse, fine = (6 + 4 + 4) * 6 / 16, 6 * 6
    assert decoded.nfe[0] == pytest.approx(coarse + fine)


def test_overhead_is_at_most_40_bytes() -> None:
    """Header and digests of the longest default file of a large picture."""
    chosen = psc.settings(100)
    header = header_of(
        4000, 3000, False, chosen.plan, chosen.rounds, chosen.step_index, 0, b"1234", True, 2**21 - 1
    )
    assert len(header.pack()) + chosen.rounds * 4 / 8 <= 40
    assert unpack(header.pack())[0] == header


def test_a_restoration_needs_a_known_name(
    gaussian_prior: HaarGaussian, small: Settings, picture: Image.Image
) -> None:
    data = psc.encode_with(picture, small, prior=gaussian_prior)
    with pytest.raises(psc.PscError, match="choose one of: preview, mean, ddrm, pigdm, sample"):
        psc.decode(data, restoration="best", prior=gaussian_prior)


def test_restore_of_nothing_is_a_guess(gaussian_prior: HaarGaussian) -> None:
    header = header_of(16, 16, False, SMALL, 1, 100, 0, gaussian_prior.fingerprint[:4], True)
    session = open_session(header, Context(gaussian_prior), Reader(b"", cut=True))
    assert restore(session, "preview").shape == (3, 16, 16)


@pytest.mark.parametrize(
    "plan", [SMALL, ESTIMATES, REFINED, SMALL_PAPER], ids=["pyramid", "estimates", "refined", "paper"]
)
@pytest.mark.parametrize("left", [0, 1])
def test_a_round_is_chosen_again(plan: psc.Plan, gaussian_prior: HaarGaussian, left: int) -> None:
    """The last round, or the one before it ere that is begun: the same file at the same multiplier, and a
    sound one at another."""
    chosen = Settings(plan, len(plan.rounds), 100, 7)
    files, digests = [], []
    for multipliers in ([], [8 * LAMBDA], [8 * LAMBDA, LAMBDA]):
        side = Encoder(Picture(to_tensor(texture(32, 40))), chosen, Context(gaussian_prior))
        while side.missing > left:
            side.step()
        for lambda_ in multipliers:
            side.step_again(lambda_)
        while side.missing:
            side.step()
        files.append(side.file())
        digests.append(side.session.digest)
        found = psc.verify(files[-1], prior=gaussian_prior)
        assert found.ok
        assert found.rounds[-1].digest == f"{side.session.digest:08x}"
    assert (files[0], digests[0]) == (files[2], digests[2])
    assert (files[0] == files[1]) == plan.paper


@pytest.mark.parametrize("where", ["here", "there"])
def test_what_is_raised_on_one_thread_ends_all(
    picture: Image.Image, small: Settings, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    """An interruption in the progress callback, or an error in the prior's second group."""
    torch.set_num_threads(2)
    monkeypatch.setattr(grouping, "LARGEST", 1)
    evaluations = 0

    class Faulty(HaarGaussian):
        def denoise(self, x: torch.Tensor, sigma: float, scale: int = 1) -> torch.Tensor:
            nonlocal evaluations
            evaluations += 1
            if where == "there" and evaluations == 7:
                raise psc.PscError("the seventh")
            return super().denoise(x, sigma, scale)

    def interrupt(progress: Progress) -> None:
        if where == "here" and progress.nfe > 0:
            raise KeyboardInterrupt

    with pytest.raises(psc.PscError if where == "there" else KeyboardInterrupt, match="seventh|^$"):
        psc.encode_with(picture, small, prior=Faulty(), progress=interrupt)
    assert evaluations < 20
    assert torch.get_num_threads() == 2
