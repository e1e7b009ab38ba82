"""Threads that compute side by side, each alone."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial

import torch


@contextmanager
def pool_of(threads: int) -> Iterator[ThreadPoolExecutor]:
    """A pool of threads whose operations do not spread over others: nothing waits for a slower half."""
    with ThreadPoolExecutor(threads, initializer=partial(torch.set_num_threads, 1)) as pool:
        try:
            yield pool
        finally:
            torch.set_num_threads(threads)  # of threads to come; this one's own number has not changed
