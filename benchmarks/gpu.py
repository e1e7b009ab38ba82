"""Is psc exact and how fast is it on a GPU? Two minutes that answer both, as a table and as JSON.

    python -m benchmarks.gpu OUT
    python -m benchmarks.gpu OUT --device cpu --quick         a dry run

First, with the embedded prior on the device: the golden files (tests/golden) decode to the pictures that were
pinned on a CPU, ``psc.verify`` agrees with every round, and encoding writes the same bytes. Then network
evaluations a second by kernel; seconds and peak memory of encoding and decoding a photograph by size and
effort; a file that this machine's CPU writes, too; and the golden files of the Gaussian prior, whose denoiser
runs on the device then. What --seconds leave no time for is skipped, and said to be. Needs the checkout
(tests, examples), what psc needs, and pytest. Exit status 1 if anything differs.

OUT/gpu.json has all; OUT/gpu.md the tables. Both are written anew after every line.
"""

import argparse
import itertools
import platform
import sys
import time
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from tests import test_golden
from tests.conftest import texture
from tests.test_golden import (
    CASES,
    FOLDER,
    PHOTO,
    PHOTOGRAPHS,
    RESTORATIONS,
    expected,
    photograph,
    pixels_hash,
)

import psc
from benchmarks.measured import Measured, Report, Row
from psc.errors import PscError
from psc.images.opening import read_image
from psc.plan.noise_levels import sigma
from psc.prior import Prior
from psc.prior.embedded.convolution import KERNELS
from psc.prior.embedded.prior import load_embedded

EFFORTS, QUICK_EFFORTS = (2, 1, 9, 5, 3), (1,)
SIZES, QUICK_SIZES = ((256, 256), (768, 512)), ((64, 64),)
QUALITY = 43.0
LATE = "skipped: no time left"
BATCH, QUICK_BATCH = (16, 256), (2, 64)
"""Pictures and their side, for evaluations."""


def photographs(prior: Prior, report: Report) -> None:
    """Golden files of the embedded prior."""
    for name in PHOTOGRAPHS:
        golden(report, name, prior, ("mean",), partial(photograph, name, prior))


def gaussians(prior: Prior, report: Report, a: argparse.Namespace) -> None:
    """Golden files of the Gaussian prior, on the same device."""
    gaussian = test_golden.prior()
    gaussian.device = prior.device  # where its denoiser is given its pictures
    for name in list(CASES)[: 3 if a.quick else None]:
        if time.monotonic() > a.end:
            report.add("exactness", file=name, note=LATE)
            continue
        shape, chosen = CASES[name]
        encode = partial(psc.encode_with, texture(*shape), chosen, prior=gaussian)
        golden(report, name, gaussian, RESTORATIONS, encode)


def golden(
    report: Report, name: str, prior: Prior, ways: tuple[str, ...], encode: Callable[[], bytes]
) -> None:
    """One of tests/golden; encode: makes it again."""
    data, start = (FOLDER / f"{name}.psc").read_bytes(), time.perf_counter()
    try:
        decodes = all(pixels_hash(data, way, prior) == expected()[name][way] for way in ways)
        checked = psc.verify(data, prior=prior)
        rounds = f"{sum(r.agrees for r in checked.rounds)} of {checked.planned}"
        found: Row = {
            "decodes": decodes,
            "verifies": checked.ok,
            "rounds": rounds,
            "encodes": encode() == data,
        }
    except (PscError, RuntimeError) as error:
        found = {"decodes": False, "note": str(error).splitlines()[0]}
    seconds = round(time.perf_counter() - start, 2)
    report.add("exactness", file=name, prior=prior.name, **found, seconds=seconds)


