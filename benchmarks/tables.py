"""Tables in Markdown of what `psc evaluate` has found.

    python -m benchmarks.tables OUT [--of psc-default-mean]

OUT: the folder of a finished run. Means over the pictures, as in OUT/summaries; BD-rates of --of against the
others, by PCHIP over the qualities that both reach; of what is better lower, over its negative.
"""

import argparse
import json
from pathlib import Path

from psc.evaluate.bd import bd_rate

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


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--of", default="psc-default-mean")
    a = parser.parse_args()
    curves = [json.loads(p.read_text()) for p in sorted((a.folder / "summaries").glob("*.json"))]
    columns = [name for name in COLUMNS if any(name in c["results"] for c in curves)]
    line("codec", *(COLUMNS[name][0] for name in columns))
    line(*["---"] * (len(columns) + 1))
    for curve in curves:
        for i in range(len(curve["results"]["bpp"])):
            found = [curve["results"].get(name) for name in columns]
            line(curve["name"], *(value(n, v and v[i]) for n, v in zip(columns, found, strict=True)))
    print()
    test = next(c["results"] for c in curves if c["name"] == a.of)
    qualities = [name for name in QUALITIES if name in test]
    line(f"BD-rate of {a.of} against", *(COLUMNS[name][0].split(",")[0] for name in qualities))
    line(*["---"] * (len(qualities) + 1))
    for curve in curves:
        if curve["name"] != a.of:
            pairs = [(points(curve["results"], name), points(test, name)) for name in qualities]
            rates = [bd_rate(anchor, tested) for anchor, tested in pairs]
            line(curve["name"], *("no overlap" if r is None else f"{r:+.1f} %" for r in rates))


def line(*cells: str) -> None:
    print("| " + " | ".join(cells) + " |")


def value(name: str, found: float | None) -> str:
    return "" if found is None else format(found, COLUMNS[name][1])


def points(results: dict, name: str) -> list[tuple[float, float]]:
    sign = -1 if name in LOWER else 1
    return [(bpp, sign * value) for bpp, value in zip(results["bpp"], results.get(name, []), strict=False)]


if __name__ == "__main__":
    main()
