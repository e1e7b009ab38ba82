"""Computing alone: whatever the host program has set, and with one thread for every operation.

A library cannot know what the program around it has told PyTorch: mixed precision, another default type or
device, flags that let products lose digits, the number of threads. None of that may reach a number that
encoder and decoder share, so everything is computed inside :func:`isolated`.

Operations of several threads wait for each other, spinning; where the processor has other work, too, each
of thousands of small operations then waits for a thread that is not running. So no operation is spread over
threads: particles, strips of windows and layers are, each computed by a thread alone
(:func:`side_by_side`).
"""

import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import Any, TypeVar

import numpy as np
import torch

T = TypeVar("T")
R = TypeVar("R")

_lock = threading.Lock()
_here = threading.local()
_inside = 0
"""Threads that are isolated now: the first saves the program's flags, the last restores them."""
_saved: list[tuple[Any, str, Any]] = []


@contextmanager
def isolated() -> Iterator[None]:
    """Compute as in a program of its own; also a decorator. Inside another one it does nothing.

    For this thread: no autocast, no gradients, no inference mode, the CPU as default device, denormal
    numbers kept, NumPy's usual warnings, one thread per operation. For the process, since PyTorch has these
    once: float32 as default type, convolutions and products with all digits. All is as before when it ends.
    """
    if getattr(_here, "workers", 0):
        yield
        return
    flushing = sys.float_info.min * 0.5 == 0.0
    with ExitStack() as stack:
        _here.workers = _one_thread_per_operation()
        stack.callback(_leave, _here.workers, flushing)
        torch.set_flush_denormal(False)
        _enter_process()
        stack.callback(_leave_process)
        for state in _states():
            stack.enter_context(state)
        yield


def workers() -> int:
    """How many threads may compute side by side: as many as the host program gives to an operation."""
    return getattr(_here, "workers", 0) or torch.get_num_threads()


@contextmanager
def pool_of(threads: int) -> Iterator[ThreadPoolExecutor]:
    """A pool of threads that compute alone: an operation of theirs is not spread over others."""
    with ThreadPoolExecutor(threads, initializer=_start_worker) as pool:
        yield pool


def side_by_side(function: Callable[[T], R], items: Iterable[T]) -> list[R]:
    """The function's results of every item, in the items' order, on as many threads as there are workers."""
    items = list(items)
    threads = min(len(items), workers())
    if threads <= 1:
        return [function(item) for item in items]
    with pool_of(threads) as pool:
        return list(pool.map(function, items))


@contextmanager
def spread() -> Iterator[None]:
    """Let operations use all workers again: for networks whose results do not have to be exact."""
    count = workers()
    if count == torch.get_num_threads():
        yield
        return
    torch.set_num_threads(count)
    try:
        yield
    finally:
        _one_thread_per_operation()


def _start_worker() -> None:
    """Set up a new thread, which has PyTorch's defaults otherwise."""
    _one_thread_per_operation()
    _here.workers = 1
    torch.set_grad_enabled(False)


def _one_thread_per_operation() -> int:
    """Use one thread for every operation in this thread of Python; returns how many it used before.

    PyTorch's setting is also that of threads to come, which shall not change: so another thread sets it
    back at once.
    """
    with _lock:
        before = torch.get_num_threads()
        if before > 1:
            torch.set_num_threads(1)
            other = threading.Thread(target=torch.set_num_threads, args=(before,))
            other.start()
            other.join()
    return before


def _leave(workers: int, flushing: bool) -> None:
    _here.workers = 0
    torch.set_num_threads(workers)
    torch.set_flush_denormal(flushing)


def _states() -> Iterator[Any]:
    """The states of this thread that would matter."""
    yield np.errstate(divide="warn", over="warn", invalid="warn", under="ignore")
    yield torch.inference_mode(False)
    yield torch.no_grad()
    for kind in ("cpu", "cuda"):
        yield torch.autocast(kind, enabled=False)
    if torch.get_default_device().type != "cpu":
        yield torch.device("cpu")


def _enter_process() -> None:
    global _inside
    with _lock:
        _inside += 1
        if _inside > 1:
            return
        if torch.get_default_dtype() != torch.float32:
            _saved.append((torch, "default_dtype", torch.get_default_dtype()))
            torch.set_default_dtype(torch.float32)
        for holder, name, exact in _flags():
            value = getattr(holder, name)
            if value != exact:
                _saved.append((holder, name, value))
                setattr(holder, name, exact)


def _leave_process() -> None:
    global _inside
    with _lock:
        _inside -= 1
        while not _inside and _saved:
            holder, name, value = _saved.pop()
            if holder is torch:
                torch.set_default_dtype(value)
            else:
                setattr(holder, name, value)


def _flags() -> Iterator[tuple[Any, str, Any]]:
    """Flags of this PyTorch that change numbers, and the values that keep all digits and their order."""
    backends = torch.backends
    yield backends.cudnn, "enabled", True
    yield backends.cudnn, "benchmark", False
    yield backends.cudnn, "deterministic", True
    if not hasattr(backends, "fp32_precision"):  # PyTorch before 2.9
        yield backends.cudnn, "allow_tf32", False
        yield backends.cuda.matmul, "allow_tf32", False
        return
    for holder in (backends.mkldnn, backends.cudnn):
        yield holder.conv, "fp32_precision", "ieee"
        yield holder.rnn, "fp32_precision", "ieee"
    for holder in (backends.mkldnn, backends.cuda):
        yield holder.matmul, "fp32_precision", "ieee"
