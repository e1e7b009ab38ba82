"""python -m reference FILE.psc OUT.png."""

import argparse
import sys
from pathlib import Path

from PIL import Image

from reference import extras, header, network, restore
from reference.decode import decode


def main() -> None:
    """Decode a file with the embedded prior."""
    parser = argparse.ArgumentParser(prog="python -m reference", description="Decode a .psc file, slowly.")
    parser.add_argument("file", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--restoration", choices=restore.RESTORATIONS, default="mean")
    parser.add_argument("--weights", type=Path, default=network.WEIGHTS, help="the prior's .safetensors file")
    parser.add_argument("--partial", action="store_true", help="accept a file that lacks its end")
    options = parser.parse_args()
    data = options.file.read_bytes()
    carried = extras.parse(header.parse(data, options.partial).extras)
    prior = network.EmbeddedPrior(options.weights.read_bytes())
    try:
        pixels = decode(data, prior, options.restoration, options.partial)
    except ValueError as error:
        sys.exit(f"{options.file}: {error}")
    if extras.ALPHA in carried:
        sys.stderr.write("alpha is left out\n")
    image = Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)
    image.save(options.out, icc_profile=carried.get(extras.ICC), exif=carried.get(extras.EXIF, b""))


if __name__ == "__main__":
    main()
