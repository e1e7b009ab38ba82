"""The prior inside the package: a small denoiser of RGB photographs (model card: embedded.md)."""

import functools
import hashlib
import importlib.resources

import torch
from safetensors.torch import load

from psc.errors import PscError
from psc.exact.threads import isolated
from psc.plan.noise_levels import HIGHEST, LOWEST, sigma
from psc.prior.embedded import verdicts
from psc.prior.embedded.float_network import FloatNetwork
from psc.prior.embedded.network import Network, scale_above
from psc.prior.embedded.tiles import pulled_back, tiled

WEIGHTS = "embedded.safetensors"
_NOISE_LEVELS = {sigma(j): j for j in range(LOWEST, HIGHEST + 1)}


class EmbeddedPrior:
    """The shipped network, evaluated in integers and in tiles; see :class:`psc.prior.Prior`.

    Attributes:
        kernel: Which convolutions it runs on, "int8", "float32" or "float64": the fastest that passed its
            test.
    """

    name = "embedded"
    channels, factor = 3, 1
    exact = True

    @isolated()
    def __init__(self, weights: bytes, device: torch.device, kernel: str | None = None) -> None:
        """A prior that is ready to be evaluated.

        Args:
            weights: Of a safetensors file.
            device: Where it is evaluated.
            kernel: Insist on one.

        Raises:
            PscError: If no kernel gives exact sums here, or not the one that is insisted on.
        """
        self.fingerprint = hashlib.sha256(weights).digest()
        self.device = device
        self._tensors = load(weights)
        path = verdicts.place(self.fingerprint) if device.type == "cpu" and kernel is None else None
        passed = verdicts.recall(path)
        self._network = Network(self._tensors, device, kernel, passed)
        self.kernel = self._network.kernel
        if self.kernel != passed:
            verdicts.note(path, self.kernel)
        self.multiple = self._network.shape.multiple

    @isolated()
    def denoise(self, x: torch.Tensor, sigma: float, scale: int = 1) -> torch.Tensor:
        """See :meth:`psc.prior.Prior.denoise`."""
        noise_level, known, network = _noise_level(sigma), scale_above(scale), self._network
        with torch.inference_mode():
            return tiled(lambda z: network(z, noise_level, known), x, halo=network.shape.receptive_field)

    @isolated()
    def pullback(self, x: torch.Tensor, v: torch.Tensor, sigma: float, scale: int = 1) -> torch.Tensor:
        """See :meth:`psc.prior.Differentiable.pullback`; the derivative is the floating-point network's."""
        noise_level, known = _noise_level(sigma), scale_above(scale)
        halo = self._network.shape.receptive_field
        return pulled_back(lambda z: self.float_network(z, noise_level, known), x, v, halo=halo)

    @functools.cached_property
    def float_network(self) -> FloatNetwork:
        """The network in floating point, differentiable."""
        return FloatNetwork(self._tensors, self._network.shape, self.device)


def _noise_level(sigma: float) -> int:
    if sigma not in _NOISE_LEVELS:
        raise PscError(
            f"the embedded prior knows {len(_NOISE_LEVELS)} noise levels (psc.plan.noise_levels), "
            f"and sigma = {sigma} is not one of them"
        )
    return _NOISE_LEVELS[sigma]


def load_embedded(device: str = "cpu", kernel: str | None = None) -> EmbeddedPrior:
    """The embedded prior.

    Args:
        device: "cpu", "cuda", ...
        kernel: Insist on one of :class:`EmbeddedPrior`'s; None for the fastest that passes its test.
    """
    weights = importlib.resources.files("psc.prior.embedded").joinpath(WEIGHTS).read_bytes()
    try:
        return EmbeddedPrior(weights, torch.device(device), kernel)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise PscError(f"device {device!r} cannot be used ({reason}); 'cpu' always works") from error
