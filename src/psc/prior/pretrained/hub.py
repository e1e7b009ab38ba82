"""What the adapters of diffusers models share: the optional library, its quiet use, its configurations."""

import importlib
import json
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from psc.errors import PscError
from psc.prior.pretrained.parametrisation import Discrete

PREDICTIONS = {"epsilon": "epsilon", "v_prediction": "v", "sample": "sample"}
"""diffusers' names and ours."""
SCHEDULE = (
    "num_train_timesteps", "beta_start", "beta_end", "beta_schedule", "trained_betas", "prediction_type",
    "rescale_betas_zero_snr",
)  # fmt: skip
"""What of a scheduler's configuration says what the network was trained on; the rest is about sampling."""


def needed(module: str) -> Any:
    """An optional library, or a PscError that names the extra."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise PscError(f"{module} is not installed: pip install 'psc-codec[models]'") from error


@contextmanager
def quiet() -> Iterator[None]:
    """No progress bars and hints of the libraries: they are not about what our caller asked for."""
    loggers = [needed(f"{library}.utils.logging") for library in ("diffusers", "transformers")]
    before = [(log.get_verbosity(), log.is_progress_bar_enabled()) for log in loggers]
    try:
        for log in loggers:
            log.set_verbosity_error()
            log.disable_progress_bar()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for log, (verbosity, bar) in zip(loggers, before, strict=True):
            log.set_verbosity(verbosity)
            if bar:
                log.enable_progress_bar()


def configuration(path: Path) -> dict[str, Any]:
    """A JSON configuration, without what a library notes for itself (keys that begin with _)."""
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise PscError(f"cannot read {path}: {error}; is the model's folder complete?") from error
    return {key: value for key, value in found.items() if not key.startswith("_")}


def discrete(config: dict[str, Any], folder: Path) -> tuple[Discrete, dict[str, Any]]:
    """The parametrisation that a scheduler's configuration describes, and what of it identifies it."""
    kind = PREDICTIONS.get(config.get("prediction_type", "epsilon"))
    if kind is None or not ("beta_schedule" in config or config.get("trained_betas") is not None):
        raise PscError(
            f"the scheduler of {folder} is of an unknown kind: expected betas, and a prediction of epsilon, "
            "v or sample (the DDPM family), or a flow-matching scheduler"
        )
    with quiet():
        scheduler = needed("diffusers").DDPMScheduler.from_config(config)
    chosen = {key: config[key] for key in SCHEDULE if config.get(key) is not None}
    return Discrete(scheduler.alphas_cumprod.tolist(), kind), chosen


def part(folder: Path, name: str) -> Path:
    """Where a pipeline's folder keeps a component: in a folder of that name, or itself."""
    return folder / name if (folder / name).is_dir() else folder
