"""Arithmetic that gives the same bits on every machine.

The contract. Numbers that encoder and decoder must share live on dyadic grids: multiples of 2^-b.
They are carried by float64 (or float32 where 24 bits suffice), in which sums and products of such
numbers are *exact* while the result needs at most 53 bits; an exact sum has no order, so BLAS,
threads, batches and devices are free to choose theirs. Where a result is not exact (a square root, a
division) it is one IEEE operation per element, which is the same everywhere, followed by rounding.
"""

from psc.exact.eigen import symmetric_eigen
from psc.exact.fixed import root, to_grid, to_grid_
from psc.exact.noise import gaussian

__all__ = ["gaussian", "root", "symmetric_eigen", "to_grid", "to_grid_"]
