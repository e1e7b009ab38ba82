"""Seconds, network evaluations and peak memory of encoding and decoding, against size and rate.

    python -m benchmarks.speed PICTURE --sides 64 128 256 512 --qualities 43
    python -m benchmarks.speed PICTURE --sides 256 --qualities 10 30 50 70
    python -m benchmarks.speed PICTURE                                          the whole picture

Centre crops of one picture. Every encode and decode has a process of its own, so that peaks are its own (with
PyTorch, some 250 MB). Seconds are without starting Python and loading the prior. Prints a table in Markdown;
nothing else should run on the machine.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.kodak import centre_crop
from psc.images import read_image

STAGE = """
import json, resource, sys, time
import torch
torch.set_num_threads(int(sys.argv[1]))
import psc
from psc.images import read_image
prior = psc.load_prior()
start = time.perf_counter()
if sys.argv[2] == "encode":
    data = psc.encode(read_image(sys.argv[3]).convert("RGB"), quality=float(sys.argv[5]), prior=prior)
    open(sys.argv[4], "wb").write(data)
    nfe = [psc.info(data)["nfe"], 0]
else:
    nfe = psc.decode_details(open(sys.argv[4], "rb").read(), prior=prior).nfe
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps({"seconds": time.perf_counter() - start, "peak": peak, "nfe": sum(nfe)}))
"""
HEAD = "| pixels | quality | file | bpp | encode | | | decode | | |"


def stages(picture: Path, quality: float, threads: int) -> tuple[int, list[dict[str, float]]]:
    """The file's bytes, and what encoding and decoding took."""
    file, found = picture.with_suffix(".psc"), []
    for stage in ("encode", "decode"):
        command = [sys.executable, "-c", STAGE, str(threads), stage, str(picture), str(file), str(quality)]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        found.append(json.loads(done.stdout))
    return file.stat().st_size, found


def lines(a: argparse.Namespace, folder: Path) -> Iterator[str]:
    """The table, line by line."""
    yield HEAD
    yield "| --- " * (HEAD.count("|") - 1) + "|"
    whole = read_image(str(a.picture)).convert("RGB")
    for side in a.sides or [0]:
        picture = folder / f"{side}.png"
        image = centre_crop(whole, side) if side else whole
        image.save(picture)
        for quality in a.qualities:
            size, found = stages(picture, quality, a.threads)
            cells = [f"{image.width}x{image.height}", f"{quality:g}", f"{size:,} bytes"]
            cells.append(f"{8 * size / (image.width * image.height):.3f}")
            for one in found:
                cells += [f"{one['nfe']:.0f} NFE", f"{one['seconds']:.1f} s", f"{one['peak']:.0f} MB"]
            yield f"| {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("picture", type=Path)
    parser.add_argument("--sides", type=int, nargs="*", help="of centre crops; default: the whole picture")
    parser.add_argument("--qualities", type=float, nargs="+", default=[43.0])
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for line in lines(arguments, Path(folder)):
            print(line, flush=True)


if __name__ == "__main__":
    main()
