"""The pipeline that made the prior, on pictures and networks that take seconds."""

import argparse
import copy
import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from training import gpu, levels, pack, rounding, weights
from training.data import SCALES, Patches, block_means, read
from training.initial import floats, load, start_from
from training.integers import Quantised, calibrate, exported
from training.network import Convolution, Net, sigmas
from training.optimiser import optimisers
from training.priors import FloatPrior, prior
from training.resident import Resident
from training.run import DECAY, WARM_UP, Run

from psc.errors import PscError
from psc.plan.noise_levels import HIGHEST, LOWEST, sigma
from psc.prior.embedded.convolution import KERNELS
from psc.prior.embedded.network import Network, Shape
from psc.prior.embedded.prior import EmbeddedPrior
from tests.conftest import texture

SHAPE = Shape(2, (8, 12), (1, 1), (1,))
BLOCKS = sorted({s.block for s in SCALES})


@pytest.fixture(scope="module")
def patches() -> Patches:
    photos = [texture(520, 530, seed=s) for s in range(3)]
    return Patches({block: [block_means(p, block) for p in photos] for block in BLOCKS}, 8 * 64 * 64, seed=0)


def filled(shape: Shape = SHAPE) -> Net:
    """A network whose every weight matters."""
    torch.manual_seed(0)
    net = Net(shape)
    for module in net.modules():
        if isinstance(module, Convolution):
            torch.nn.init.normal_(module.weight, std=0.5 / module.weight.shape[1] ** 0.5)
    return net


def checkpoint(net: Net, file: Path) -> Path:
    """What training.run writes, as far as it is read from elsewhere."""
    torch.save({"shape": asdict(net.shape), "average": net.state_dict()}, file)
    return file


def moved(a: torch.Tensor, b: torch.Tensor) -> float:
    return float((a - b).detach().square().mean().sqrt())


def test_block_means_are_means() -> None:
    photo = texture(40, 50)
    means = block_means(photo, 4)
    assert means.shape == (19, 24, 3)
    assert np.abs(means[3, 5] - photo[6:10, 10:14].mean((0, 1))).max() <= 0.5
    assert block_means(photo, 41).size == 0


def test_noise_levels_of_tensors_are_the_formats() -> None:
    known = torch.tensor([sigma(j) for j in range(LOWEST, HIGHEST + 1)])
    assert torch.equal(sigmas(torch.arange(LOWEST, HIGHEST + 1)).flatten(), known)


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


@pytest.mark.parametrize("block", BLOCKS)
def test_all_levels_are_drawn_most_where_they_are_used(block: int) -> None:
    everything = set(range(LOWEST, HIGHEST + 1))
    plain = levels.everywhere(block, 20000, torch.Generator().manual_seed(0))
    aimed = levels.aimed(block, 20000, torch.Generator().manual_seed(0))
    assert set(plain.tolist()) == set(aimed.tolist()) == everything
    low, high = levels.RANGES[block]
    assert ((aimed >= low) & (aimed <= high)).float().mean() > 1 - levels.EVERYWHERE


@pytest.mark.parametrize("parts", [1, 2])
def test_every_weight_has_one_optimiser(parts: int) -> None:
    net = filled()
    made = optimisers(net, 1e-3, parts)
    taken = [id(p) for o in made for group in o.param_groups for p in group["params"]]
    assert sorted(taken) == sorted(map(id, net.parameters()))
    assert [type(o).__name__ for o in made] == ["Muon"] * parts + ["AdamW"]
    muons = {id(p) for o in made[:-1] for group in o.param_groups for p in group["params"]}
    assert id(net.enc[0][0].c1.weight) in muons
    assert id(net.inp.weight) not in muons


