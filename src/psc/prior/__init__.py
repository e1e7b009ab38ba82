"""Pre-trained diffusion models behind one small interface."""

from psc.prior.embedded import load_embedded
from psc.prior.gaussian import HaarGaussian
from psc.prior.protocol import Differentiable, Prior

__all__ = ["Differentiable", "HaarGaussian", "Prior", "load_embedded", "load_prior"]


def load_prior(name: str = "embedded", *, device: str = "cpu") -> Prior:
    """The prior called ``name``: ``embedded`` (RGB photographs, ships inside the package)."""
    from psc.errors import PscError

    if name != "embedded":
        raise PscError(f"unknown prior {name!r}; this version knows: embedded")
    return load_embedded(device)
