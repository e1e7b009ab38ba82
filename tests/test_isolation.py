"""Whatever the program around it has set: the same bytes, the same picture, and its settings as they were."""

import hashlib
import multiprocessing
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext, suppress
from typing import Any

import numpy as np
import pytest
import torch

import psc
from psc.exact import threads
from psc.exact.threads import isolated, side_by_side, spread, workers
from psc.prior import Prior
from psc.prior.embedded.prior import load_embedded
from tests.test_exactness import SHORT, crop, expected


@contextmanager
def undone(change: Callable[[Any], object], value: Any, back: Any) -> Iterator[None]:
    change(value)
    try:
        yield
    finally:
        change(back)


@contextmanager
def attribute(holder: Any, name: str, value: Any) -> Iterator[None]:
    before = getattr(holder, name)
    setattr(holder, name, value)
    try:
        yield
    finally:
        setattr(holder, name, before)


def precision(holder: Any, value: str) -> AbstractContextManager[None]:
    """Older PyTorch has no such switch."""
    return attribute(holder, "fp32_precision", value) if hasattr(holder, "fp32_precision") else nullcontext()


SWITCHES: dict[str, Callable[[], AbstractContextManager[Any]]] = {
    "autocast": lambda: torch.autocast("cpu", torch.bfloat16),
    "float64": lambda: undone(torch.set_default_dtype, torch.float64, torch.float32),
    "bfloat16": lambda: undone(torch.set_default_dtype, torch.bfloat16, torch.float32),
    "meta device": lambda: undone(torch.set_default_device, "meta", "cpu"),
    "inference mode": torch.inference_mode,
    "gradients": torch.enable_grad,
    "no gradients": torch.no_grad,
    "deterministic": lambda: undone(torch.use_deterministic_algorithms, True, False),
    "one thread": lambda: undone(torch.set_num_threads, 1, 1),
    "three threads": lambda: undone(torch.set_num_threads, 3, 1),
    "flush denormals": lambda: undone(torch.set_flush_denormal, True, False),
    "short products": lambda: undone(torch.set_float32_matmul_precision, "medium", "highest"),
    "short convolutions": lambda: precision(torch.backends.mkldnn.conv, "bf16"),
    "no oneDNN": lambda: attribute(torch.backends.mkldnn, "enabled", False),
    "anomalies": torch.autograd.detect_anomaly,
    "NumPy raises": lambda: np.errstate(all="raise"),
}


def outcome(prior: Prior) -> dict[str, str]:
    data = psc.encode_with(crop(), SHORT, prior=prior)
    pixels = psc.decode(data, prior=prior).tobytes()
    return {"file": hashlib.sha256(data).hexdigest(), "mean": hashlib.sha256(pixels).hexdigest()}


def golden() -> dict[str, str]:
    return {name: expected()[name] for name in ("file", "mean")}


@pytest.mark.filterwarnings("ignore:Anomaly")
@pytest.mark.parametrize("name", SWITCHES)
def test_switches_do_not_matter(embedded_prior: Prior, name: str) -> None:
    with SWITCHES[name]():
        assert outcome(embedded_prior) == golden()


@pytest.mark.filterwarnings("ignore:Anomaly")
def test_all_at_once_on_another_thread_with_a_prior_loaded_there() -> None:
    """But the two that exclude others of the list."""
    found: list[object] = []

    def work() -> None:
        with ExitStack() as stack:
            for name, switch in SWITCHES.items():
                if name not in ("no gradients", "bfloat16", "no oneDNN", "one thread"):
                    stack.enter_context(switch())
            found.append(outcome(load_embedded()))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [golden()]


def test_the_programs_settings_are_as_they_were() -> None:
    def seen() -> tuple[object, ...]:
        return (
            torch.get_default_dtype(), torch.get_default_device(), torch.get_num_threads(),
            torch.is_autocast_enabled("cpu"), torch.is_inference_mode_enabled(), torch.is_grad_enabled(),
            torch.get_float32_matmul_precision(), torch.backends.cudnn.benchmark, np.geterr(),
            torch.tensor([1e-310], dtype=torch.float64).mul(1).item() == 0, workers(),
        )  # fmt: skip

    with (
        SWITCHES["float64"](),
        SWITCHES["three threads"](),
        SWITCHES["short products"](),
        SWITCHES["flush denormals"](),
        torch.autocast("cpu", torch.bfloat16),
        attribute(torch.backends.cudnn, "benchmark", True),
    ):
        before = seen()
        with suppress(ZeroDivisionError), isolated():
            inside = seen()
            raise ZeroDivisionError
        assert seen() == before
    assert inside[0] is torch.float32
    assert inside[2] == 1
    assert inside[3] is False
    assert inside[-2:] == (False, 3)


def test_threads_to_come_keep_the_programs_number() -> None:
    """An isolated thread has one per operation; a new one of the program's has what the program said."""
    torch.set_num_threads(3)
    found: list[int] = []
    with isolated():
        thread = threading.Thread(target=lambda: found.append(torch.get_num_threads()))
        thread.start()
        thread.join()
        assert torch.get_num_threads() == 1
        with spread():
            assert torch.get_num_threads() == 3
        assert torch.get_num_threads() == 1
    assert found == [3]
    assert torch.get_num_threads() == 3


def test_two_isolated_threads_restore_the_flags_once_the_last_one_ends() -> None:
    inside, leave = threading.Event(), threading.Event()

    def work() -> None:
        with isolated():
            inside.set()
            leave.wait()

    with SWITCHES["float64"]():
        thread = threading.Thread(target=work)
        with isolated():
            thread.start()
            inside.wait()
        assert torch.get_default_dtype() is torch.float32  # the other one still computes
        leave.set()
        thread.join()
        assert torch.get_default_dtype() is torch.float64


def test_items_are_done_in_order_and_alone() -> None:
    torch.set_num_threads(3)
    with isolated():
        assert side_by_side(lambda i: (i, torch.get_num_threads(), workers()), range(5)) == [
            (i, 1, 1) for i in range(5)
        ]
    assert threads.workers() == 3


def _child(data: bytes, found: Any) -> None:
    found.put(hashlib.sha256(psc.decode(data).tobytes()).hexdigest())


def test_a_fork_after_an_encode_works(embedded_prior: Prior) -> None:
    """No threads of PyTorch's are left behind, for which a child would wait for ever."""
    torch.set_num_threads(2)
    data = psc.encode_with(crop(), SHORT, prior=embedded_prior)
    context = multiprocessing.get_context("fork")
    found = context.Queue()
    child = context.Process(target=_child, args=(data, found))
    child.start()
    try:
        assert found.get(timeout=120) == golden()["mean"]
        child.join(30)
        assert child.exitcode == 0
    finally:
        child.kill()
