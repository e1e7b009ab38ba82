"""Train the denoiser: in floating point, then once more with integers.

    python -m training.train --data ../shared/data/photos --out training/runs/float --steps 6800 --rate 1.2e-3
    python -m training.train --data ../shared/data/photos --out training/runs/integers --integers \\
        --init training/runs/float/checkpoint.pt --steps 300 --rate 1e-4

Run the same command again to resume. Writes OUT/checkpoint.pt (weights, their average, optimisers, step) and
OUT/log.jsonl (loss, seconds, and every --validate steps the denoising error on the val folder); with
--integers also OUT/embedded.safetensors, the prior. Batch and noise of step t depend on (seed, t) only, so a
resumed run goes on as if it had not stopped.
"""

import argparse
from hashlib import sha256
from pathlib import Path

import torch
from safetensors.torch import save

from psc.prior.network import Shape
from training.data import Patches, load
from training.initial import start_from
from training.integers import calibrate, exported
from training.network import Net
from training.run import Run

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
    device = torch.device(a.device)
    patches = Patches(load([a.data / "train", a.data / "extra"]), PIXELS, a.seed)
    net = Net(SHAPES[a.shape])
    if a.init:
        start_from(net, a.init)
    if a.integers:
        calibrate(net, patches, CALIBRATION)
    run = Run(net.to(device=device, memory_format=torch.channels_last), a)  # type: ignore[call-overload]
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
    parser.add_argument("--data", type=Path, required=True, help="folder with train/, extra/ and val/")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--init", type=Path, help="weights to start from: a checkpoint.pt or the lab prior")
    parser.add_argument("--shape", choices=SHAPES, default="deep")
    parser.add_argument("--integers", action="store_true", help="second phase: round to integers, fine-tune")
    parser.add_argument("--steps", type=int, default=12000)
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--log", type=int, default=50)
    parser.add_argument("--validate", type=int, default=500)
    return parser.parse_args()


if __name__ == "__main__":
    main()
