"""The names of the restorations, which psc.session.restore makes; without PyTorch, for the command's help."""

from typing import Literal, get_args

Restoration = Literal["preview", "mean", "ddrm", "pigdm", "sample"]
RESTORATIONS: tuple[Restoration, ...] = get_args(Restoration)
