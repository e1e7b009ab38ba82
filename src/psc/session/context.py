"""What an encode or a decode has at hand besides its data."""

from dataclasses import dataclass

from psc.prior import Prior
from psc.session.journal import Journal
from psc.session.progress import Report, silent


@dataclass(frozen=True)
class Context:
    """Handed on unchanged from the outermost call to the session.

    Attributes:
        prior: The diffusion model.
        progress: Hears of every group of network evaluations.
        journal: Draws that need not be done again, and where others are kept; None for none.
    """

    prior: Prior
    progress: Report = silent
    journal: Journal | None = None
