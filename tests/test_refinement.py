"""Refinement: cells are halved, both sides agree, and what is cut from such a file loses less."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

import psc
from psc.bitstream.header import unpack
from psc.bitstream.quantizer import UniformCoding
from psc.bitstream.rangecoder import Reader, Writer
from psc.bitstream.refinement import Cells, Refinement
from psc.images.picture import Picture
from psc.images.pixels import psnr, to_image, to_tensor
from psc.plan.plan import FULL_BASIS, Plan, Round, Settings
from psc.prior import HaarGaussian
from psc.session.context import Context
from psc.session.encoder import Encoder
from psc.session.restore import restore
from tests.conftest import SMALL, texture

PRIOR = HaarGaussian(low=1.5, detail=(0.1, 0.25, 0.5))
HALVES = tuple(Round(level, FULL_BASIS, 0) for level in (1, 0))
REFINED = Plan(SMALL.levels, (*SMALL.rounds, *HALVES, *HALVES))
ARRAY = texture(24, 24)
WHOLE = psc.encode_with(ARRAY, Settings(REFINED, len(REFINED.rounds), 120, 3), prior=PRIOR)


@given(st.integers(0, 2**32 - 1))
@hypothesis_settings(max_examples=20, deadline=None)
def test_moves_are_read_as_they_were_written_and_errors_are_halved(seed: int) -> None:
    rng = np.random.default_rng(seed)
    coding = UniformCoding(100)
    coding.lambda_ = 0.0
    width = np.full((5, 1), coding.step) * rng.choice([1, 2], (5, 1))
    cells = Cells(rng.integers(-8, 30, (5, 40)), rng.random((5, 40)) < 0.7, width, 1)
    cells = Cells(cells.contexts, cells.zero | (cells.contexts < 0), width, 1)
    residual = rng.uniform(-0.5, 0.5, (5, 40)) * width
    writer = Writer()
    moves, finer = Refinement().code(writer, coding, cells, residual)
    left = np.abs(residual - moves)
    assert finer is not None
    assert (finer.width == width / 2).all()
    left = left / width
    assert left[finer.contexts >= 0].max() <= 1 / 4
    assert left[cells.zero & (cells.contexts >= 0)].max() <= 3 / 16
    assert (moves[finer.contexts < 0] == 0).all()
    found, _ = Refinement().code(Reader(writer.finish()), UniformCoding(100), cells, None)
    assert np.array_equal(found, moves)


def test_every_length_of_a_refined_file_decodes() -> None:
    best, least = np.inf, len(WHOLE) - len(unpack(WHOLE)[1]) + 2
    for size in (*range(least, len(WHOLE), 3), len(WHOLE)):
        found = psc.decode_details(psc.truncate(WHOLE, size=size), prior=PRIOR)
        error = np.mean((np.asarray(found.image, dtype=float) - ARRAY) ** 2)
        assert error < 1.5 * best
        best = min(best, error)
    assert found.rounds == len(REFINED.rounds)


def test_refinements_draw_nothing_and_come_near_to_the_finer_step() -> None:
    image = to_image(to_tensor(ARRAY))
    found = {}
    for plan, step in ((SMALL, 120), (SMALL, 88), (REFINED, 120)):
        side = Encoder(Picture(to_tensor(ARRAY)), Settings(plan, len(plan.rounds), step), Context(PRIOR))
        side.session.run(len(plan.rounds))
        picture = to_image(restore(side.session)[:, :24, :24])
        assert side.session.nfe < 1.6 * plan.nfe(len(plan.rounds))  # with the restoration
        found[plan is REFINED, step] = psnr(picture, image)
        decoded = psc.decode(side.file(), prior=PRIOR)
        assert np.array_equal(np.asarray(decoded), np.asarray(picture))
    assert REFINED.nfe(len(REFINED.rounds)) == SMALL.nfe(len(SMALL.rounds))
    assert found[False, 120] + 5 < found[True, 120]
    assert abs(found[True, 120] - found[False, 88]) < 1.5


def test_half_a_progressive_file_is_better_than_half_a_default_one() -> None:
    """And a third of one is much better."""
    array, found = texture(64, 64), {}
    for preset in ("default", "progressive"):
        data = psc.encode(array, quality=75, preset=preset, prior=PRIOR)
        for size in (700, 1000):
            part = psc.truncate(data, size=size)
            found[preset, size] = psnr(psc.decode(part, prior=PRIOR), to_image(to_tensor(array)))
    assert found["progressive", 1000] > found["default", 1000]
    assert found["progressive", 700] > found["default", 700] + 0.7


@pytest.mark.parametrize(
    "rounds",
    [
        (*HALVES, *SMALL.rounds),
        (*SMALL.rounds[:3], *HALVES),
        (*SMALL.rounds, Round(0, 4, 0)),
        (*SMALL.rounds[:3], HALVES[0], *SMALL.rounds[3:]),
    ],
)
def test_what_cannot_be_refined_is_refused(rounds: tuple[Round, ...]) -> None:
    with pytest.raises(psc.PscError, match="not a valid plan"):
        Plan(SMALL.levels, rounds)
