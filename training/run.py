"""A training run: network, average, optimisers, log; on disk in one folder, to be resumed from there.

Warm-up, then a constant rate for as long as anybody likes; from whatever has been reached a copy is cooled
down (decay to zero) when a prior is to be shipped or measured (Hägele et al., 2024, arXiv 2405.18392).

Gradients are found on several threads, a share of the batch each, with one thread per operation: beside
other work none of them waits for another but once in a step, and their sum does not depend on who is first.
"""

import argparse
import copy
import json
import math
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from functools import partial

import torch

from psc.prior.embedded.network import SCALES, scale_above
from training import levels
from training.data import Patches
from training.network import Net, loss
from training.optimiser import optimisers
from training.validate import denoising_error

WARM_UP = 200
AVERAGE = 0.999
DECAY = 0.2
"""Share of all steps over which the rate falls to zero, if it is to."""
SAVE_SECONDS = 600
AIMS: dict[str, Callable[[int, int, torch.Generator], torch.Tensor]] = {
    "plans": levels.aimed,
    "everywhere": levels.everywhere,
}
State = dict[str, object]


class Run:
    """Everything that goes on from one step to the next. a: the arguments of training.train."""

    def __init__(self, net: Net, a: argparse.Namespace) -> None:
        self.net, self.a = net, a
        self.average = copy.deepcopy(net).requires_grad_(False)
        self.threads = 1 if a.device != "cpu" else a.threads
        self.optimisers = optimisers(net, a.rate, self.threads)
        self.step, self.seconds, self._sum = a.begun, 0.0, 0.0
        self._tick = self._saved = time.time()
        self._pool = ThreadPoolExecutor(self.threads, initializer=partial(torch.set_num_threads, 1))
        a.out.mkdir(parents=True, exist_ok=True)
        self._checkpoint = a.out / "checkpoint.pt"
        if self._checkpoint.exists():
            self.load(torch.load(self._checkpoint, weights_only=True, map_location=a.device))

    def load(self, state: State) -> None:
        """Go on from a checkpoint's state."""
        self.net.load_state_dict(state["net"])
        self.average.load_state_dict(state["average"])
        for optimiser, old in zip(self.optimisers, state["optimisers"], strict=True):
            optimiser.load_state_dict(old)
        self.step, self.seconds, self._sum = state["step"], state["seconds"], state["sum"]

    def rate(self) -> float:
        """Linear warm-up, then constant; with ``--decay`` linear to zero at the end."""
        warm = min(1.0, (self.step - self.a.begun + 1) / WARM_UP)
        left = (self.a.steps - self.step) / (DECAY * self.a.steps) if self.a.decay else 1.0
        return float(self.a.rate * warm * min(1.0, left))

    def advance(self, patches: Patches) -> None:
        """One step."""
        block, x = patches.batch(self.step)
        random = torch.Generator().manual_seed(self.a.seed * 2**32 + self.step)
        level = AIMS[self.a.aim](block, len(x), random)
        noise = torch.randn(x.shape, generator=random)
        shares = [range(i, len(x), self.threads) for i in range(self.threads)]
        parts = [(x[list(s)], level[list(s)], noise[list(s)]) for s in shares if len(s)]
        found = list(self._pool.map(partial(self._gradients, scale_above(block), len(x)), parts))
        for i, p in enumerate(self.net.parameters()):
            p.grad = sum(gradients[i] for _, gradients in found)
        torch.nn.utils.clip_grad_norm_(self.net.parameters(), 1.0)
        list(self._pool.map(partial(_update, self.rate()), self.optimisers))
        self._after(sum(float(value) for value, _ in found))

    def _gradients(
        self, scale: int, total: int, part: Iterable[torch.Tensor]
    ) -> tuple[torch.Tensor, tuple[torch.Tensor, ...]]:
        """A share's part of the mean loss over ``total`` patches, and of its gradients."""
        device = self.a.device
        x, level, noise = (each.to(device) for each in part)
        index = torch.full_like(level, SCALES.index(scale))
        with torch.autocast(device, dtype=torch.bfloat16, cache_enabled=False):
            value = loss(self.net, x, level, index, noise).sum() / total
        return value.detach(), torch.autograd.grad(value, list(self.net.parameters()))

    def _after(self, value: float) -> None:
        self.step += 1
        if not math.isfinite(value):
            raise SystemExit(f"the loss is {value} at step {self.step}: start again from the last checkpoint")
        self._sum += value
        keep = min(AVERAGE, (1 + self.step) / (10 + self.step))
        for mean, new in zip(self.average.parameters(), self.net.parameters(), strict=True):
            mean.lerp_(new.detach(), 1 - keep)
        last = self.step == self.a.steps
        if self.step % self.a.log == 0 or last:
            self._write({"loss": round(self._sum / self.a.log, 5)})
            self._sum = 0.0
        if self.step % self.a.validate == 0 or last:
            for name in ("val", "val2"):
                if (self.a.data / name).is_dir():
                    error = denoising_error(self.average, self.a.data / name, self.a.device)
                    self._write({name: error})
        if last or time.time() - self._saved > SAVE_SECONDS:
            self.save()

    def _write(self, what: State) -> None:
        now = time.time()
        self.seconds, self._tick = self.seconds + now - self._tick, now
        line = json.dumps({"step": self.step, "seconds": round(self.seconds), "rate": self.rate(), **what})
        print(line, flush=True)
        with (self.a.out / "log.jsonl").open("a") as file:
            file.write(line + "\n")

    def save(self) -> None:
        """Write the checkpoint: whole, or not at all."""
        state = {"shape": asdict(self.net.shape), "net": self.net.state_dict(),
                 "average": self.average.state_dict(),
                 "optimisers": [o.state_dict() for o in self.optimisers],
                 "step": self.step, "seconds": self.seconds, "sum": self._sum}  # fmt: skip
        part = self._checkpoint.with_suffix(".part")
        torch.save(state, part)
        part.rename(self._checkpoint)
        self._saved = time.time()


def _update(rate: float, optimiser: torch.optim.Optimizer) -> None:
    for group in optimiser.param_groups:
        group["lr"] = rate
    optimiser.step()
