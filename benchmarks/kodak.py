"""Rate and distortion on centre crops of a folder of pictures: PSC and what Pillow can write.

    python -m benchmarks.kodak DIR --rates 37 45 55 65 --out benchmarks/results/kodak.jsonl
    python -m benchmarks.kodak DIR --table --out benchmarks/results/kodak.jsonl

Whole-file bytes, PSNR over RGB after rounding to 8 bits. One JSON line per picture and rate; lines that are
there already are not computed again. For each of our files the other codecs' file nearest in size is
reported. ``--simulate`` restores from the encoder's session instead of decoding the file.
"""

import argparse
import dataclasses
import io
import json
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image, features

import psc
from benchmarks.curves import Curve, bd_rate
from psc.images.pixels import psnr

Quality = Callable[[Image.Image, int], bytes]


def _pillow(kind: str, **options: object) -> Quality:
    def write(image: Image.Image, quality: int) -> bytes:
        out = io.BytesIO()
        chosen = {k: v(quality) if callable(v) else v for k, v in options.items()}
        image.save(out, kind, **chosen)
        return out.getvalue()

    return write


CODECS: dict[str, tuple[Quality, range]] = {
    "JPEG": (_pillow("JPEG", quality=lambda q: q, optimize=True, progressive=True), range(1, 91, 2)),
    "JPEG 2000": (
        _pillow(
            "JPEG2000",
            quality_mode="rates",
            quality_layers=lambda q: [q],
            irreversible=True,
            mct=1,
            no_jp2=True,
        ),
        range(430, 10, -6),
    ),
    "WebP": (_pillow("WEBP", quality=lambda q: q, method=6), range(0, 81, 4)),
    "AVIF": (_pillow("AVIF", quality=lambda q: q, speed=2, subsampling="4:4:4"), range(2, 66, 4)),
}


def centre_crop(image: Image.Image, side: int) -> Image.Image:
    left, top = (image.width - side) // 2, (image.height - side) // 2
    return image.crop((left, top, left + side, top + side))


def others(image: Image.Image) -> dict[str, list[tuple[int, float]]]:
    """Bytes and PSNR of every codec at every quality."""
    curves = {}
    for name, (write, qualities) in CODECS.items():
        if name == "AVIF" and not features.check("avif"):
            continue
        files = [write(image, q) for q in qualities]
        curves[name] = [(len(f), psnr(image, Image.open(io.BytesIO(f)).convert("RGB"))) for f in files]
    return curves


