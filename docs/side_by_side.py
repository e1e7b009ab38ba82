"""The pictures of results.md: details of whole photographs by several codecs, at equal bytes.

    python docs/side_by_side.py EVALUATION

Writes docs/pictures/side-by-side.webp from the folder of a finished `psc evaluate KODAK --crop 0`. Bytes and
PSNR above a detail are the whole picture's.
"""

import sys
from pathlib import Path

from pictures import OUT, sheet
from PIL import Image

from psc.evaluate.results import Results

TARGET, SIDE = 0.1, 192
CODECS = {
    "psc-default-mean": "PSC, mean",
    "psc-default-sample": "PSC, sample",
    "avif": "AVIF",
    "heic": "HEIC",
    "jpegxl": "JPEG XL",
}
DETAILS = {
    "04.png": ("a face", (184, 290)),
    "13.png": ("texture", (210, 60)),
    "20.png": ("sky", (60, 40)),
    "10.png": ("text", (130, 10)),
}
"""What is shown, and its left upper corner."""


def main() -> None:
    results = Results(Path(sys.argv[1]))
    rows = {(row["image"], row["codec"]): row for row in results.rows() if row["target"] == TARGET}
    panels = []
    for name, (what, corner) in DETAILS.items():
        panels.append((f"{what}\nof {name}", detail(results.original(name), corner)))
        for codec, label in CODECS.items():
            row = rows[name, codec]
            text = f"{label}\n{row['bytes']:,} bytes, {row['metrics']['psnr']:.1f} dB"
            panels.append((text, detail(results.picture(row), corner)))
    sheet(OUT / "side-by-side.webp", panels, 1 + len(CODECS))


def detail(path: Path, corner: tuple[int, int]) -> Image.Image:
    left, top = corner
    with Image.open(path) as image:
        return image.crop((left, top, left + SIDE, top + SIDE))


if __name__ == "__main__":
    main()