def test_without_muon_adamw_takes_all(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    monkeypatch.delattr(torch.optim, "Muon")
    (only,) = optimisers(filled(), 1e-3, 2)
    assert isinstance(only, torch.optim.AdamW)
    assert "no Muon" in capsys.readouterr().out


def test_new_blocks_change_nothing_at_first(tmp_path: Path) -> None:
    old = filled()
    new = Net(Shape(2, (8, 12), (1, 3), (2,)))
    start_from(new, checkpoint(old, tmp_path / "checkpoint.pt"))
    x, level, scale = torch.randn(2, 3, 16, 16), torch.tensor([40, 90]), torch.tensor([0, 3])
    assert torch.allclose(old(x, level, scale), new(x, level, scale), atol=1e-5)


def test_weights_go_to_files_in_parts_and_come_back(tmp_path: Path) -> None:
    net = filled()
    files = weights.write(net.state_dict(), SHAPE, tmp_path, "average", torch.float32, 100_000)
    assert len(files) > 2
    assert all(file.stat().st_size <= 100_000 for file in files)
    assert sorted(tmp_path.iterdir()) == files
    shape, found = load(tmp_path)
    assert shape == SHAPE
    assert found.keys() == net.state_dict().keys()
    assert all(torch.equal(found[name], value) for name, value in net.state_dict().items())
    files[1].unlink()
    with pytest.raises(SystemExit, match="not all"):
        load(tmp_path)


def test_floats_of_half_precision_are_nearly_the_same(tmp_path: Path) -> None:
    net, other = filled(), Net(SHAPE)
    (file,) = weights.write(net.state_dict(), SHAPE, tmp_path, "average", torch.float16)
    start_from(other, file)
    x, level, scale = torch.randn(2, 3, 16, 16), torch.tensor([40, 90]), torch.tensor([0, 3])
    assert 0 < moved(net(x, level, scale), other(x, level, scale)) < 2e-3


@pytest.mark.parametrize("kernel", KERNELS)
def test_the_integers_compute_what_was_trained(patches: Patches, kernel: str) -> None:
    """Exported and evaluated by psc, against the network with rounding, against the network without."""
    plain = filled().eval()
    rounded = copy.deepcopy(plain)
    calibrate(rounded, patches, 6)
    try:
        network = Network(exported(rounded), torch.device("cpu"), kernel)
    except PscError:  # this processor has no exact one
        pytest.skip(f"no {kernel} here")
    for j, index, scale in ((34, 0, 1), (60, 2, 4), (100, 4, 16)):
        x = patches.batch(7)[1][:2, :, :16, :16]
        level, where = torch.full((2,), j), torch.full((2,), index)
        x = x + sigmas(level) * torch.randn(x.shape, generator=torch.Generator().manual_seed(j))
        with torch.no_grad():
            found, same, real = network(x, j, scale), rounded(x, level, where), plain(x, level, where)
        assert moved(found, same) < 0.003 * moved(real, x)  # a rounding may go the other way
        assert moved(found, real) < 0.03 * moved(real, x)
        assert not torch.equal(same, real)


def test_gradients_pass_through_the_rounding(patches: Patches) -> None:
    net = filled()
    calibrate(net, patches, 3)
    level = torch.full((2,), 60)
    net(torch.randn(2, 3, 16, 16), level, torch.zeros_like(level)).square().mean().backward()
    for module in net.modules():
        if isinstance(module, Quantised):
            assert module.inner.weight.grad is not None
            assert module.inner.weight.grad.abs().max() > 0
    assert [type(o).__name__ for o in optimisers(net, 1e-3, 1)] == ["Muon", "AdamW"]


@torch.no_grad()
def test_finer_integers_are_nearer_to_the_floats(patches: Patches) -> None:
    plain = filled()
    calibrate(rounded := copy.deepcopy(plain), patches, 6)
    rounding.finer_activations([halfway := copy.deepcopy(rounded)], rounding.FINE)
    rounding.finer_weights(fine := copy.deepcopy(halfway), rounding.FINE)
    x = patches.batch(7)[1][:2, :, :16, :16]
    x = x + 0.3 * torch.randn(x.shape, generator=torch.Generator().manual_seed(0))
    level, where = torch.full((2,), 50), torch.full((2,), 0)
    far, nearer, near = (
        moved(net(x, level, where), plain(x, level, where)) for net in (rounded, halfway, fine)
    )
    assert 0 < near < 0.3 * nearer
    assert nearer < 0.95 * far


def test_integers_become_floats_that_denoise_alike(patches: Patches, tmp_path: Path) -> None:
    """And training goes on from them: all gradients are there."""
    rounded = filled()
    calibrate(rounded, patches, 6)
    tensors = exported(rounded)
    save_file(tensors, tmp_path / "embedded.safetensors")
    shape, found = load(tmp_path / "embedded.safetensors")
    assert shape == SHAPE
    assert found.keys() == floats(tensors, SHAPE).keys()
    net = Net(shape)
    start_from(net, tmp_path / "embedded.safetensors")
    integers = Network(tensors, torch.device("cpu"), "float32")
    for j, index, scale in ((34, 0, 1), (60, 2, 4), (100, 4, 16)):
        x = patches.batch(7)[1][:2, :, :16, :16]
        level, where = torch.full((2,), j), torch.full((2,), index)
        x = x + sigmas(level) * torch.randn(x.shape, generator=torch.Generator().manual_seed(j))
        out, same = net(x, level, where), integers(x, j, scale)
        assert moved(out, same) < 0.03 * moved(same, x)
    out.square().mean().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in net.parameters())


