"""Small pictures, priors and plans that several test files use."""

import signal
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from PIL import Image

import psc
from psc.plan.plan import FULL_BASIS, Level, Plan, Round, Settings
from psc.prior import HaarGaussian

SMALL = Plan(
    levels=(Level(1, 8, 6), Level(4, 4, 6)),
    rounds=(Round(1, 3, 6), Round(1, 3, 4), Round(1, FULL_BASIS, 4), Round(0, 4, 6), Round(0, FULL_BASIS, 4)),
)
ESTIMATES = Plan(
    levels=(Level(1, 8, 4, 70, 44, 3), Level(4, 4, 6, end=38, estimates=2)),
    rounds=(Round(1, 3, 6), Round(1, 3, 4), Round(1, FULL_BASIS, 4), Round(0, 8, 6), Round(0, FULL_BASIS, 4)),
)
"""As SMALL, with more samples than particles, and noise levels of its own."""
SMALL_PAPER = Plan((Level(1, 0, 8),), (Round(0, 5, 5),) * 6, paper=True)


def texture(height: int, width: int, channels: int = 3, seed: int = 0) -> np.ndarray:
    """A picture with large shapes, edges and some noise: uint8 (H, W, 3) or (H, W)."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    planes = [
        128
        + 70 * np.sin(x / (7 + c) + y / 11)
        + 40 * ((x // 9 + y // 13 + c) % 2)
        + rng.normal(0, 6, x.shape)
        for c in range(channels)
    ]
    array = np.clip(np.stack(planes, 2), 0, 255).astype(np.uint8)
    return array if channels == 3 else array[:, :, 0]


def interruptible() -> None:
    """For a process of its own (preexec_fn): Ctrl-C reaches it even where the tests run without (nohup)."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def cache_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Tests, and what they start, keep nothing in the user's cache folder and find nothing there."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PSC_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def gaussian_prior() -> HaarGaussian:
    """An exact prior that takes milliseconds."""
    return HaarGaussian(low=1.5, detail=(0.1, 0.25, 0.5))


@pytest.fixture(scope="session")
def embedded_prior() -> object:
    return psc.load_prior()


@pytest.fixture
def small() -> Settings:
    return Settings(SMALL, len(SMALL.rounds), step_index=96, seed=3)


@pytest.fixture
def picture() -> Image.Image:
    return Image.fromarray(texture(40, 50))


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """Small pictures do not gain from more."""
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def names_found_anew() -> None:
    """psc's names, which it keeps once they were used, are what tests put in the modules' places."""
    for name in psc.__all__:
        vars(psc).pop(name, None)
