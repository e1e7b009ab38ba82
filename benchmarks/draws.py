"""What the draws' statistics are worth: noises that sum to zero, evaluations of mirror images.

    python -m benchmarks.draws DIR --every 4 --steps 140 116

Centre crops of 256x256 of a folder's pictures, the default plan at fixed steps, mean restoration from the
encoder's session. BD-rates against independent noise and no mirrors, with their standard errors. Nothing is
refitted.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from unittest import mock

from benchmarks.variants import compare
from psc.posterior import Draw
from psc.session.particles import Particles


@contextmanager
def drawn(centred: bool, mirrored: bool) -> Iterator[None]:
    """Draw with or without either."""
    describe = Particles._describe
    with ExitStack() as stack:
        if not centred:
            stack.enter_context(
                mock.patch.object(
                    Particles, "_describe", lambda self, *args: replace(describe(self, *args), of=1)
                )
            )
        if not mirrored:
            stack.enter_context(mock.patch.object(Draw, "mirrored", lambda *args: [False] * len(args[-1])))
        yield


VARIANTS = {
    "independent": partial(drawn, False, False),
    "centred": partial(drawn, True, False),
    "centred, mirrored": partial(drawn, True, True),
}

if __name__ == "__main__":
    compare(__doc__, VARIANTS)