def ours(image: Image.Image, chosen: psc.Settings, prior: object, simulate: bool) -> dict[str, object]:
    start = time.perf_counter()
    if simulate:
        data, decoded = psc.simulate(image, chosen, prior=prior)
    else:
        data = psc.encode_with(image, chosen, prior=prior)
    middle = time.perf_counter()
    if not simulate:
        decoded = psc.decode_details(data, prior=prior)
    return {
        "bytes": len(data),
        "psnr": psnr(image, decoded.image),
        "nfe": decoded.nfe,
        "seconds": [middle - start, time.perf_counter() - middle],
        "decoded": not simulate,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


def measure(arguments: argparse.Namespace) -> None:
    out = Path(arguments.out)
    out.parent.mkdir(parents=True, exist_ok=True)
    lines = [json.loads(x) for x in out.read_text().splitlines()] if out.exists() else []
    done = {(x["image"], x["preset"], x["rate"]) for x in lines}
    others_of = {x["image"]: x["others"] for x in lines if x["pixels"] == arguments.crop**2}
    prior = psc.load_prior()
    paths = sorted(Path(arguments.folder).glob("*.png"))
    for rate in arguments.rates:
        for number in arguments.images or range(1, len(paths) + 1):
            path = paths[number - 1]
            if (path.name, arguments.preset, rate) in done:
                continue
            image = centre_crop(Image.open(path).convert("RGB"), arguments.crop)
            chosen = psc.settings(rate, arguments.preset)
            if arguments.rounds:
                chosen = dataclasses.replace(chosen, rounds=arguments.rounds)
            row = {"image": path.name, "preset": arguments.preset, "rate": rate, "pixels": arguments.crop**2}
            row |= ours(image, chosen, prior, arguments.simulate)
            known = others_of.get(path.name) or (others(image) if arguments.crop >= 128 else {})
            row["others"] = others_of[path.name] = known
            with out.open("a") as file:
                file.write(json.dumps(row) + "\n")
            print(path.name, rate, row["bytes"], round(row["psnr"], 2), file=sys.stderr, flush=True)


def nearest(curve: list[tuple[int, float]], size: int) -> tuple[int, float]:
    return tuple(min(curve, key=lambda point: abs(point[0] - size)))


def table(arguments: argparse.Namespace) -> None:
    rows = [json.loads(x) for x in Path(arguments.out).read_text().splitlines()]
    wanted = {f"{n:02d}.png" for n in arguments.images} if arguments.images else {r["image"] for r in rows}
    names = [name for name in CODECS if name in rows[0]["others"]]
    print("| rate | pictures | PSC: bpp -> dB | NFE | " + " | ".join(names) + " |")
    print("| --- " * (4 + len(names)) + "|")
    for preset, rate in sorted({(r["preset"], r["rate"]) for r in rows}):
        some = [r for r in rows if (r["preset"], r["rate"]) == (preset, rate) and r["image"] in wanted]
        if not some:
            continue
        points = [[(r["bytes"], r["psnr"]) for r in some]]
        points += [[nearest(r["others"][n], r["bytes"]) for r in some] for n in names]
        cells = []
        for point in points:
            bpp = np.mean([8 * p[0] / r["pixels"] for p, r in zip(point, some, strict=True)])
            cells.append(f"{bpp:.3f} -> {np.mean([p[1] for p in point]):.2f}")
        nfe = np.mean([r["nfe"] for r in some], axis=0)
        cells.insert(1, f"{nfe[0]:.0f} + {nfe[1]:.0f}")
        print(f"| {preset} {rate:g} | {len(some)} | " + " | ".join(cells) + " |")


def against(arguments: argparse.Namespace) -> None:
    """BD-rate of ``--preset`` against another one, over the pictures and rates that both have."""
    rows = [json.loads(x) for x in Path(arguments.out).read_text().splitlines()]
    wanted = {f"{n:02d}.png" for n in arguments.images} if arguments.images else {r["image"] for r in rows}
    curves: dict[str, Curve] = {}
    for preset in (arguments.against, arguments.preset):
        some = [r for r in rows if r["preset"] == preset and r["image"] in wanted]
        rates = sorted({r["rate"] for r in some})
        files = [[(r["bytes"], r["psnr"]) for r in some if r["rate"] == rate] for rate in rates]
        whole = [points for points in files if len(points) == len(wanted)]
        curves[preset] = list(zip(*mean_curve(whole, rows[0]["pixels"]), strict=True))
        print(preset, ", ".join(f"{bpp:.4f} bpp {db:.2f} dB" for bpp, db in curves[preset]))
    print(f"BD-rate: {bd_rate(curves[arguments.against], curves[arguments.preset]):+.1f} %")


def plot(arguments: argparse.Namespace) -> None:
    """Mean bits per pixel against mean PSNR: ours by rate, the others by quality setting."""
    from matplotlib import pyplot

    rows = [json.loads(x) for x in Path(arguments.out).read_text().splitlines()]
    pixels = rows[0]["pixels"]
    first = list({r["image"]: r["others"] for r in rows}.values())
    figure, axes = pyplot.subplots(figsize=(7, 4.5))
    rates = sorted({r["rate"] for r in rows})
    ours_of = [[(r["bytes"], r["psnr"]) for r in rows if r["rate"] == rate] for rate in rates]
    axes.plot(*mean_curve(ours_of, pixels), "o-", linewidth=2, color="black", label="PSC")
    for name in first[0]:
        settings = list(zip(*(others[name] for others in first), strict=True))
        axes.plot(*mean_curve(settings, pixels), ".-", linewidth=1, label=name)
    axes.set(xlim=(0, 0.45), ylim=(20, 30), xlabel="bits per pixel (whole file)", ylabel="PSNR, dB")
    axes.legend(loc="lower right")
    axes.grid(alpha=0.3)
    figure.savefig(arguments.plot, dpi=110, bbox_inches="tight")


def mean_curve(points: list, pixels: int) -> tuple[list[float], list[float]]:
    """Bits per pixel and PSNR, the means over pictures of each setting's (bytes, PSNR)."""
    means = [np.mean(some, axis=0) for some in points]
    return [8 * m[0] / pixels for m in means], [m[1] for m in means]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder")
    parser.add_argument("--rates", type=float, nargs="*", default=[37])
    parser.add_argument("--preset", default="default")
    parser.add_argument("--images", type=int, nargs="*", help="numbers of pictures, from 1 (default: all)")
    parser.add_argument("--crop", type=int, default=256)
    parser.add_argument("--rounds", type=int, help="instead of the quality's number of rounds")
    parser.add_argument("--simulate", action="store_true")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--table", action="store_true", help="print the table of what was measured")
    parser.add_argument("--against", metavar="PRESET", help="print the BD-rate of --preset against this one")
    parser.add_argument("--plot", metavar="PNG", help="draw the curves of what was measured")
    parser.add_argument("--out", default="benchmarks/results/kodak.jsonl")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    work = table if arguments.table else plot if arguments.plot else against if arguments.against else measure
    work(arguments)


if __name__ == "__main__":
    main()
