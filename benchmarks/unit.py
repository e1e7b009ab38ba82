"""Seconds in a unit that travels between machines: those of one convolution, taken in the same run.

    git worktree add ../before COMMIT
    PYTHONPATH=../before/src:. python -m benchmarks.unit PICTURE         an earlier commit's, for RECORDED

Encoding and decoding of a 256x256 centre crop at quality 43 and effort 1. All seconds are the processor's, on
one thread, and the least of several turns, so that what else runs on the machine hardly counts.
"""

import argparse
import time
from collections.abc import Callable

import torch
from PIL import Image
from torch.nn import functional

import psc
from benchmarks.crops import centre_crop

SIDE, QUALITY, EFFORT = 256, 43.0, 1
CHANNELS, INPUT = 128, 128
"""The unit: 3x3, float32, from 128 to 128 channels of 128x128 pixels (2.4 G products)."""
TURNS, CONVOLUTIONS = 3, 8
STAGES = ("encode", "decode")
RECORDED = {"396f5f7": (121.0, 142.0)}
"""By commit, units of both stages: the least of two runs (docs/benchmarks.md)."""


def measured(image: Image.Image) -> tuple[float, list[float]]:
    """The unit in seconds, and the seconds of encoding and decoding a picture."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    prior, crop = psc.load_prior(), centre_crop(image, SIDE)
    x, weight = torch.randn(1, CHANNELS, INPUT, INPUT), torch.randn(CHANNELS, CHANNELS, 3, 3)
    data = psc.encode(crop, quality=QUALITY, effort=EFFORT, prior=prior)
    work: list[Callable[[], object]] = [
        lambda: psc.encode(crop, quality=QUALITY, effort=EFFORT, prior=prior),
        lambda: psc.decode(data, prior=prior),
        *(lambda: functional.conv2d(x, weight, padding=1),) * CONVOLUTIONS,
    ]
    turns = [[_seconds(one) for one in work] for _ in range(TURNS)]
    torch.set_num_threads(before)
    encoding, decoding, *units = (min(times) for times in zip(*turns, strict=True))
    return min(units), [encoding, decoding]


def _seconds(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def units(image: Image.Image) -> None:
    """Prints this tree's units beside the recorded commits'."""
    unit, seconds = measured(image)
    for k, stage in enumerate(STAGES):
        now = seconds[k] / unit
        before = ", ".join(
            f"{then[k]:.0f} at {commit} ({then[k] / now:.2f})" for commit, then in RECORDED.items()
        )
        print(
            f"Units to {stage} {SIDE}x{SIDE} at effort {EFFORT}: {now:.0f}; {before}. {seconds[k]:.2f} s "
            f"over {1000 * unit:.1f} ms, a float32 convolution of {CHANNELS} channels of {INPUT}x{INPUT}.",
            flush=True,
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("picture")
    units(Image.open(parser.parse_args().picture).convert("RGB"))
