"""Steps of training.run on one fast device: everything lies there, and no step waits for it.

Loss, scales, noise levels and optimiser are training.run's; patches, noise and gradients are made on the
device (training.resident), in large batches, with bfloat16 where autocast allows it.
"""

import copy
from collections.abc import Callable

import torch

from psc.prior.embedded.network import SCALES, Shape, scale_above
from training import levels
from training.network import Net, loss
from training.optimiser import optimisers
from training.resident import Resident
from training.run import AVERAGE
from training.weights import Weights

WARM_UP = 100
"""Steps."""
Loss = Callable[[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]


class FastRun:
    """A network, its average and its optimisers. step: how many were made. pixels: of a batch."""

    def __init__(
        self, shape: Shape, weights: Weights, patches: Resident, device: str, rate: float, seed: int
    ) -> None:
        net = Net(shape)
        net.load_state_dict(weights)
        self.net = net.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.average = copy.deepcopy(self.net).requires_grad_(False)
        self.patches, self.device, self.step, self._rate = patches, device, 0, rate
        self._optimisers = optimisers(self.net, rate, 1)
        self._levels = torch.Generator().manual_seed(seed)
        self._noise = torch.Generator(device).manual_seed(seed)
        self._sum, self._counted = torch.zeros((), device=device), 0
        self.loss: Loss = self.plain_loss

    def plain_loss(
        self, x: torch.Tensor, level: torch.Tensor, scale: torch.Tensor, noise: torch.Tensor
    ) -> torch.Tensor:
        """The mean over a batch."""
        with torch.autocast(self.device, dtype=torch.bfloat16):
            return loss(self.net, x, level, scale, noise).mean()

    def rate(self, factor: float) -> float:
        """The rate times a factor and the warm-up's."""
        return self._rate * factor * min(1.0, (self.step + 1) / WARM_UP)

    def advance(self, factor: float = 1.0) -> None:
        """One step; factor: of the rate."""
        block, x = self.patches.batch()
        level = levels.aimed(block, len(x), self._levels).to(self.device, non_blocking=True)
        noise = torch.empty_like(x).normal_(generator=self._noise)
        value = self.loss(x, level, torch.full_like(level, SCALES.index(scale_above(block))), noise)
        value.backward()
        torch.nn.utils.clip_grad_norm_(self.net.parameters(), 1.0)
        for optimiser in self._optimisers:
            for group in optimiser.param_groups:
                group["lr"] = self.rate(factor)
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
        self.step += 1
        keep = min(AVERAGE, (1 + self.step) / (10 + self.step))
        for mean, new in zip(self.average.parameters(), self.net.parameters(), strict=True):
            mean.lerp_(new.detach(), 1 - keep)
        self._sum += value.detach()
        self._counted += 1

    def mean_loss(self) -> tuple[int, float]:
        """Steps since the last time this was asked, and their mean loss; waits for the device."""
        found = self._counted, float(self._sum) / max(1, self._counted)
        self._sum.zero_()
        self._counted = 0
        return found
