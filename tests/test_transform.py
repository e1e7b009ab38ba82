"""The pyramid, its windows and the next rows."""

from functools import partial

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from psc.exact import haar, to_grid
from psc.plan.plan import FULL_BASIS, Level, Plan, Round
from psc.posterior import projected
from psc.transform import Pyramid, Windows, propose
from psc.transform import pyramid as pyramid_module
from psc.transform.fixed_basis import FixedBasis, dct_rows
from psc.transform.full_basis import complementary

PLAN = Plan((Level(1, 8, 6), Level(2, 4, 6), Level(8, 2, 6)), (Round(2, 3, 4),))
WHOLE = Plan((Level(1, 0, 6),), (Round(0, 3, 4),), paper=True)


def pictures(count: int, channels: int, height: int, width: int, seed: int = 0) -> torch.Tensor:
    rng = np.random.default_rng(seed)
    return to_grid(torch.from_numpy(rng.uniform(-1, 1, (count, channels, height, width)))).float()


@given(st.sampled_from([1, 3]), st.integers(1, 3), st.integers(1, 3), st.integers(0, 2))
@settings(max_examples=20, deadline=None)
def test_coefficients_are_orthonormal_and_invertible(channels: int, rows: int, columns: int, k: int) -> None:
    pyramid = Pyramid(PLAN, channels, 16 * rows, 16 * columns)
    scale = PLAN.levels[k].scale
    x = pictures(2, channels, 16 * rows // scale, 16 * columns // scale)
    parts = pyramid.coefficients(k, x)
    assert [p.shape[1:] for p in parts] == [w.rows.shape[::2] for w in pyramid.levels[k:]]
    assert (pyramid.pixels(k, parts) - x).abs().max() < 1e-4
    energy = sum(float((p**2).sum()) for p in parts)
    assert abs(energy / float((x.double() * scale).square().sum()) - 1) < 1e-5


def test_a_constant_picture_lives_in_the_coarsest_level() -> None:
    pyramid = Pyramid(PLAN, 3, 16, 32)
    fine, middle, coarse = pyramid.coefficients(0, torch.full((1, 3, 16, 32), 0.5))
    assert not fine.any()
    assert not middle.any()
    assert torch.equal(coarse, torch.full_like(coarse, 4.0))  # 8 x 0.5: a mean counts with its block's side


def test_windows_are_local() -> None:
    pyramid = Pyramid(PLAN, 1, 16, 32)
    x = torch.zeros(1, 1, 16, 32)
    x[0, 0, 9, 17] = 1.0  # second row of 8 x 8 windows, third column
    changed = pyramid.coefficients(0, x)[0][0].abs().sum(1).nonzero().flatten()
    assert changed.tolist() == [4 + 2]


@given(st.integers(0, 2**32), st.booleans())
@settings(max_examples=15, deadline=None)
def test_rows_are_orthonormal_however_many_rounds(seed: int, whole: bool) -> None:
    pyramid = Pyramid(WHOLE if whole else PLAN, 3, 16, 16)
    k = len(pyramid.levels) - 1
    windows = pyramid.levels[k]
    for i in range(5):
        x = pictures(6, 3, *pyramid.shape(k), seed=seed + i)
        proposal = propose(pyramid, k, [x], 3)
        assert proposal.rows is not None
        windows.append(proposal.rows, proposal.predicted, torch.ones_like(proposal.predicted) > 0)
    rows = windows.rows.double()
    gram = rows @ rows.transpose(1, 2)
    alive = torch.diagonal(gram, dim1=1, dim2=2) > 0.5  # a 12-dimensional window is full after four rounds
    eye = torch.diag_embed(alive.double())
    assert (gram - eye).abs().max() < 1e-5
    assert alive.sum(1).min() >= min(15, rows.shape[2])


def test_first_row_is_the_leading_principal_component() -> None:
    pyramid = Pyramid(PLAN, 1, 16, 16)
    x = pictures(6, 1, 16, 16)
    proposal = propose(pyramid, 0, [x], 3)
    f = pyramid.coefficients(0, x)[0].double()
    for n in range(4):
        centred = f[:, n] - f[:, n].mean(0)
        _, s, v = torch.linalg.svd(centred, full_matrices=False)
        assert proposal.rows is not None
        assert ((proposal.rows[n].double() * v[:3]).sum(1).abs() > 1 - 1e-6).all()
        assert torch.allclose(proposal.variance[n], s[:3] ** 2 / 5, rtol=1e-2)


def test_estimates_count_as_samples_about_their_own_means() -> None:
    """Two of each of four particles, against NumPy; the last ones' mean predicts."""
    pyramid = Pyramid(PLAN, 3, 16, 16)
    estimates = [pictures(4, 3, 16, 16, seed) + seed for seed in (0, 1)]
    proposal = propose(pyramid, 0, estimates, 5)
    whole = propose(pyramid, 0, estimates, FULL_BASIS)
    f = torch.stack([pyramid.coefficients(0, x)[0] for x in estimates]).double()
    basis = pyramid.levels[0].fixed.analyse(f).numpy()
    deviations, left = (f - f.mean(1, keepdim=True)).flatten(0, 1).numpy(), 0.0
    assert proposal.rows is not None
    for n, rows in enumerate(proposal.rows.double().numpy()):
        _, s, v = np.linalg.svd(deviations[:, n], full_matrices=False)
        assert np.allclose(rows @ rows.T, np.eye(5), atol=1e-5)
        assert np.linalg.svd(rows @ v[:5].T)[1].min() > 1 - 1e-6
        assert np.allclose(proposal.predicted[n], rows @ f[1, :, n].mean(0).numpy(), atol=1e-3)
        assert np.allclose(proposal.variance[n], s[:5] ** 2 / 6, rtol=1e-2)
        left = max(left, s[5] ** 2 / 6)
    assert abs(float(proposal.unmeasured.max()) / left - 1) < 1e-3
    assert (whole.unmeasured == 0).all()
    assert np.allclose(whole.predicted, basis[1].mean(0), atol=1e-3)
    pooled = ((basis - basis.mean(1, keepdims=True)) ** 2).sum((0, 1)) / 6
    assert np.allclose(whole.variance, pooled, rtol=1e-2, atol=1e-2)


@given(st.integers(0, 2**32), st.booleans())
@settings(max_examples=15, deadline=None)
def test_agreeing_is_a_projection(seed: int, full: bool) -> None:
    rng = np.random.default_rng(seed)
    windows = Windows(3, 24, FixedBasis(3))
    rows = np.linalg.qr(rng.normal(size=(3, 24, 7)))[0].transpose(0, 2, 1)
    rows = to_grid(torch.from_numpy(rows.copy()), 20)
    truth = to_grid(torch.from_numpy(rng.normal(size=(1, 3, 24))))
    windows.append(rows.float(), to_grid(torch.einsum("nkd,bnd->bnk", rows, truth))[0], torch.ones(3, 7) > 0)
    if full:
        basis = windows.full_basis()
        windows.complete(basis, basis.analyse(truth)[0], torch.from_numpy(rng.random((3, 24)) < 0.5))
    guess = to_grid(torch.from_numpy(rng.normal(size=(4, 3, 24))))
    moved = windows.project(guess)
    assert ((moved - truth).norm(dim=2) <= (guess - truth).norm(dim=2) + 1e-3).all()
    assert (windows.project(moved) - moved).abs().max() < 1e-3
    assert (torch.einsum("nkd,bnd->bnk", rows, moved - truth)).abs().max() < 1e-3


@given(st.integers(0, 2**32), st.integers(0, 8), st.booleans())
@settings(max_examples=15, deadline=None)
def test_a_full_basis_is_orthonormal_and_has_the_rows_as_pivots(seed: int, k: int, dct: bool) -> None:
    rng, d = np.random.default_rng(seed), 180
    rows = np.linalg.qr(rng.normal(size=(2, d, 8)))[0].transpose(0, 2, 1)[:, :k]
    exact = to_grid(torch.from_numpy(rows.copy()), 20)
    known = torch.from_numpy(rng.random((2, k)) < 0.8)
    basis = complementary(FixedBasis(3, dct), exact.float(), known)
    f = to_grid(torch.from_numpy(rng.normal(size=(3, 2, d))))
    c = basis.analyse(f)
    assert (basis.synthesise(c) - f).abs().max() < 1e-3
    assert ((c * c).sum(2) - (f * f).sum(2)).abs().max() < 1e-2
    for n, i in np.argwhere(known.numpy()):
        assert np.allclose(c[:, n, basis.pivots[n, i]], basis.signs[n, i] * f[:, n] @ exact[n, i], atol=1e-3)
    rest = [len(set(range(d)) - set(p.tolist())) for p in basis.pivots]
    assert rest == [d - int(count) for count in known.sum(1)]


def test_without_rows_a_full_basis_is_the_fixed_one() -> None:
    windows, f = Windows(2, 180, FixedBasis(3, dct=True)), pictures(2, 1, 2, 180)[:, 0].double()
    assert torch.equal(windows.full_basis().analyse(f), windows.fixed.analyse(f))


def test_a_row_that_is_a_vector_of_the_fixed_basis_leaves_the_others_alone() -> None:
    f = pictures(1, 1, 1, 24)[0].double()
    basis = complementary(FixedBasis(1), torch.eye(24)[None, 5:6], torch.ones(1, 1) > 0)
    others = [i for i in range(24) if i != 5]
    assert basis.pivots.tolist() == [[5]]
    assert torch.equal(basis.analyse(f)[..., others], to_grid(f)[..., others])


def test_the_highest_frequency_is_a_dcts() -> None:
    """It has nearly no means, so that little is taken off it."""
    rows = dct_rows()
    assert torch.allclose(rows @ rows.T, torch.eye(60).double(), atol=1e-5)
    one = np.cos((2 * np.arange(8)[None] + 1) * np.arange(8)[:, None] * np.pi / 16)
    plane = torch.from_numpy(np.outer(one[7], one[7]) / 4)
    _, details = haar.analyse(plane[None, None], 2)
    highest = torch.cat([band[0, 0].flatten() for band in details])
    assert abs(float(rows[-1] @ highest)) > 0.98


def test_bands_do_not_matter(monkeypatch) -> None:
    x = pictures(6, 3, 64, 32)
    outcomes = []
    for limit in (2**21, 1):
        monkeypatch.setattr(pyramid_module, "BAND", limit)
        pyramid = Pyramid(PLAN, 3, 64, 32)
        for rows in (3, FULL_BASIS):
            proposal = propose(pyramid, 0, [x], rows)
            windows, found = pyramid.levels[0], (proposal.predicted, proposal.variance > 0)
            if proposal.rows is None:
                windows.complete(windows.full_basis(), *found)
            else:
                windows.append(proposal.rows, *found)
        agreed = projected(partial(pyramid.projections, 0), x[:2])
        outcomes.append((agreed, proposal.digest(0), pyramid.decompose(x)[1]))
    assert torch.equal(outcomes[0][0], outcomes[1][0])
    assert outcomes[0][1] == outcomes[1][1]
    assert torch.equal(outcomes[0][2], outcomes[1][2])
