"""The pipeline that made the prior, on pictures and networks that take seconds."""

import argparse
import copy
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from training.data import SCALES, Patches, block_means
from training.initial import start_from
from training.integers import Quantised, calibrate, exported
from training.network import Net, sigmas
from training.optimiser import orthogonalised
from training.run import Run, draw_levels

from psc.errors import PscError
from psc.levels import HIGHEST, LOWEST
from psc.prior.convolution import KERNELS
from psc.prior.network import Network, Shape
from tests.conftest import texture

SHAPE = Shape(2, (8, 12), (1, 1), (1,))


@pytest.fixture(scope="module")
def patches() -> Patches:
    return Patches([texture(300, 310, seed=s) for s in range(3)], 8 * 64 * 64, seed=0)


def filled(shape: Shape = SHAPE) -> Net:
    """A network whose every weight matters."""
    torch.manual_seed(0)
    net = Net(shape)
    for p in net.parameters():
        if p.ndim == 4:
            torch.nn.init.normal_(p, std=0.5 / p[0].numel() ** 0.5)
    return net


def test_block_means_are_means() -> None:
    photo = texture(40, 50)
    means = block_means(photo, 4)
    assert means.shape == (19, 24, 3)
    assert np.abs(means[3, 5] - photo[6:10, 10:14].mean((0, 1))).max() <= 0.5


def test_batches_depend_on_the_step_alone(patches: Patches) -> None:
    kinds = set()
    for step in range(40):
        block, x = patches.batch(step)
        again = patches.batch(step)
        assert block == again[0]
        assert torch.equal(x, again[1])
        assert x.abs().max() <= 1
        assert x.shape[0] * x.shape[2] * x.shape[3] == 8 * 64 * 64
        kinds.add(block)
    assert kinds <= {s.block for s in SCALES}
    assert len(kinds) >= 4
    assert not torch.equal(patches.batch(0)[1], patches.batch(10**6)[1])


def test_all_levels_are_drawn() -> None:
    levels = draw_levels(20000, torch.Generator().manual_seed(0))
    assert set(levels.tolist()) == set(range(LOWEST, HIGHEST + 1))


def test_muons_updates_are_orthogonal() -> None:
    for shape in ((6, 40), (40, 6)):
        matrix = orthogonalised(torch.randn(shape, generator=torch.Generator().manual_seed(0)))
        values = torch.linalg.svdvals(matrix)
        assert 0.6 < values.min() <= values.max() < 1.3


def test_new_blocks_change_nothing_at_first(tmp_path: Path) -> None:
    old = filled()
    torch.save({"average": old.state_dict()}, tmp_path / "checkpoint.pt")
    new = Net(Shape(2, (8, 12), (1, 3), (2,)))
    start_from(new, tmp_path / "checkpoint.pt")
    x, level, scale = torch.randn(2, 3, 16, 16), torch.tensor([40, 90]), torch.tensor([0, 3])
    assert torch.allclose(old(x, level, scale), new(x, level, scale), atol=1e-5)


@pytest.mark.parametrize("kernel", KERNELS)
def test_the_integers_compute_what_was_trained(patches: Patches, kernel: str) -> None:
    """Exported and evaluated by psc, against the network with rounding, against the network without."""
    plain = filled().eval()
    rounding = copy.deepcopy(plain)
    calibrate(rounding, patches, 6)
    try:
        network = Network(exported(rounding), torch.device("cpu"), kernel)
    except PscError:  # this processor has no exact one
        pytest.skip(f"no {kernel} here")
    for j, index, scale in ((34, 0, 1), (60, 2, 4), (100, 4, 16)):
        x = patches.batch(7)[1][:4, :, :16, :16]
        level, where = torch.full((4,), j), torch.full((4,), index)
        x = x + sigmas(level) * torch.randn(x.shape, generator=torch.Generator().manual_seed(j))
        with torch.no_grad():
            found, same, real = network(x, j, scale), rounding(x, level, where), plain(x, level, where)
        moved = (real - x).square().mean().sqrt()
        assert (found - same).square().mean().sqrt() < 0.003 * moved  # a rounding may go the other way
        assert (found - real).square().mean().sqrt() < 0.03 * moved
        assert not torch.equal(same, real)


def test_gradients_pass_through_the_rounding(patches: Patches) -> None:
    net = filled()
    calibrate(net, patches, 3)
    level = torch.full((2,), 60)
    net(torch.randn(2, 3, 16, 16), level, torch.zeros_like(level)).square().mean().backward()
    for module in net.modules():
        if isinstance(module, Quantised):
            assert module.weight.grad is not None
            assert module.weight.grad.abs().max() > 0


def test_a_run_resumes_where_it_stopped(patches: Patches, tmp_path: Path) -> None:
    (tmp_path / "val").mkdir()
    Image.fromarray(texture(256, 384)).save(tmp_path / "val" / "a.png")

    def run(out: str) -> Run:
        options = {"out": tmp_path / out, "data": tmp_path, "steps": 6, "rate": 1e-3, "seed": 0,
                   "device": "cpu", "log": 3, "validate": 3}  # fmt: skip
        return Run(filled(), argparse.Namespace(**options))

    whole = run("whole")
    for _ in range(6):
        whole.advance(patches)
    first = run("parts")
    for _ in range(3):
        first.advance(patches)
    second = run("parts")
    assert second.step == 3
    for _ in range(3):
        second.advance(patches)
    for a, b in zip(whole.average.parameters(), second.average.parameters(), strict=True):
        assert torch.equal(a, b)
    lines = (tmp_path / "whole" / "log.jsonl").read_text().splitlines()
    assert len(lines) == 4
    assert '"val"' in lines[-1]
