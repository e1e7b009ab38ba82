"""Seconds and peak memory of encoding and decoding one picture, each in a process of its own.

python -m benchmarks.speed PICTURE --quality 48 --threads 2
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

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
    nfe = []
else:
    nfe = psc.decode_details(open(sys.argv[4], "rb").read(), prior=prior).nfe
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps({"seconds": time.perf_counter() - start, "peak_mb": peak, "nfe": nfe}))
"""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("picture")
    parser.add_argument("--quality", type=float, default=48)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        file = str(Path(folder) / "picture.psc")
        for stage in ("encode", "decode"):
            command = [sys.executable, "-c", STAGE, str(arguments.threads), stage, arguments.picture, file]
            command.append(str(arguments.quality))
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            row = json.loads(done.stdout)
            print(f"{stage}: {row['seconds']:.1f} s, peak {row['peak_mb']:.0f} MB, NFE {row['nfe']}")
        print(f"{Path(file).stat().st_size} bytes")


if __name__ == "__main__":
    main()