def options(tmp_path: Path, out: str, **changes: object) -> argparse.Namespace:
    """Arguments of training.train."""
    known = {"out": tmp_path / out, "data": tmp_path, "steps": 6, "rate": 1e-3, "seed": 0, "device": "cpu",
             "threads": 2, "begun": 0, "aim": "plans", "decay": False, "log": 3, "validate": 3}  # fmt: skip
    return argparse.Namespace(**known | changes)


def test_a_run_resumes_where_it_stopped(patches: Patches, tmp_path: Path) -> None:
    """To the bit: weights, average, optimisers, sums for the log."""
    (tmp_path / "val").mkdir()
    Image.fromarray(texture(256, 384)).save(tmp_path / "val" / "a.png")
    whole = Run(filled(), options(tmp_path, "whole"))
    for _ in range(6):
        whole.advance(patches)
    first = Run(filled(), options(tmp_path, "parts"))
    for _ in range(2):
        first.advance(patches)
    first.save()
    second = Run(filled(), options(tmp_path, "parts"))
    assert second.step == 2
    for _ in range(4):
        second.advance(patches)
    kept = [torch.load(tmp_path / out / "checkpoint.pt", weights_only=True) for out in ("whole", "parts")]
    for part in ("net", "average"):
        assert all(torch.equal(value, kept[1][part][name]) for name, value in kept[0][part].items())
    for a, b in zip(kept[0]["optimisers"], kept[1]["optimisers"], strict=True):
        for key, state in a["state"].items():
            assert all(torch.equal(value, b["state"][key][name]) for name, value in state.items())
    logs = [[json.loads(line) for line in (tmp_path / out / "log.jsonl").read_text().splitlines()]
            for out in ("whole", "parts")]  # fmt: skip
    assert len(logs[0]) == 4
    for a, b in zip(*logs, strict=True):
        assert a | {"seconds": 0} == b | {"seconds": 0}
    assert "val" in logs[0][-1]


def test_the_rate_warms_up_stays_and_decays_to_zero(tmp_path: Path) -> None:
    steps = 10 * WARM_UP
    run = Run(filled(), options(tmp_path, "rates", steps=steps, rate=1.0, decay=True))

    def rate(step: int) -> float:
        run.step = step
        return run.rate()

    assert rate(0) == 1 / WARM_UP
    assert rate(WARM_UP - 1) == rate(round((1 - DECAY) * steps)) == 1
    assert rate(round((1 - DECAY / 2) * steps)) == pytest.approx(0.5)
    assert 0 < rate(steps - 1) < 0.01
    assert rate(steps) == 0
    run.a.decay = False
    assert rate(steps) == 1


def test_a_run_goes_on_from_weights_with_steps_behind_them(patches: Patches, tmp_path: Path) -> None:
    """New optimisers are warmed up; patches and noise are those of the steps to come."""
    a = options(tmp_path, "begun", begun=5 * WARM_UP, steps=10**6, rate=1.0)
    run = Run(filled(), a)
    assert run.step == a.begun
    assert run.rate() == 1 / WARM_UP
    run.advance(patches)
    run.save()
    assert run.rate() == 2 / WARM_UP
    assert Run(filled(), a).step == a.begun + 1
    other = Run(filled(), options(tmp_path, "other", steps=10**6, rate=1.0))
    other.advance(patches)
    seen = [each.average.inp.weight for each in (run, other)]
    assert not torch.equal(*seen)


