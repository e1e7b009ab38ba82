"""The embedded prior gives the same bits under every setting that could change the order of a sum.

Settings of the process (instruction sets, libraries' algorithms) are tried in processes of their own.
"""

import hashlib
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import psc
from psc.images.opening import read_image
from psc.plan.noise_levels import sigma
from psc.plan.plan import FULL_BASIS, Plan, Round, Settings
from psc.plan.presets import DEFAULT
from psc.posterior import grouping as groups
from psc.prior import Prior
from psc.prior.embedded import convolution, tiles
from psc.prior.embedded.convolution import Bytes, Float, Layer, agrees, ready
from psc.prior.embedded.prior import load_embedded
from tests.test_golden import FOLDER

PHOTO = Path(__file__).parent.parent / "examples" / "chelsea.png"
CPU = torch.device("cpu")
PLAN = Plan(
    tuple(replace(level, samples=6) for level in DEFAULT.levels),
    (*[Round(2, 4, 3)] * 2, *[Round(1, 4, 3)] * 2, Round(0, 5, 3), Round(0, FULL_BASIS, 3)),
)
SHORT = Settings(PLAN, len(PLAN.rounds), step_index=110)
"""All kinds of rounds at all of the default plan's levels, in a hundredth of its evaluations."""


def crop() -> Image.Image:
    return read_image(PHOTO).convert("RGB").crop((130, 60, 130 + 60, 60 + 45))


def outcome(prior: Prior) -> dict[str, str]:
    """Hashes of a file and of the pictures that it decodes to."""
    data = psc.encode_with(crop(), SHORT, prior=prior)
    hashes = {"file": hashlib.sha256(data).hexdigest()}
    for way in ("mean", "sample", "preview"):
        pixels = psc.decode(data, restoration=way, prior=prior).tobytes()
        hashes[way] = hashlib.sha256(pixels).hexdigest()
    return hashes


def expected() -> dict[str, str]:
    return json.loads((FOLDER / "photograph.json").read_text())


def in_a_process(kernel: str | None = None, threads: int = 1, **environment: str) -> dict[str, str]:
    """The outcome in a process of its own, and which kernel it took."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.test_exactness", str(threads), kernel or ""],
        env={**os.environ, **environment},
        cwd=Path(__file__).parent.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize(
    "environment",
    [
        {"ATEN_CPU_CAPABILITY": "default"},
        {"ATEN_CPU_CAPABILITY": "avx2"},
        {"ATEN_CPU_CAPABILITY": "avx512"},
        {"ONEDNN_MAX_CPU_ISA": "SSE41"},
        {"ONEDNN_MAX_CPU_ISA": "AVX2"},
        {"ONEDNN_MAX_CPU_ISA": "AVX512_CORE"},
        {"ONEDNN_DEFAULT_FPMATH_MODE": "BF16", "ONEDNN_MAX_CPU_ISA": "AVX512_CORE_BF16"},
    ],
    ids=lambda e: "-".join(e.values()),
)
def test_instruction_sets_do_not_matter(environment: dict[str, str]) -> None:
    found = in_a_process(threads=2, **environment)
    found.pop("kernel")
    assert found == expected()


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("kernel", ["float32", "float64"])
def test_threads_and_kernels_do_not_matter(threads: int, kernel: str) -> None:
    torch.set_num_threads(threads)
    assert outcome(load_embedded(kernel=kernel)) == expected()


@pytest.mark.parametrize("threads", [1, 2])
def test_the_kernel_of_choice_agrees(embedded_prior: Prior, threads: int) -> None:
    torch.set_num_threads(threads)
    assert outcome(embedded_prior) == expected()


def test_the_golden_file_decodes_to_the_golden_pictures(embedded_prior: Prior) -> None:
    data = (FOLDER / "photograph.psc").read_bytes()
    assert hashlib.sha256(data).hexdigest() == expected()["file"]
    found = psc.verify(data, prior=embedded_prior)
    assert found.ok
    assert found.picture == expected()["mean"]


@pytest.mark.parametrize("batch", [1, 5])
def test_batches_do_not_matter(embedded_prior: Prior, monkeypatch: pytest.MonkeyPatch, batch: int) -> None:
    """Particles evaluated one by one or by fives; all together is the default for so small a picture."""
    monkeypatch.setattr(tiles, "BATCH", batch * 64 * 64)
    monkeypatch.setattr(groups, "LARGEST", batch * 64 * 64)
    assert outcome(embedded_prior) == expected()


def test_tiles_do_not_matter(embedded_prior: Prior, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiles, "TILE", 32)
    assert outcome(embedded_prior) == expected()


def test_tiles_of_a_large_picture(embedded_prior: Prior, monkeypatch: pytest.MonkeyPatch) -> None:
    """Larger than the halo: here tiles do cut the network's view."""
    x = torch.from_numpy(np.random.default_rng(0).normal(size=(1, 3, 256, 320)).astype(np.float32))
    whole = embedded_prior.denoise(x, sigma(60))
    monkeypatch.setattr(tiles, "TILE", 64)
    assert torch.equal(whole, embedded_prior.denoise(x, sigma(60)))


