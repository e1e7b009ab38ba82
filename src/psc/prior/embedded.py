"""The prior inside the package: a small denoiser of RGB photographs (model card: embedded.md)."""

import functools
import hashlib
import importlib.resources

import torch
from safetensors.torch import load

from psc.errors import PscError
from psc.prior.network import Denoiser
from psc.prior.tiles import tiled

WEIGHTS = "embedded.safetensors"


class EmbeddedPrior:
    """The shipped network, evaluated in float32 and in tiles; see :class:`psc.prior.Prior`."""

    name = "embedded"
    channels = 3
    multiple = 8
    sigma_min, sigma_max = 0.02, 30.0
    native_size = 64
    exact = False

    def __init__(self, weights: bytes, device: torch.device) -> None:
        self.fingerprint = hashlib.sha256(weights).digest()
        self.device = device
        network = Denoiser().eval().requires_grad_(False)
        network.load_state_dict({name: value.float() for name, value in load(weights).items()})
        self._network = network.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]

    def denoise(self, x: torch.Tensor, sigma: float) -> torch.Tensor:
        """See :meth:`psc.prior.Prior.denoise`."""
        with torch.inference_mode():
            return tiled(functools.partial(self._network, sigma=sigma), x, halo=Denoiser.REACH)


def load_embedded(device: str = "cpu") -> EmbeddedPrior:
    """The embedded prior on ``device`` ("cpu", "cuda", ...)."""
    weights = importlib.resources.files("psc.prior").joinpath(WEIGHTS).read_bytes()
    try:
        prior = EmbeddedPrior(weights, torch.device(device))
        prior.denoise(torch.zeros(1, 3, 8, 8, device=device), 1.0).cpu()  # some devices fail only at work
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise PscError(f"device {device!r} cannot be used ({reason}); 'cpu' always works") from error
    return prior