def test_priors_are_what_the_files_hold(patches: Patches, tmp_path: Path) -> None:
    net = filled()
    plain = prior(str(checkpoint(net, tmp_path / "checkpoint.pt")))
    weights.write(net.state_dict(), SHAPE, tmp_path, "average", torch.float32, 100_000)
    parts = prior(str(tmp_path))
    x = patches.batch(7)[1][:2, :, :16, :16]
    assert isinstance(plain, FloatPrior)
    assert plain.fingerprint == parts.fingerprint
    assert torch.equal(plain.denoise(x, sigma(50), 3), parts.denoise(x, sigma(50), 4))
    calibrate(net, patches, 3)
    save_file(exported(net), tmp_path / "integers.safetensors")
    rounded = prior(str(tmp_path / "integers.safetensors"))
    assert isinstance(rounded, EmbeddedPrior)
    assert moved(rounded.denoise(x, sigma(50)), plain.denoise(x, sigma(50))) < 0.03
    assert prior("embedded").name == "embedded"


def is_in(patch: np.ndarray, photo: np.ndarray, stride: int) -> bool:
    """Whether the photograph has the patch's pixels, so many apart."""
    side = (len(patch) - 1) * stride + 1
    corners = photo[: max(0, len(photo) - side + 1), : max(0, photo.shape[1] - side + 1)]
    return any(
        np.array_equal(photo[y : y + side : stride, x : x + side : stride], patch)
        for y, x in np.argwhere((corners == patch[0, 0]).all(-1))
    )


def turns(patch: np.ndarray) -> list[np.ndarray]:
    """The square's eight symmetries."""
    turned = [np.rot90(patch, k) for k in range(4)]
    return turned + [t[:, ::-1] for t in turned]


