"""Compress and restore one photograph with the embedded prior, beside a JPEG of the same size.

python examples/demo.py [PICTURE] [--quality Q] [--out FOLDER]
"""

import argparse
import io
import sys
import time
from pathlib import Path

from PIL import Image, ImageDraw

import psc
from psc.images.opening import read_image
from psc.images.pixels import psnr
from psc.session.progress import Progress

HERE = Path(__file__).parent


def jpeg_nearest(image: Image.Image, size: int) -> tuple[Image.Image, int]:
    """The JPEG whose size comes nearest to ``size`` bytes (the smallest that JPEG can do may be larger)."""
    files = []
    for quality in range(1, 96):
        out = io.BytesIO()
        image.save(out, "JPEG", quality=quality, optimize=True, progressive=True)
        files.append(out)
    best = min(files, key=lambda f: abs(f.getbuffer().nbytes - size))
    return Image.open(best).convert("RGB"), best.getbuffer().nbytes


def side_by_side(panels: list[tuple[str, Image.Image]]) -> Image.Image:
    width, height = panels[0][1].size
    scale = max(1, 384 // width)
    sheet = Image.new("RGB", (len(panels) * (width * scale + 8) - 8, height * scale + 20), "white")
    for i, (title, image) in enumerate(panels):
        left = i * (width * scale + 8)
        sheet.paste(image.resize((width * scale, height * scale), Image.Resampling.NEAREST), (left, 20))
        ImageDraw.Draw(sheet).text((left + 2, 4), title, fill="black")
    return sheet


def show(stage: str) -> object:
    def report(progress: Progress) -> None:
        if sys.stderr.isatty():
            text = f"{stage}: round {progress.rounds}/{progress.planned}, {progress.nfe:.0f} NFE"
            print(f"\r{text}, {progress.bits // 8} bytes ", end="", file=sys.stderr, flush=True)

    return report


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("picture", nargs="?", default=HERE / "chelsea.png", type=Path)
    parser.add_argument("--quality", type=float, default=36)
    parser.add_argument("--out", default=Path("demo"), type=Path)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    image = read_image(arguments.picture).convert("RGB")
    prior = psc.load_prior()

    start = time.perf_counter()
    data = psc.encode(image, quality=arguments.quality, prior=prior, progress=show("encode"))
    middle = time.perf_counter()
    file = arguments.out / f"{arguments.picture.stem}.psc"
    file.write_bytes(data)
    decoded = psc.decode_details(file.read_bytes(), prior=prior, progress=show("decode"))
    end = time.perf_counter()
    decoded.image.save(arguments.out / f"{arguments.picture.stem}.png")

    jpeg, jpeg_size = jpeg_nearest(image, len(data))
    panels = [
        (f"original {image.width}x{image.height}", image),
        (f"PSC {len(data)} bytes, {psnr(image, decoded.image):.2f} dB", decoded.image),
        (f"JPEG {jpeg_size} bytes, {psnr(image, jpeg):.2f} dB", jpeg),
    ]
    side_by_side(panels).save(arguments.out / "comparison.png")
    print(f"\n{file}: {len(data)} bytes, {8 * len(data) / image.width / image.height:.4f} bpp")
    print(
        f"restored: {psnr(image, decoded.image):.2f} dB; a JPEG of {jpeg_size} bytes: {psnr(image, jpeg):.2f}"
    )
    print(f"encode: {decoded.nfe[0]:.0f} NFE, {middle - start:.1f} s")
    print(f"decode: {decoded.nfe[0]:.0f} + {decoded.nfe[1]:.0f} NFE, {end - middle:.1f} s")
    print(f"pictures: {arguments.out}/comparison.png")


if __name__ == "__main__":
    main()
