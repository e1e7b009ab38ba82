"""What rounding to integers costs, and where: denoising errors with parts of the network rounded less.

    python -m training.rounding --data DATA --init RUN/cooled/checkpoint.pt --cache RUN/float

Each line is the error on val (training.validate) after calibration, without fine-tuning: of the floats, of
the integers that are shipped (weights and activations of 8 bits), and of networks in which some are finer.
"""

import argparse
from collections.abc import Iterable
from copy import deepcopy
from pathlib import Path

from torch import nn

from training.data import Patches, mapped, trained_on
from training.initial import start_from
from training.integers import Clamp, Quantised, calibrate
from training.network import Block, Net
from training.train import CALIBRATION, PIXELS, SHAPES
from training.validate import denoising_error

FINE = 16
"""Bits that are as good as floats."""


def finer_activations(modules: Iterable[nn.Module], bits: int) -> None:
    """Let the convolutions of modules, in place, read activations of more than 8 bits."""
    factor = 2 ** (bits - 8)
    for module in modules:
        for part in module.modules():
            if isinstance(part, Clamp):
                part.high = 256 * factor - 1
                part.unit /= factor
            if isinstance(part, Quantised):
                part.low, part.high = part.low * factor, (part.high + 1) * factor - 1
                part.unit /= factor


def finer_weights(net: nn.Module, bits: int) -> None:
    """Give all convolutions, in place, weights of more than 8 bits."""
    for module in net.modules():
        if isinstance(module, Quantised):
            module.limit = 2 ** (bits - 1) - 1


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--init", type=Path, required=True)
    parser.add_argument("--cache", type=Path, required=True, help="where training keeps block means")
    a = parser.parse_args()

    net = Net(SHAPES["deep"])
    start_from(net, a.init)
    say("floats", net, a.data)
    calibrate(net, Patches(mapped(trained_on(a.data), a.cache), PIXELS, 0, 8), CALIBRATION)
    say("integers", net, a.data)
    finer_weights(fine := deepcopy(net), FINE)
    say("weights as floats", fine, a.data)
    for name, chosen in parts(net).items():
        for bits in (10, FINE):
            fine = deepcopy(net)
            finer_activations([fine.get_submodule(part) for part in chosen], bits)
            say(f"{name}: {bits} bits", fine, a.data)


def parts(net: Net) -> dict[str, list[str]]:
    """Names of modules, by what they are."""
    finest = [f"{side}.0.{i}" for side in ("enc", "dec") for i in range(len(getattr(net, side)[0]))]
    between = [f"{way}.{i}" for way in ("dn", "up") for i in range(len(net.dn))]
    blocks = [name for name, module in net.named_modules() if isinstance(module, Block)]
    return {
        "the first two blocks": finest[:2],
        "half resolution": [*finest, "out"],
        "all activations": [*blocks, *between, "out"],
    }


def say(name: str, net: Net, data: Path) -> None:
    found = denoising_error(net, data / "val", "cpu")
    print(f"{name}: " + "; ".join(f"{scale}: {row[1:6]}" for scale, row in found.items()), flush=True)


if __name__ == "__main__":
    main()
