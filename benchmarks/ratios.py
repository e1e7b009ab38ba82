"""Costs as ratios, all from one run: python -m benchmarks.speed PICTURE --ratios.

An evaluation is the network's on one picture at full resolution. Each line has its arithmetic.
"""

import dataclasses
import io
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from unittest import mock

import imagecodecs
import numpy as np
import torch
from PIL import Image

import psc
from benchmarks.crops import centre_crop
from benchmarks.unit import units
from psc.evaluate.codecs import Codec, codecs, nearest_below
from psc.images.pixels import psnr
from psc.plan.noise_levels import sigma
from psc.plan.presets import BEST_STEP, DEFAULT, PAPER, WORST_STEP, at_step
from psc.prior import Prior
from psc.prior.embedded import convolution
from psc.prior.embedded.prior import EmbeddedPrior, load_embedded

NOISE = sigma(60)
REPEATS = 9
SMALL, EXTRAPOLATED = 64, 256


class Stopwatch:
    """Adds up the seconds of calls; not for several threads."""

    def __init__(self) -> None:
        self.seconds, self.calls = 0.0, 0

    def around(self, work: Callable) -> Callable:
        def timed(*given: object, **named: object) -> object:
            start = time.perf_counter()
            try:
                return work(*given, **named)
            finally:
                self.seconds, self.calls = self.seconds + time.perf_counter() - start, self.calls + 1

        return timed


def report(picture: Image.Image, *, side: int, rounds: int, quality: float, threads: int) -> None:
    """side: of the crop that is timed. rounds: of the preset paper. quality, threads: of a default encode."""
    prior, large = load_embedded(), centre_crop(picture, side)
    units(picture)
    kernels(large)
    torch.set_num_threads(threads)
    paper(centre_crop(picture, SMALL), rounds, prior)
    others(large, quality, threads, prior)
    share(large, quality, prior)


def kernels(image: Image.Image) -> None:
    """The 8-bit kernel against float32."""
    x = psc.images.pixels.to_tensor(image)[None]
    for threads in (1, 2):
        seconds: dict[str, list[float]] = {"int8": [], "float32": []}
        priors = {kernel: load_embedded(kernel=kernel) for kernel in seconds}
        for _ in range(REPEATS):
            for kernel, prior in priors.items():  # by turns, so that both have the same machine
                seconds[kernel].append(_evaluation(prior, x, threads))
        fast, slow = (np.median(seconds[kernel]) for kernel in ("int8", "float32"))
        print(
            f"Kernel, {threads} thread(s): {slow / fast:.2f}. An evaluation at {image.width}x{image.height} "
            f"takes {1000 * slow:.1f} ms in float32, {1000 * fast:.1f} ms in int8 (median of {REPEATS}; each "
            f"thread has a picture of its own, as the codec's have; seconds over pictures).",
            flush=True,
        )


def _evaluation(prior: EmbeddedPrior, x: torch.Tensor, threads: int) -> float:
    """Seconds per picture of as many as there are threads, side by side."""
    with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        list(pool.map(lambda _: prior.denoise(x, NOISE), range(2 * threads)))  # until all are warm
        start = time.perf_counter()
        list(pool.map(lambda _: prior.denoise(x, NOISE), range(threads)))
        return (time.perf_counter() - start) / threads


def paper(image: Image.Image, rounds: int, prior: Prior) -> None:
    """The published scheme's evaluations against the default preset's, at equal PSNR."""
    data, decoded = psc.simulate(image, psc.Settings(PAPER, rounds, 0), prior=prior)
    target, cost = psnr(decoded.image, image), decoded.nfe[0]
    pixels, one, samples = image.width * image.height, PAPER.rounds[0], PAPER.levels[0].samples
    print(
        f"Paper at {image.width}x{image.height}: {rounds} rounds x {one.steps} steps x {samples} samples = "
        f"{cost:,.0f} evaluations, {8 * len(data) / pixels:.3f} bpp, {target:.2f} dB.",
        flush=True,
    )
    plan, found = _coarsest(image, target, prior)
    spent = 0.0

    def count(now: object) -> None:
        nonlocal spent
        spent = now.nfe

    controlled = psc.encode(image, target_psnr=target, prior=prior, progress=count)
    for how, nfe, size in (("one encode", plan, found), ("rate control", spent, len(controlled))):
        print(
            f"Evaluations against the paper's, {how}: {cost / nfe:.1f}. The default takes {nfe:.0f} to reach "
            f"{target:.2f} dB, at {8 * size / pixels:.3f} bpp: {cost:,.0f} / {nfe:.0f}.",
            flush=True,
        )
        more = EXTRAPOLATED**2 // pixels
        print(
            f"    Extrapolated to {EXTRAPOLATED}x{EXTRAPOLATED}: {more * cost / nfe:,.0f}. {more} times the "
            f"coefficients in rounds of {one.rows} rows as before are {more} x {rounds} = {more * rounds} "
            f"rounds at the same bpp; the default's plan has the same evaluations at every size: "
            f"{more} x {cost:,.0f} / {nfe:.0f}.",
            flush=True,
        )


