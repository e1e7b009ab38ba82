"""Weights as priors: the shipped integers, other integers, or a network before it is rounded."""

from hashlib import sha256
from pathlib import Path

import torch
from safetensors.torch import save

import psc
from psc.plan.noise_levels import HIGHEST, LOWEST, sigma
from psc.prior import Prior
from psc.prior.embedded.network import SCALES, scale_above
from psc.prior.embedded.prior import EmbeddedPrior
from training.data import Patches, mapped
from training.initial import are_integers, load
from training.integers import calibrate, exported
from training.network import Net
from training.train import CALIBRATION, PIXELS
from training.weights import read

INDEX = {sigma(j): j for j in range(LOWEST, HIGHEST + 1)}


class FloatPrior:
    """A trained network before it is rounded, as a prior for experiments."""

    name, channels, factor, exact = "float", 3, 1, False

    def __init__(self, net: Net, fingerprint: bytes, device: str = "cpu") -> None:
        self.net = net.eval().to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.fingerprint, self.device = fingerprint, torch.device(device)
        self.multiple = net.shape.multiple

    def denoise(self, x: torch.Tensor, sigma: float, scale: int = 1) -> torch.Tensor:
        """See psc.prior.Prior.denoise."""
        level = torch.full((len(x),), INDEX[sigma], device=x.device)
        with torch.inference_mode():
            return self.net(x, level, torch.full_like(level, SCALES.index(scale_above(scale))))


def prior(name: str, device: str = "cpu", calibrate_on: Path | None = None) -> Prior:
    """name: "embedded", or what training.initial.load takes. Integers are evaluated as such.

    calibrate_on: a folder with train/; floats are rounded to integers first, without fine-tuning.
    """
    if name == "embedded":
        return psc.load_prior(device=device)
    path = Path(name)
    if path.suffix == ".safetensors" and are_integers(read(path)):
        return EmbeddedPrior(path.read_bytes(), torch.device(device))
    shape, weights = load(path)
    net = Net(shape)
    net.load_state_dict(weights)
    if calibrate_on:
        patches = Patches(mapped([calibrate_on / "train"], calibrate_on), PIXELS, 0)
        calibrate(net.to(memory_format=torch.channels_last), patches, CALIBRATION)  # type: ignore[call-overload]
        return EmbeddedPrior(save(exported(net)), torch.device(device))
    return FloatPrior(net, sha256(save(weights)).digest(), device)
