"""The embedded prior's kernels: what they are asked."""

import pytest
import torch

from psc.prior.embedded.convolution import SMALL, Bytes, Float, Layer, agrees

CPU = torch.device("cpu")


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
