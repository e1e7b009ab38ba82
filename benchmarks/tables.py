"""Tables in Markdown of what `psc evaluate` has found.

    python -m benchmarks.tables OUT... [--of psc-default-mean] [--against avif]

OUT: the folders of finished runs of the same pictures, each codec in one of them. Means over the pictures, as
in OUT/summaries; BD-rates of --of against the others, by PCHIP over the qualities that both reach; of what is
better lower, over its negative. The BD-rate per picture is by PSNR: mean, standard error, least and most.
Then, at each rate of --against, which PSNR and which distance --of has there (PCHIP over log bpp), and how
many more bits it needs for the same.
"""

import argparse
import json
from pathlib import Path

import numpy as np
from scipy.interpolate import PchipInterpolator

from benchmarks.efforts import mean_and_error
from psc.evaluate.bd import ascending, bd_rate
from psc.evaluate.results import Results

COLUMNS = {
    "bpp": ("bpp", ".4f"),
    "psnr-rgb": ("PSNR, dB", ".2f"),
    "ssim": ("SSIM", ".3f"),
    "ms-ssim-rgb": ("MS-SSIM", ".3f"),
    "ssimulacra2": ("SSIMULACRA2", ".1f"),
    "st-lpips": ("ST-LPIPS", ".4f"),
    "fd-efficientnet": ("distance", ".0f"),
    "encoding_time": ("encode, s", ".1f"),
    "decoding_time": ("decode, s", ".1f"),
    "encode_nfe": ("NFE", ".0f"),
    "decode_nfe": ("NFE", ".0f"),
}
QUALITIES = ("psnr-rgb", "ssim", "ms-ssim-rgb", "ssimulacra2", "st-lpips", "fd-efficientnet")
LOWER = ("st-lpips", "fd-efficientnet")
"""Those that are better lower."""
Points = list[tuple[float, float]]
"""Of a curve: bits per pixel, quality."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--of", default="psc-default-mean")
    parser.add_argument("--against", default="avif")
    a = parser.parse_args()
    curves = [json.loads(p.read_text()) for f in a.folders for p in sorted((f / "summaries").glob("*.json"))]
    test = next(c["results"] for c in curves if c["name"] == a.of)
    every_point(curves)
    print()
    rates_of(a.of, test, curves, by_picture(a.folders))
    anchor = next((c["results"] for c in curves if c["name"] == a.against), None)
    for quality in ("psnr-rgb", "fd-efficientnet"):
        if anchor and quality in anchor and quality in test:
            print()
            at_the_rates_of(a.against, quality, points(anchor, quality), points(test, quality))


def every_point(curves: list[dict]) -> None:
    """All the means, a line for each codec and rate."""
    columns = [name for name in COLUMNS if any(name in c["results"] for c in curves)]
    line("codec", *(COLUMNS[name][0] for name in columns))
    line(*["---"] * (len(columns) + 1))
    for curve in curves:
        for i in range(len(curve["results"]["bpp"])):
            found = [curve["results"].get(name) for name in columns]
            line(curve["name"], *(value(n, v and v[i]) for n, v in zip(columns, found, strict=True)))


def rates_of(name: str, test: dict, curves: list[dict], pictures: list[dict[str, Points]]) -> None:
    """The BD-rates of a codec, whose means are given, against each of the others."""
    qualities = [quality for quality in QUALITIES if quality in test]
    heads = [COLUMNS[quality][0].split(",")[0] for quality in qualities]
    line(f"BD-rate of {name} against", *heads, "PSNR, per picture")
    line(*["---"] * (len(qualities) + 2))
    for curve in (curve for curve in curves if curve["name"] != name):
        pairs = [(points(curve["results"], quality), points(test, quality)) for quality in qualities]
        rates = [bd_rate(anchor, tested) for anchor, tested in pairs]
        cells = ["no overlap" if r is None else f"{r:+.1f} %" for r in rates]
        line(curve["name"], *cells, spread(pictures, curve["name"], name))


def by_picture(folders: list[Path]) -> list[dict[str, Points]]:
    """PSNR over bits per pixel of every picture, by codec."""
    found: dict[str, dict[str, set[tuple[float, float]]]] = {}
    rows = [row for folder in folders for row in Results(folder).rows()]
    for row in rows:
        if "error" not in row:
            curves = found.setdefault(row["image"], {})
            curves.setdefault(row["codec"], set()).add((row["bpp"], row["metrics"]["psnr"]))
    return [{name: sorted(some) for name, some in curves.items()} for curves in found.values()]


def spread(pictures: list[dict[str, Points]], anchor: str, test: str) -> str:
    """The BD-rate per picture: its mean with standard error, its least and most, and how often it is less."""
    rates = [bd_rate(p[anchor], p[test]) for p in pictures if anchor in p and test in p]
    known = [rate for rate in rates if rate is not None]
    if not known:
        return ""
    less = sum(rate < 0 for rate in known)
    return f"{mean_and_error(known)}, {min(known):+.0f} to {max(known):+.0f}; {less} less"


def at_the_rates_of(name: str, quality: str, anchor: Points, test: Points) -> None:
    """What the tested curve has at the anchor's rates, and which rate has the anchor's quality."""
    rates, qualities = np.array(ascending(test)).T
    quality_at = PchipInterpolator(np.log(rates), qualities, extrapolate=False)
    rate_at = PchipInterpolator(qualities, np.log(rates), extrapolate=False)
    head = COLUMNS[quality][0]
    line(f"bpp of {name}", f"its {head}", "ours there", f"bits for its {head.split(',')[0]}")
    line(*["---"] * 4)
    sign = -1 if quality in LOWER else 1
    for bpp, reached in anchor:
        ours, more = float(quality_at(np.log(bpp))), 100 * float(np.exp(rate_at(reached)) / bpp - 1)
        there = "" if np.isnan(ours) else value(quality, sign * ours)
        bits = "" if np.isnan(more) else f"{more:+.1f} %"
        line(f"{bpp:.4f}", value(quality, sign * reached), there, bits)


def line(*cells: str) -> None:
    print("| " + " | ".join(cells) + " |")


def value(name: str, found: float | None) -> str:
    return "" if found is None else format(found, COLUMNS[name][1])


def points(results: dict, name: str) -> Points:
    sign = -1 if name in LOWER else 1
    return [(bpp, sign * value) for bpp, value in zip(results["bpp"], results.get(name, []), strict=False)]


if __name__ == "__main__":
    main()
