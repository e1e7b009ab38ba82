"""FORMAT.md, section 7, refinement: rounds that draw nothing and halve the cells of a full basis."""

import numpy as np

from reference import quantiser
from reference.errors import EndOfCertaintyError
from reference.grids import grid
from reference.rangecoder import RangeDecoder
from reference.tables import Table, direction_table, sign_table


class RefinementTables:
    """Tables of refinements, besides those of classes."""

    def __init__(self) -> None:
        self.moved = sign_table()
        self.zero = {k: direction_table() for k in range(4, 25)}

    @property
    def all(self) -> list[Table]:
        """All of them."""
        return [self.moved, *self.zero.values()]


class Cells:
    """The numbers of a level's full basis, in their order, between refinements."""

    def __init__(self, y: np.ndarray, k: np.ndarray, zero: np.ndarray, width: np.ndarray):
        """y: values; k: classes for the width (negative: not measured); zero: what was coded as 0.

        Each (windows, coefficients). width: (windows, 1).
        """
        self.y, self.k, self.width = y.copy(), k.copy(), width.copy()
        self.zero = zero.copy()

    def refine(
        self, coder: RangeDecoder, across: int, tables: RefinementTables, numbers: list[Table]
    ) -> tuple[np.ndarray, bool]:
        """One round: the signs of the moves, and whether the code went on to its end.

        If it did not, the moves that are certain are made, but the cells keep their width.
        """
        signs = np.zeros(self.y.shape, np.int64)
        flat, values = signs.reshape(-1), self.y.reshape(-1)
        width = np.broadcast_to(self.width, self.y.shape).reshape(-1)
        late = np.where((self.k < 0) & (self.k + 4 >= 0), self.k + 4, -1)
        complete = True
        try:
            for i in np.flatnonzero(~self.zero):
                flat[i] = 2 * tables.moved.decode(coder) - 1
                values[i] += flat[i] * width[i] / 4
            for k in range(24, 3, -1):
                for i in np.flatnonzero(self.zero & (self.k >= 0) & (np.minimum(self.k + 4, 24) == k)):
                    flat[i] = tables.zero[k].decode(coder) - 1
                    values[i] += flat[i] * width[i] * 3 / 8
        except EndOfCertaintyError:
            complete = False
        if complete:
            q, _, complete = quantiser.decode_numbers(coder, late, across, numbers)
            self.y += q * self.width / 2
            signs += np.sign(q)
        self.y = grid(self.y, 16)
        if complete:
            self.zero &= signs == 0
            self.k = self.k + 4
            self.width /= 2
        return signs, complete
