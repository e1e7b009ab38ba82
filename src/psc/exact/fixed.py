"""Fixed-point grids.

====================  =====  ================================================================
quantity              bits   why it fits
====================  =====  ================================================================
pixels, coefficients    16   norm of a window below 2^10, with noise below 2^16
rows of H               20   unit norm; with coefficients at most 52 bits (Cauchy-Schwarz bounds
                             every partial sum by the product of the norms)
deviations for PCA      14   norm below 2^12: squares below 2^52
eigenvectors            24   times a deviation: below 2^52
reflections             18   psc.transform.full_basis
T of reflections        17   at most 2; at most 512 of them times 2^9.5: below 2^53
====================  =====  ================================================================
"""

import numpy as np
import torch

STATE_BITS = 16
ROW_BITS = 20
DEVIATION_BITS = 14
VECTOR_BITS = 24
REFLECTION_BITS = 18
TRIANGLE_BITS = 17
PIXEL_LIMIT, LATENT_LIMIT = 1.5, 8.0
"""Estimates of pixels (of latents) are clamped to [-limit, limit]: the norm bounds rest on it."""


def to_grid(x: torch.Tensor, bits: int = STATE_BITS) -> torch.Tensor:
    """Round ``x`` to multiples of 2^-bits, ties to even; the result is float64 of the same shape."""
    return to_grid_(x.to(torch.float64, copy=True), bits)


def to_grid_(x: torch.Tensor, bits: int = STATE_BITS) -> torch.Tensor:
    """The same for floating-point numbers that are needed no more: in place, in their own type."""
    scale = float(2**bits)
    return x.mul_(scale).round_().mul_(1 / scale)


def root(x: torch.Tensor) -> torch.Tensor:
    """The square roots of float64 ``x`` (on the CPU), rounded to nearest: the processor's, by NumPy.

    Not torch.sqrt: some builds leave it to a library (Intel's VML) that is off by an ulp in 1 % of all cases.
    """
    return torch.from_numpy(np.sqrt(x.numpy()))
