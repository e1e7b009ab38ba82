"""What a region of interest gains at equal size.

    python -m benchmarks.regions DIR [--first 3] [--side 256] [--step 128] > regions.jsonl
    python -m benchmarks.regions --table regions.jsonl

Centre crops of a folder's first pictures, a JSON line each. A crop is encoded with one step everywhere, and
then to the size of that file with its middle (half of each side) as the region. PSNR of the mean
restorations.
"""

import argparse
import json
from pathlib import Path

import numpy as np
from PIL import Image

import psc
from benchmarks.crops import centre_crop
from psc.images.opening import read_image
from psc.images.pixels import psnr
from psc.plan.presets import at_step
from psc.prior import Prior


def measured(image: Image.Image, step: int, prior: Prior) -> dict[str, list[float]]:
    """Bytes, PSNR inside and outside of the region in dB: without the region and with it."""
    quarter, half = image.width // 4, image.width // 2
    plain, decoded = psc.simulate(image, at_step(step), prior=prior)
    data = psc.encode(image, target_size=len(plain), roi=[(quarter, quarter, half, half)], prior=prior)
    pictures = decoded.image, psc.decode(data, prior=prior)
    return {
        "bytes": [len(plain), len(data)],
        "inside": [psnr(_part(x, inside=True), _part(image, inside=True)) for x in pictures],
        "outside": [psnr(_part(x, inside=False), _part(image, inside=False)) for x in pictures],
    }


def _part(image: Image.Image, *, inside: bool) -> Image.Image:
    """The region's pixels, or all the others, in a row."""
    quarter, pixels = image.width // 4, np.asarray(image)
    region = np.zeros(pixels.shape[:2], dtype=bool)
    region[quarter : 3 * quarter, quarter : 3 * quarter] = True
    return Image.fromarray(pixels[region == inside][None])


def table(file: Path) -> None:
    """The lines as a table."""
    print("| picture | bytes | region | in the region | elsewhere |\n| --- | --- | --- | --- | --- |")
    for line in file.read_text().splitlines():
        row = json.loads(line)
        for i, what in enumerate(("none", "the middle")):
            gain = f" ({row['inside'][1] - row['inside'][0]:+.1f})" if i else ""
            print(
                f"| {row['picture']} | {row['bytes'][i]} | {what} | {row['inside'][i]:.2f} dB{gain} "
                f"| {row['outside'][i]:.2f} dB |"
            )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--first", type=int, default=3)
    parser.add_argument("--side", type=int, default=256)
    parser.add_argument("--step", type=int, default=128)
    parser.add_argument("--table", type=Path)
    args = parser.parse_args()
    if args.table:
        table(args.table)
        return
    prior = psc.load_prior()
    for path in sorted(args.folder.iterdir())[: args.first]:
        image = centre_crop(read_image(path).convert("RGB"), args.side)
        print(json.dumps({"picture": path.stem} | measured(image, args.step, prior)), flush=True)


if __name__ == "__main__":
    main()