def test_patches_drawn_on_a_device_are_of_the_photographs() -> None:
    """Every patch, turned back, is in one; seed and order determine them; all symmetries occur."""
    photos = {block: [texture(h, 290, seed=h) for h in (260, 120, 280)] for block in BLOCKS}
    source, again = (Resident(photos, 2 * 128 * 128, "cpu", seed=3) for _ in range(2))
    kinds, ways = set(), set()
    for _ in range(30):
        block, x = source.batch()
        same = again.batch()
        assert block == same[0]
        assert torch.equal(x, same[1])
        kinds.add((block, x.shape[2]))
        patch = ((x[0] + 1) * 127.5).round().to(torch.uint8).permute(1, 2, 0).numpy()
        found = [is_in(t, photo, max(1, block // 2)) for t in turns(patch) for photo in photos[block]]
        assert sum(found) == 1
        ways.add(found.index(True) // len(photos[block]))
    assert len(kinds) >= 4
    assert len(ways) >= 6


def folder_of_photographs(folder: Path) -> Path:
    """As training wants it, with validation pictures."""
    for name, seed in (("train/a.jpg", 0), ("extra/b.jpg", 1), ("more/c.png", 2), ("val/d.png", 3)):
        (folder / name).parent.mkdir(parents=True)
        size = (256, 384) if name.startswith("val") else (531, 540)
        Image.fromarray(texture(*size, seed=seed)).save(folder / name, quality=93, subsampling=0)
    return folder


def test_a_pack_has_everything_in_few_bytes(tmp_path: Path) -> None:
    data, out = folder_of_photographs(tmp_path / "data"), tmp_path / "pack"
    saved = checkpoint(filled(), tmp_path / "checkpoint.pt")
    arguments = ["--data", str(data), "--checkpoint", str(saved), "--out", str(out)]
    pack.main([*arguments, "--megabytes", "0.6"])
    assert 0.5e6 < pack.taken_by(out) <= 0.6e6
    assert np.array_equal(read(out / "val" / "d.webp"), texture(256, 384, seed=3)[:, :256])
    means = pack.opened(out)
    assert sorted(means) == BLOCKS
    assert all(len(some) == 3 for some in means.values())
    crop, whole = means[1][2], read(data / "train" / "a.jpg")  # in the order of their names
    assert crop.shape[0] == crop.shape[1] >= 128
    found = [
        np.abs(whole[y : y + len(crop), x : x + len(crop)] - crop.astype(int)).mean()
        for y in range(0, 531 - len(crop) + 1, 8)
        for x in range(0, 540 - len(crop) + 1, 8)
        if np.abs(whole[y : y + 8, x : x + 8] - crop[:8, :8].astype(int)).mean() < 0.5
    ]
    assert min(found) < 0.1  # but for pixels that had been clamped, the same
    for block in (2, 4, 8, 12, 16):
        expected = block_means(whole, block)
        assert means[block][2].shape == expected.shape
        assert np.abs(means[block][2] - expected.astype(float)).mean() < 6
    with pytest.raises(SystemExit, match="allow more"):
        pack.main([*arguments, "--megabytes", "0.25"])


@pytest.mark.parametrize("compiled", [False, True])
def test_minutes_on_another_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, compiled: bool) -> None:
    """Packed, trained for some steps, and taken up again; a compiler that fails is done without."""

    def failing(*_: object, **__: object) -> None:
        raise RuntimeError("no compiler here")

    monkeypatch.setattr(torch, "compile", failing)
    monkeypatch.setattr(gpu, "TRIAL", 1)
    monkeypatch.setattr(gpu, "SAVE_SECONDS", 0)
    monkeypatch.setattr(gpu, "PART", 100_000)
    data, out = folder_of_photographs(tmp_path / "data"), tmp_path / "out"
    saved = checkpoint(filled(), tmp_path / "checkpoint.pt")
    pack.main(["--data", str(data), "--checkpoint", str(saved), "--out", str(tmp_path / "pack"),
               "--megabytes", "0.6"])  # fmt: skip
    gpu.main([str(tmp_path / "pack"), str(out), "--steps", "6", "--log", "2", "--device", "cpu",
              "--pixels", str(2 * 128 * 128), *["--compile"] * compiled])  # fmt: skip
    log = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    assert log[0]["device"] == "cpu"
    assert np.isfinite([line["loss"] for line in log if "loss" in line]).all()
    assert log[-1]["step"] == 6
    assert sorted(log[-1]["val"]) == ["1", "16", "4"]
    assert [line["why"] for line in log if "why" in line] == ["RuntimeError: no compiler here"] * compiled
    net = Net(SHAPE)
    start_from(net, out)
    assert 0 < moved(net.inp.weight, filled().inp.weight) < 0.1
    assert torch.equal(prior(str(out)).net.inp.weight, net.inp.weight)
    assert load_file(sorted(out.glob("average-1-*"))[0])["shape.widths"].tolist() == [8, 12]


def test_the_last_minutes_are_for_cooling_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rate falls to zero with the time that is left; weights are kept when it begins to."""
    data = folder_of_photographs(tmp_path / "data")
    saved = checkpoint(filled(), tmp_path / "checkpoint.pt")
    pack.main(["--data", str(data), "--checkpoint", str(saved), "--out", str(tmp_path / "pack"),
               "--megabytes", "0.6"])  # fmt: skip
    a = argparse.Namespace(pack=tmp_path / "pack", out=tmp_path / "out", minutes=1, steps=4, rate=1e-3,
                           seed=0, pixels=2**15, decay=0.25, compile=False, device="cpu", log=2)  # fmt: skip
    minutes, found = gpu.Minutes(a), []
    for share in (0.5, 0.74, 0.875, 1.0, 1.2):
        monkeypatch.setattr(minutes, "seconds", lambda share=share: share * minutes._end)
        minutes.tend()
        found.append(minutes.factor())
        assert (len(list(a.out.glob("before-decay-*"))) > 0) == (share > 0.75)
        assert minutes.over() == (share >= 1)
    assert found == pytest.approx([1, 1, 0.5, 0, 0])