def test_memory_formats_do_not_matter(embedded_prior: Prior) -> None:
    x = torch.from_numpy(np.random.default_rng(1).normal(size=(5, 3, 40, 24)).astype(np.float32))
    last = x.contiguous(memory_format=torch.channels_last)
    alone = torch.cat([embedded_prior.denoise(one[None], sigma(50), 4) for one in x])
    assert torch.equal(embedded_prior.denoise(x, sigma(50), 4), alone)
    assert torch.equal(embedded_prior.denoise(last, sigma(50), 4), alone)
    for kind in (Float, Bytes):
        layer, stored = random_layer(), torch.randint(0, 256, (2, 16, 12, 12), dtype=torch.uint8)
        try:
            made = kind(layer, CPU)
        except (RuntimeError, AttributeError):  # not in every build
            continue
        strided = stored.contiguous(memory_format=torch.channels_last)
        assert torch.equal(made.scaled(stored, ONES), made.scaled(strided, ONES))


ONES = torch.ones(24)


def random_layer(limit: int = 127) -> Layer:
    generator = torch.Generator().manual_seed(0)
    weight = torch.randint(-limit, limit + 1, (24, 16, 3, 3), generator=generator, dtype=torch.int8)
    return Layer(weight, 1, -128, 127)


def test_the_reference_is_the_sum() -> None:
    """Against integers, added one by one."""
    layer = random_layer()
    a = torch.randint(-128, 128, (1, 16, 5, 6), generator=torch.Generator().manual_seed(1))
    padded = np.pad(a[0].numpy(), ((0, 0), (1, 1), (1, 1)))
    want = np.zeros((24, 5, 6), dtype=np.int64)
    for dy in range(3):
        for dx in range(3):
            part = padded[:, dy : dy + 5, dx : dx + 6]
            want += np.einsum("oi,ihw->ohw", layer.weight.long().numpy()[:, :, dy, dx], part)
    stored = (a + 128).to(torch.uint8)
    assert np.array_equal(Float(layer, CPU).scaled(stored, ONES)[0].numpy().astype(np.int64), want)


class Saturating(Float):
    """What processors without VNNI do: pairs of products are added in 16 bits, which saturate."""

    def sums(self, stored: torch.Tensor) -> torch.Tensor:
        layer = self.layer
        total = super().sums(stored) - Float(Layer(layer.weight, 1, 0, 255), CPU).sums(stored)
        for i in range(0, layer.weight.shape[1], 2):
            pair = Layer(layer.weight[:, i : i + 2], 1, 0, 255)
            total += Float(pair, CPU).sums(stored[:, i : i + 2]).clamp(-(2**15), 2**15 - 1)
        return total


class Short(Float):
    """Sums in a shorter format of numbers."""

    def sums(self, stored: torch.Tensor) -> torch.Tensor:
        return super().sums(stored).bfloat16().float()


class OneOff(Float):
    """An error in one sum of many."""

    def sums(self, stored: torch.Tensor) -> torch.Tensor:
        sums = super().sums(stored)
        return sums + (sums == sums.max())


class FusedSum(Float):
    """The residual added before the product is rounded (a fused multiply-add)."""

    def added(self, stored: torch.Tensor, scale: torch.Tensor, h: torch.Tensor) -> torch.Tensor:
        return (self.sums(stored).double() * scale.double()[:, None, None] + h).float()


class Upwards(Float):
    """Halves are rounded up instead of to even."""

    def activated(self, stored: torch.Tensor, factor: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
        h = self.scaled(stored, factor).add_(bias[:, None, None])
        return (h + 0.5).floor().clamp(0, 255).to(torch.uint8)


class Wrapping(Float):
    """Bytes that overflow instead of saturating."""

    def activated(self, stored: torch.Tensor, factor: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
        h = self.scaled(stored, factor).add_(bias[:, None, None])
        return h.round().to(torch.int32).to(torch.uint8)


@pytest.mark.parametrize("wrong", [Saturating, Short, OneOff, FusedSum, Upwards, Wrapping])
def test_wrong_kernels_are_refused(wrong: type[Float]) -> None:
    layer = random_layer()
    assert agrees(layer, Float(layer, CPU), CPU)
    assert not agrees(layer, wrong(layer, CPU), CPU)


def test_what_remains_when_kernels_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(layer: Layer, device: torch.device) -> convolution.Convolution:
        raise RuntimeError("no such operation")

    layer = random_layer()
    monkeypatch.setitem(convolution.KERNELS, "int8", Saturating)
    assert ready([layer], CPU)[0] == "float32"
    monkeypatch.setitem(convolution.KERNELS, "int8", absent)
    monkeypatch.setitem(convolution.KERNELS, "float32", absent)
    assert ready([layer], CPU)[0] == "float64"
    monkeypatch.setitem(convolution.KERNELS, "float64", absent)
    with pytest.raises(psc.PscError, match="exact sums"):
        ready([layer], CPU)


def test_weights_that_could_round_are_refused() -> None:
    with pytest.raises(psc.PscError, match="2\\^24"):
        Layer(torch.full((1, 400, 7, 7), 127, dtype=torch.int8), 1, -128, 127)


def test_an_unknown_noise_level_is_refused(embedded_prior: Prior) -> None:
    with pytest.raises(psc.PscError, match="noise level"):
        embedded_prior.denoise(torch.zeros(1, 3, 16, 16), 0.123)


def main() -> None:
    """Prints this process's outcome; with --write, into the golden file."""
    if sys.argv[1:] == ["--write"]:
        (FOLDER / "photograph.json").write_text(json.dumps(outcome(psc.load_prior()), indent=1) + "\n")
        (FOLDER / "photograph.psc").write_bytes(psc.encode_with(crop(), SHORT))
        return
    torch.set_num_threads(int(sys.argv[1]))
    prior = load_embedded(kernel=sys.argv[2] or None)
    sys.stdout.write(json.dumps({**outcome(prior), "kernel": prior.kernel}))


if __name__ == "__main__":
    main()
