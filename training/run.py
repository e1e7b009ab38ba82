"""A training run: network, average, optimisers, log; on disk in one folder, to be resumed from there."""

import argparse
import copy
import json
import math
import time
from dataclasses import asdict

import torch

from psc.levels import HIGHEST, LOWEST
from psc.prior.network import SCALES, scale_above
from training.data import Patches
from training.network import Net, loss
from training.optimiser import optimisers
from training.validate import denoising_error

WARM_UP = 200
AVERAGE = 0.999


class Run:
    """Everything that goes on from one step to the next. a: the arguments of training.train."""

    def __init__(self, net: Net, a: argparse.Namespace) -> None:
        self.net, self.a = net, a
        self.average = copy.deepcopy(net).requires_grad_(False)
        self.optimisers = optimisers(net, a.rate)
        self.step, self.seconds, self._sum, self._tick = 0, 0.0, 0.0, time.time()
        a.out.mkdir(parents=True, exist_ok=True)
        self._checkpoint = a.out / "checkpoint.pt"
        if self._checkpoint.exists():
            self._resume()

    def _resume(self) -> None:
        state = torch.load(self._checkpoint, weights_only=True, map_location=self.a.device)
        self.net.load_state_dict(state["net"])
        self.average.load_state_dict(state["average"])
        for optimiser, old in zip(self.optimisers, state["optimisers"], strict=True):
            optimiser.load_state_dict(old)
        self.step, self.seconds = state["step"], state["seconds"]

    def rate(self) -> float:
        """Linear warm-up, then half a cosine down to zero."""
        warm = min(1.0, (self.step + 1) / WARM_UP)
        return float(self.a.rate * warm * 0.5 * (1 + math.cos(math.pi * self.step / self.a.steps)))

    def advance(self, patches: Patches) -> None:
        device = self.a.device
        block, x = patches.batch(self.step)
        x = x.to(device)
        random = torch.Generator().manual_seed(self.a.seed * 2**32 + self.step)
        levels = draw_levels(len(x), random).to(device)
        noise = torch.randn(x.shape, generator=random).to(device)
        scale = torch.full_like(levels, SCALES.index(scale_above(block)))
        with torch.autocast(device, dtype=torch.bfloat16):
            value = loss(self.net, x, levels, scale, noise).mean()
        self.net.zero_grad()
        value.backward()
        torch.nn.utils.clip_grad_norm_(self.net.parameters(), 1.0)
        for optimiser in self.optimisers:
            for group in optimiser.param_groups:
                group["lr"] = self.rate()
            optimiser.step()
        self._after(float(value.detach()))

    def _after(self, value: float) -> None:
        self.step += 1
        self._sum += value
        keep = min(AVERAGE, (1 + self.step) / (10 + self.step))
        for mean, new in zip(self.average.parameters(), self.net.parameters(), strict=True):
            mean.lerp_(new.detach(), 1 - keep)
        last = self.step == self.a.steps
        if self.step % self.a.log == 0 or last:
            self.seconds += time.time() - self._tick
            self._write({"loss": round(self._sum / self.a.log, 5)})
            self._sum = 0.0
            if self.step % self.a.validate == 0 or last:
                self._write({"val": denoising_error(self.average, self.a.data / "val", self.a.device)})
                self.save()
            self._tick = time.time()

    def _write(self, what: dict[str, object]) -> None:
        line = json.dumps({"step": self.step, "seconds": round(self.seconds), "rate": self.rate(), **what})
        print(line, flush=True)
        with (self.a.out / "log.jsonl").open("a") as file:
            file.write(line + "\n")

    def save(self) -> None:
        state = {"shape": asdict(self.net.shape), "net": self.net.state_dict(),
                 "average": self.average.state_dict(),
                 "optimisers": [o.state_dict() for o in self.optimisers],
                 "step": self.step, "seconds": self.seconds}  # fmt: skip
        part = self._checkpoint.with_suffix(".part")
        torch.save(state, part)
        part.rename(self._checkpoint)


def draw_levels(count: int, random: torch.Generator) -> torch.Tensor:
    """Noise levels (count,): uniform over the sampler's list, with twice the weight below sigma = 1.6."""
    u = torch.rand(count, generator=random)
    low = torch.rand(count, generator=random) < 0.4
    return LOWEST + (u * torch.where(low, 38, HIGHEST - LOWEST + 1)).long()