def speed(prior: Prior, report: Report, a: argparse.Namespace) -> None:
    """Encoding and decoding; two devices' files are the same if their CRCs are."""
    efforts, sizes = (QUICK_EFFORTS, QUICK_SIZES) if a.quick else (EFFORTS, SIZES)
    for (width, height), effort in itertools.product(sizes, efforts):
        row: Row = {"picture": f"{width}x{height}", "effort": effort}
        if time.monotonic() > a.end:
            report.add("speed", **row, note=LATE)
            continue
        image = sized(a.picture, width, height)
        with Measured(prior.device) as encoding:
            data = psc.encode(image, quality=QUALITY, effort=effort, prior=prior)
        with Measured(prior.device) as decoding:
            decoded = psc.decode_details(data, prior=prior)
        row |= {"bytes": len(data), "crc": f"{zlib.crc32(data):08x}", "NFE": round(sum(decoded.nfe))}
        for name, stage in (("encode", encoding), ("decode", decoding)):
            row |= {f"{name}, s": stage.seconds, f"{name}, MB": stage.megabytes}
        report.add("speed", **row)


def sized(file: Path, width: int, height: int) -> Image.Image:
    """The middle of a picture; of a smaller one, continued by its mirror image."""
    pixels = np.asarray(read_image(file).convert("RGB"))
    for axis, side in ((0, height), (1, width)):
        while pixels.shape[axis] < side:
            pixels = np.concatenate([pixels, np.flip(pixels, axis)], axis)
    top, left = (pixels.shape[0] - height) // 2, (pixels.shape[1] - width) // 2
    return Image.fromarray(np.ascontiguousarray(pixels[top : top + height, left : left + width]))


def evaluations(report: Report, a: argparse.Namespace) -> None:
    """Of the network alone, by kernel."""
    count, side = QUICK_BATCH if a.quick else BATCH
    x = torch.randn(count, 3, side, side, generator=torch.Generator().manual_seed(0))
    for kernel in KERNELS:
        try:
            prior = load_embedded(a.device, kernel)
        except PscError as error:
            report.add("evaluations", kernel=kernel, note=str(error).split(";")[0])
            continue
        x, many = x.to(prior.device), 0
        prior.denoise(x, sigma(64), 1)
        with Measured(prior.device) as one:
            while many < 3 or (time.perf_counter() - one.start < 2 and not a.quick):
                out = prior.denoise(x, sigma(64), 1)
                float(out[0, 0, 0, 0])  # waits for the device
                many += count
        report.add("evaluations", kernel=kernel, picture=f"{side}x{side}", **{"batch": count,
                   "a second": round(many / one.seconds, 1),
                   "megapixels/s": round(many * side * side / one.seconds / 1e6, 2),
                   "MB": one.megabytes})  # fmt: skip


def against_cpu(prior: Prior, report: Report, a: argparse.Namespace) -> None:
    """A file that this machine's CPU writes, and the device."""
    image = sized(a.picture, *(QUICK_SIZES if a.quick else SIZES)[0])
    name = f"{image.width}x{image.height}, effort 1, against this CPU"
    if time.monotonic() > a.end:
        report.add("exactness", file=name, note=LATE)
        return
    here, there = (psc.encode(image, quality=QUALITY, effort=1, prior=p) for p in (prior, load_embedded()))
    report.add("exactness", file=name, prior=prior.name, encodes=here == there)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--quick", action="store_true", help="small pictures, one effort")
    parser.add_argument("--seconds", type=float, default=100, help="after which nothing new is begun")
    parser.add_argument("--picture", type=Path, default=PHOTO)
    a = parser.parse_args()
    a.end = time.monotonic() + a.seconds
    prior = load_embedded(a.device)
    name = torch.cuda.get_device_name() if prior.device.type == "cuda" else platform.processor() or "CPU"
    report = Report(a.out, psc=psc.__version__, torch=torch.__version__, device=name, kernel=prior.kernel)
    photographs(prior, report)
    evaluations(report, a)
    speed(prior, report, a)
    against_cpu(prior, report, a)
    gaussians(prior, report, a)
    if found := report.differences():
        sys.exit(f"{len(found)} of {len(report.tables['exactness'])} differ: {found}")
    print("all the same")


if __name__ == "__main__":
    main()
