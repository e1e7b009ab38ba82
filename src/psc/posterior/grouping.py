"""Particles on several threads.

Particles are independent of each other, so that groups of them can go through all their steps side by side,
each group on one thread: no operation has to wait for the slower half of another one. With an exact prior
neither the groups nor the threads change a bit; for others, and on a GPU, groups are as large as the memory
allows and take turns.
"""

import queue
import threading
from collections.abc import Callable
from functools import partial

import torch

from psc.exact.threads import pool_of, workers
from psc.posterior.sampler import Count
from psc.prior.protocol import Prior

GROUP, LATENT_GROUP = 2**20, 2**16
"""Pixels (particles x height x width) that go through a step together at most, one particle at least."""
SMALLEST, LARGEST = 2**14, 2**21
"""Pixels of a thread's group; smaller ones would wait for the interpreter, not for the processor."""

Anneal = Callable[[range, Count], None]
"""Takes the particles of these numbers through all their steps; counts the evaluations as they are done."""
GroupTask = Callable[[Count], None]


class _StoppedError(Exception):
    """Another thread has ended the draw."""


def each_group(prior: Prior, particles: torch.Tensor, anneal: Anneal, count: Count) -> None:
    """Anneal all particles, group by group.

    Args:
        prior: Which the groups' size depends on.
        particles: (s, C, h, w), of which ``anneal`` knows.
        anneal: Takes the particles of some numbers through all their steps.
        count: Called with every number of network evaluations just done; in this thread.
    """
    s, (threads, size) = len(particles), _division(prior, particles)
    groups = [range(first, min(first + size, s)) for first in range(0, s, size)]
    if threads > 1 and len(groups) > 1:
        _on_threads(threads, [partial(anneal, some) for some in groups], count)
        return
    for some in groups:
        anneal(some, count)


def side_by_side(prior: Prior, particles: torch.Tensor) -> int:
    """How many of the particles (s, C, h, w) are in work at the same time, at most."""
    threads, size = _division(prior, particles)
    return min(len(particles), threads * size)


def _division(prior: Prior, particles: torch.Tensor) -> tuple[int, int]:
    """How many threads work side by side, and how many particles a group has."""
    pixels = particles.shape[2] * particles.shape[3]
    if not (prior.exact and prior.device.type == "cpu"):
        return 1, max(1, (GROUP if prior.factor == 1 else LATENT_GROUP) // pixels)
    threads = workers()
    return threads, max(1, min(max(-(-len(particles) // threads), SMALLEST // pixels), LARGEST // pixels))


def _on_threads(threads: int, tasks: list[GroupTask], count: Count) -> None:
    """Do the tasks; whatever is raised, here or there, ends all of them."""
    counts: queue.SimpleQueue[int | None] = queue.SimpleQueue()
    stop = threading.Event()
    with pool_of(threads) as pool:
        try:
            futures = [pool.submit(_run, task, counts, stop) for task in tasks]
            for _ in futures:
                while (evaluations := counts.get()) is not None:
                    count(evaluations)
            errors = [error for future in futures if (error := future.exception()) is not None]
            for error in sorted(errors, key=lambda e: isinstance(e, _StoppedError)):
                raise error
        finally:
            stop.set()


def _run(task: GroupTask, counts: queue.SimpleQueue[int | None], stop: threading.Event) -> None:
    """One task on its thread; None among the counts says that it has ended."""

    def count(evaluations: int) -> None:
        if stop.is_set():
            raise _StoppedError
        counts.put(evaluations)

    try:
        task(count)
    except BaseException:
        stop.set()
        raise
    finally:
        counts.put(None)
