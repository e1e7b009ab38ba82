"""What a job works with, on one file after another."""

from collections.abc import Callable
from dataclasses import dataclass

from psc.cli.progress import ProgressBar
from psc.prior import Prior

Load = Callable[[], Prior]


@dataclass(frozen=True)
class Tools:
    """Handed to a job with every file.

    Attributes:
        load: Gives the prior.
        progress: Makes what follows a file's work.
        quiet: Do not say that an interrupted encode can go on.
    """

    load: Load
    progress: Callable[[], ProgressBar]
    quiet: bool = False
