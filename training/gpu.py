"""Training for minutes on a fast machine: from a pack (training.pack) to better weights.

    python -m training.gpu PACK OUT --minutes 8
    python -m training.train --data DATA --out RUNS/float --init OUT            and on from there

The rate warms up, stays, and falls to zero over the last --decay of the time. Needs PyTorch, NumPy, Pillow
and safetensors. OUT gets

    average-1-of-2.safetensors ...        the average of the weights, float32, in parts; anew every minute
    before-decay-1-of-2.safetensors ...   the same when the rate begins to fall, to go on from for longer
    log.jsonl                             loss, steps and megapixels a second; error on the pack's val

With --compile, operations are compiled if that is possible and makes steps faster.
"""

import argparse
import json
import math
import time
from pathlib import Path

import torch

from training.fast_run import FastRun
from training.initial import load
from training.pack import opened
from training.resident import Resident
from training.validate import denoising_error
from training.weights import write

PART = 15e6
"""Bytes of a file of weights, at most."""
SAVE_SECONDS, VALIDATE_SECONDS = 60, 120
LAST_SECONDS = 10
"""Kept for the last weights and errors."""
TRIAL = 20
"""Steps by which plain and compiled operations are compared."""


class Minutes:
    """A run, its clock and what it leaves on disk. a: the arguments of main."""

    def __init__(self, a: argparse.Namespace) -> None:
        self.a, self._start = a, time.monotonic()
        self._end = 60 * a.minutes - min(LAST_SECONDS, 6 * a.minutes)
        self._kept, self._saved, self._validated = a.decay == 0, 0.0, 0.0
        a.out.mkdir(parents=True, exist_ok=True)
        shape, weights = load(a.pack)
        patches = Resident(opened(a.pack), a.pixels, a.device, a.seed)
        self.run = FastRun(shape, weights, patches, a.device, a.rate, a.seed)
        name = torch.cuda.get_device_name() if a.device.startswith("cuda") else a.device
        self.write({"device": name, "torch": torch.__version__, "pixels": a.pixels})
        self._reported = self.seconds()

    def seconds(self) -> float:
        """Since the start."""
        return time.monotonic() - self._start

    def over(self) -> bool:
        """Whether time or steps are spent."""
        return self.seconds() >= self._end or self.run.step >= self.a.steps

    def factor(self) -> float:
        """What the rate is multiplied by: 1, then falling to 0 with the time."""
        left = (self._end - self.seconds()) / (self.a.decay * self._end) if self.a.decay else 1.0
        return max(0.0, min(1.0, left))

    def go(self) -> None:
        """Until it is over."""
        if self.a.compile:
            compile_if_faster(self)
        while not self.over():
            self.run.advance(self.factor())
            if self.run.step % self.a.log == 0:
                self.report()
                self.tend()
        self.report()
        self.save("average")
        self.validate()

    def tend(self) -> None:
        """Write what is due."""
        now = self.seconds()
        if not self._kept and now > (1 - self.a.decay) * self._end:
            self.save("before-decay")
            self._kept = True
        if now - self._saved > SAVE_SECONDS:
            self.save("average")
            self._saved = now
        if now - self._validated > VALIDATE_SECONDS:
            self.validate()
            self._validated = now

    def report(self) -> None:
        """The loss since the last line, and how fast it went."""
        count, mean = self.run.mean_loss()
        if not count:
            return
        speed = count / (self.seconds() - self._reported)
        self.write({"loss": round(mean, 5), "rate": self.run.rate(self.factor()), "steps/s": round(speed, 3),
                    "megapixels/s": round(speed * self.a.pixels / 1e6, 2)})  # fmt: skip
        if not math.isfinite(mean):
            raise SystemExit("the loss is not finite; the weights of a minute ago are there")
        self._reported = self.seconds()

    def save(self, name: str) -> None:
        """The average, in parts."""
        net = self.run.average
        write(net.state_dict(), net.shape, self.a.out, name, torch.float32, PART)

    def validate(self) -> None:
        """Errors of the average on the pictures that the pack has."""
        for name in ("val", "val2"):
            if (self.a.pack / name).is_dir():
                self.write({name: denoising_error(self.run.average, self.a.pack / name, self.a.device)})
        self._reported = self.seconds()

    def write(self, what: dict[str, object]) -> None:
        """A line of the log."""
        step = self.run.step
        line = json.dumps({"step": step, "seconds": round(self.seconds(), 1), **what})
        print(line, flush=True)
        with (self.a.out / "log.jsonl").open("a") as file:
            file.write(line + "\n")


def compile_if_faster(minutes: Minutes) -> None:
    """Choose between plain and compiled operations by steps that count like any other."""
    run = minutes.run

    def trial() -> float:
        start = minutes.seconds()
        for _ in range(TRIAL):
            run.advance()
        minutes.report()  # waits for the device
        return (minutes.seconds() - start) / TRIAL

    trial()  # of first times
    plain, start = trial(), minutes.seconds()
    try:
        run.loss = torch.compile(run.plain_loss, dynamic=True)
        trial()
        needed, compiled = minutes.seconds() - start, trial()
    except Exception as error:  # whatever a compiler may raise
        run.loss = run.plain_loss
        minutes.write({"compiled": False, "why": f"{type(error).__name__}: {str(error)[:300]}"})
        return
    if compiled >= plain:
        run.loss = run.plain_loss
    minutes.write({"compiled": compiled < plain, "seconds to compile": round(needed, 1),
                   "seconds a step": [round(plain, 4), round(compiled, 4)]})  # fmt: skip


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("pack", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--minutes", type=float, default=8, help="in all, from reading the pack to the end")
    parser.add_argument("--steps", type=int, default=10**9, help="at most")
    parser.add_argument("--pixels", type=int, default=2**20, help="in a batch")
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--decay", type=float, default=0.25, help="share of the time; 0: constant rate")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--log", type=int, default=50, help="steps between two lines")
    Minutes(parser.parse_args(arguments)).go()


if __name__ == "__main__":
    main()