def _coarsest(image: Image.Image, target: float, prior: Prior) -> tuple[float, int]:
    """Evaluations and bytes of the default with the coarsest step that reaches the PSNR, by bisection."""
    fine, coarse, size = BEST_STEP - 1, WORST_STEP + 1, 0
    while coarse - fine > 1:
        middle = (fine + coarse) // 2
        data, decoded = psc.simulate(image, at_step(middle), prior=prior)
        if psnr(decoded.image, image) >= target:
            fine, size = middle, len(data)
        else:
            coarse = middle
    if not size:
        raise psc.PscError(f"no step of the default reaches {target:.2f} dB: take fewer --paper-rounds")
    return DEFAULT.nfe(len(DEFAULT.rounds)), size


def slowest(threads: int) -> list[Codec]:
    """AVIF and JPEG XL at the settings that take longest."""

    def avif(image: Image.Image, level: int) -> bytes:
        out = io.BytesIO()
        image.save(out, "AVIF", quality=level, speed=0, subsampling="4:4:4", max_threads=threads)
        return out.getvalue()

    def jpeg_xl(image: Image.Image, level: int) -> bytes:
        how = {"distance": 25 / 2 ** (level / 12), "effort": 10, "numthreads": threads}
        return bytes(imagecodecs.jpegxl_encode(np.asarray(image), **how))

    known = codecs()
    changes = {
        "avif": {"label": "AVIF at speed 0", "encode": avif},
        "jpegxl": {"label": "JPEG XL at effort 10", "encode": jpeg_xl},
    }
    return [dataclasses.replace(known[name], **new) for name, new in changes.items()]


def others(image: Image.Image, quality: float, threads: int, prior: Prior) -> None:
    """Seconds of a default encode against other codecs' slowest, at about the same size."""
    start = time.perf_counter()
    size = len(psc.encode(image, quality=quality, prior=prior))
    own = time.perf_counter() - start
    for codec in slowest(threads):
        found, times = nearest_below(codec, image, size), []
        for _ in range(REPEATS):
            start = time.perf_counter()
            codec.encode(image, found.setting)
            times.append(time.perf_counter() - start)
        other = np.median(times)
        print(
            f"Seconds against {codec.label}: {own / other:.0f}. A default encode at "
            f"{image.width}x{image.height} takes {own:.2f} s for {size} bytes, {codec.label} {other:.3f} s "
            f"for {len(found.data)} bytes (median of {REPEATS}; {threads} threads).",
            flush=True,
        )


def share(image: Image.Image, quality: float, prior: EmbeddedPrior) -> None:
    """What of an encode is convolutions, by stopwatches around the kernels."""
    inside, network = Stopwatch(), Stopwatch()
    number = torch.get_num_threads()
    torch.set_num_threads(1)
    with (
        mock.patch.object(convolution.Bytes, "_pointwise", inside.around(convolution.Bytes._pointwise)),
        mock.patch.object(convolution.Float, "sums", inside.around(convolution.Float.sums)),
        mock.patch.object(prior, "denoise", network.around(prior.denoise)),
    ):
        start = time.perf_counter()
        psc.encode(image, quality=quality, prior=prior)
        whole = time.perf_counter() - start
    torch.set_num_threads(number)
    rest = network.seconds - inside.seconds
    print(
        f"Convolutions: {100 * inside.seconds / whole:.0f} % of an encode at {image.width}x{image.height} on "
        f"1 thread, {inside.seconds:.2f} of {whole:.2f} s ({inside.calls:,} calls, {prior.kernel}); the "
        f"network's other operations are {100 * rest / whole:.0f} %, and what is outside the network "
        f"{100 - 100 * network.seconds / whole:.0f} %.",
        flush=True,
    )
