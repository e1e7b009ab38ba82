"""The embedded prior's kernels: what they are asked, and what a machine remembers of it."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import psc
from psc.prior.embedded import convolution, verdicts
from psc.prior.embedded.convolution import SMALL, Bytes, Convolution, Float, Layer, agrees, ready

CPU = torch.device("cpu")
CPUINFO = """processor\t: 0
vendor_id\t: X
model name\t: Y
cpu MHz\t\t: {mhz}
flags\t\t: {flags}

processor\t: 1
"""


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine that tells what it can do, and has never run psc."""
    monkeypatch.setenv("PSC_CACHE", str(tmp_path / "cache"))
    describe(tmp_path, monkeypatch)
    return tmp_path / "cache"


def describe(folder: Path, monkeypatch: pytest.MonkeyPatch, flags: str = "avx2", mhz: int = 2000) -> None:
    (folder / "cpuinfo").write_text(CPUINFO.format(flags=flags, mhz=mhz))
    monkeypatch.setattr(verdicts, "PROCESSOR", folder / "cpuinfo")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Layer]:
    """The layers whose answers are asked for."""
    layers: list[Layer] = []

    def asking(layer: Layer, made: Convolution, device: torch.device) -> bool:
        layers.append(layer)
        return agrees(layer, made, device)

    monkeypatch.setattr(convolution, "agrees", asking)
    return layers


def layer(seed: int = 0, side: int = 3) -> Layer:
    generator = torch.Generator().manual_seed(seed)
    weight = torch.randint(-127, 128, (48, 48, side, side), dtype=torch.int8, generator=generator)
    return Layer(weight, 2 if side == 2 else 1, -128, 127)


def in_bytes(made: Layer) -> Bytes:
    try:
        return Bytes(made, CPU)
    except RuntimeError:
        pytest.skip("this PyTorch has no 8-bit convolutions")


@pytest.mark.parametrize("wrong", ["_small", "_large"])
def test_both_orders_of_weights_are_asked(wrong: str) -> None:
    """Small and large inputs read weights in orders of their own."""
    made, other = in_bytes(layer()), in_bytes(layer(seed=1))
    assert agrees(layer(), made, CPU)
    setattr(made, wrong, getattr(other, wrong))
    assert not agrees(layer(), made, CPU)


@pytest.mark.parametrize("side", [1, 2, 3])
@pytest.mark.parametrize("size", [(2, 2), (8, 10), (10, 10), (2, 128)])
def test_sums_are_those_of_float32_at_every_size(side: int, size: tuple[int, int]) -> None:
    one = layer(side=side)
    assert SMALL == 80  # sizes on both sides of it
    stored = torch.randint(
        0, 256, (3, 48, *size), dtype=torch.uint8, generator=torch.Generator().manual_seed(2)
    )
    stored, ones = stored.contiguous(memory_format=torch.channels_last), torch.ones(48)
    assert torch.equal(in_bytes(one).scaled(stored, ones), Float(one, CPU).scaled(stored, ones))


def test_a_second_start_asks_the_largest_layer_alone(cache: Path, asked: list[Layer]) -> None:
    first = psc.load_prior()
    count = len(asked)
    assert count > 30
    assert [path.read_text() for path in (cache / "kernels").iterdir()] == [f"{first.kernel}\n"]
    assert psc.load_prior().kernel == first.kernel
    assert len(asked) == count + 1
    assert asked[-1].weight.numel() == max(x.weight.numel() for x in asked)


def test_a_kernel_that_fails_today_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Though it passed before; nor is another one without being asked everything."""
    layers = [layer(), layer(seed=1)]
    monkeypatch.setitem(convolution.KERNELS, "int8", OneOff)
    assert ready(layers, CPU, passed="int8")[0] == "float32"
    monkeypatch.setitem(convolution.KERNELS, "float32", absent)
    assert ready(layers, CPU, passed="float32")[0] == "float64"


class OneOff(Float):
    """Wrong at the sum that is largest."""

    def sums(self, stored: torch.Tensor) -> torch.Tensor:
        sums = super().sums(stored)
        return sums + (sums == sums.max())


def absent(layer: Layer, device: torch.device) -> Convolution:
    raise RuntimeError("no such operation")


@pytest.mark.parametrize(
    "change",
    [
        lambda folder, patch: describe(folder, patch, flags="avx2 avx512_vnni"),
        lambda folder, patch: patch.setenv("ONEDNN_MAX_CPU_ISA", "AVX2"),
        lambda folder, patch: patch.setattr(torch, "__version__", "9.9"),
        lambda folder, patch: patch.setattr(psc, "__version__", "9.9"),
        lambda folder, patch: patch.setattr(convolution, "__file__", str(folder / "cpuinfo")),
    ],
    ids=["flags", "variable", "torch", "psc", "kernels"],
)
def test_a_verdict_counts_for_what_it_was_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: Callable[[Path, pytest.MonkeyPatch], None]
) -> None:
    verdicts.note(verdicts.place(b"weights"), "float32")
    assert verdicts.recall(verdicts.place(b"weights")) == "float32"
    assert verdicts.recall(verdicts.place(b"others")) is None
    describe(tmp_path, monkeypatch, mhz=3000)
    assert verdicts.recall(verdicts.place(b"weights")) == "float32"
    change(tmp_path, monkeypatch)
    assert verdicts.recall(verdicts.place(b"weights")) is None


@pytest.mark.parametrize("content", [b"", b"int9", b"\xff\xfe", b"int8" * 100, b"__import__('os')"])
def test_what_is_no_verdict_counts_for_nothing(content: bytes) -> None:
    path = verdicts.place(b"weights")
    assert path
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    assert verdicts.recall(path) is None
    verdicts.note(path, "int8")
    assert verdicts.recall(path) == "int8"


def test_where_nothing_can_be_kept(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache.write_text("a file where the folder should be")
    path = verdicts.place(b"weights")
    verdicts.note(path, "int8")
    assert verdicts.recall(path) is None
    monkeypatch.setattr(verdicts, "PROCESSOR", tmp_path / "none")
    assert verdicts.place(b"weights") is None
    verdicts.note(None, "int8")
    assert verdicts.recall(None) is None
