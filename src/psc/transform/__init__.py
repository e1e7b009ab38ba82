"""The image-adaptive transform: a pyramid of windows, each with its own orthonormal rows."""

from psc.transform.pyramid import Band, Pyramid
from psc.transform.sensing import Proposal, propose
from psc.transform.windows import Full, Windows

__all__ = ["Band", "Full", "Proposal", "Pyramid", "Windows", "propose"]
