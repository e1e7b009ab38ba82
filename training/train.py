"""Train the denoiser: in floating point for as long as it pays, then once more with integers.

    python -m training.train --data DATA --out RUNS/float --init src/psc/prior/embedded.safetensors
    python -m training.train --data DATA --out RUNS/cooled --from RUNS/float --steps 25000 --decay
    python -m training.train --data DATA --out RUNS/integers --integers \\
        --init RUNS/cooled/checkpoint.pt --steps 300 --rate 1e-4 --decay

The first goes on until it is stopped, writing OUT/checkpoint.pt every ten minutes; run the same command
again to resume. OUT/log.jsonl has loss, seconds, and every --validate steps the denoising error on val and
val2. The second goes on from the first one's checkpoint with a rate that falls to zero over the last fifth.
The third rounds, and writes OUT/embedded.safetensors, the prior. Batch and noise of step t depend on
(seed, t) only, so that a resumed run goes on as if it had not stopped, to the bit.
"""

import argparse
from hashlib import sha256
from pathlib import Path

import torch
from safetensors.torch import save

from psc.prior.embedded.network import Shape
from training.data import Patches, mapped, trained_on
from training.initial import start_from
from training.integers import calibrate, exported
from training.network import Net
from training.run import AIMS, Run

SHAPES = {
    "start": Shape(2, (48, 96, 192), (2, 2, 3), (2, 2)),
    "deep": Shape(2, (48, 96, 192), (2, 2, 5), (2, 3)),
    "tall": Shape(2, (48, 96, 192, 256), (2, 2, 3, 2), (2, 2, 1)),
    "blocks": Shape(4, (112, 224), (3, 4), (3,)),
}
PIXELS = 32 * 64 * 64
"""In a batch."""
CALIBRATION = 48
"""Batches on which the activations' units are chosen."""


def main() -> None:
    a = _arguments()
    torch.manual_seed(a.seed)
    torch.set_num_threads(1)  # an operation; see training.run
    patches = Patches(mapped(trained_on(a.data), a.cache or a.out), PIXELS, a.seed, a.symmetries)
    net = Net(SHAPES[a.shape])
    if a.init:
        start_from(net, a.init)
    if a.integers:
        calibrate(net, patches, CALIBRATION)
    run = Run(net.to(device=a.device, memory_format=torch.channels_last), a)
    if a.start and run.step == a.begun:
        run.load(torch.load(a.start / "checkpoint.pt", weights_only=True, map_location=a.device))
    print(f"{a.shape}: {sum(p.numel() for p in net.parameters()):,} parameters, step {run.step} of {a.steps}")
    while run.step < a.steps:
        run.advance(patches)
    if a.integers:
        weights = save(exported(run.average.cpu()))
        (a.out / "embedded.safetensors").write_bytes(weights)
        print(
            f"{a.out / 'embedded.safetensors'}: {len(weights):,} bytes, SHA-256 {sha256(weights).hexdigest()}"
        )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with train/ and val/")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--cache", type=Path, help="where block means are kept (gigabytes); default OUT")
    parser.add_argument("--init", type=Path, help="weights to start from; see training.initial")
    parser.add_argument("--from", dest="start", type=Path, help="run whose checkpoint to go on from, in OUT")
    parser.add_argument("--begun", type=int, default=0, help="steps that --init has behind it")
    parser.add_argument("--shape", choices=SHAPES, default="deep")
    parser.add_argument("--integers", action="store_true", help="second phase: round to integers, fine-tune")
    parser.add_argument("--steps", type=int, default=10**7)
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--decay", action="store_true", help="let the rate fall to zero over the last fifth")
    parser.add_argument("--aim", choices=AIMS, default="plans", help="which noise levels are drawn")
    parser.add_argument("--symmetries", type=int, choices=(1, 2, 8), default=8, help="of a patch")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--threads", type=int, default=2, help="on a CPU; a run is resumed with as many")
    parser.add_argument("--log", type=int, default=50)
    parser.add_argument("--validate", type=int, default=500)
    return parser.parse_args()


if __name__ == "__main__":
    main()
