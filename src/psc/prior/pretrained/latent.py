"""Text-to-image models of diffusers as priors of latents: Stable Diffusion 1.x, 2.x, XL and 3.

Such a model denoises what an autoencoder makes of a picture (Rombach et al., 2022): a latent of C channels
and 1 / factor of the height and width, in the network's units (about unit variance). ``to_latent`` and
``to_picture`` go between the two. Without a condition the caption is empty.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from psc.errors import PscError
from psc.prior.pretrained.hub import configuration, discrete, needed, quiet
from psc.prior.pretrained.parametrisation import Flow, Parametrisation, Predict
from psc.prior.pretrained.prior import DiffusionPrior, reproducible
from psc.prior.pretrained.text_encoders import stable_diffusion, stable_diffusion_3, stable_diffusion_xl
from psc.prior.pretrained.weights import Inventory, component, fingerprint, variant

FAMILIES = {
    "StableDiffusionPipeline": ("unet", stable_diffusion),
    "StableDiffusionXLPipeline": ("unet", stable_diffusion_xl),
    "StableDiffusion3Pipeline": ("transformer", stable_diffusion_3),
}
"""By pipeline class: the denoising network's component, and how it is given a caption."""
UNUSED = ("safety_checker", "feature_extractor", "image_encoder")
"""Components of pipelines that a prior has no use for."""


@dataclass
class LatentPrior(DiffusionPrior):
    """A prior of the latents of an autoencoder; ``channels`` and ``multiple`` are the latents'.

    Attributes:
        autoencoder: diffusers' AutoencoderKL, in float32 always.
        factor: Side, in the picture's pixels, of what one of a latent's pixels stands for.
    """

    autoencoder: Any = None
    factor: int = 8

    def to_latent(self, picture: torch.Tensor) -> torch.Tensor:
        """The mean of the latents of pictures (B, 3, H, W) in [-1, 1], H and W multiples of factor."""
        shift, scale = _units(self.autoencoder.config, self.device)
        with reproducible(), torch.inference_mode():
            mean: torch.Tensor = self.autoencoder.encode(picture.to(self.device)).latent_dist.mode()
            return self._finite((mean - shift) * scale)

    def to_picture(self, latent: torch.Tensor) -> torch.Tensor:
        """Pictures (B, 3, H, W) of latents (B, channels, H / factor, W / factor); not clamped."""
        shift, scale = _units(self.autoencoder.config, self.device)
        with reproducible(), torch.inference_mode():
            return self._finite(self.autoencoder.decode(latent.to(self.device) / scale + shift).sample)

    def _finite(self, x: torch.Tensor) -> torch.Tensor:
        """The same numbers; PscError if there are some that are not finite, which a clamp would hide."""
        if not all(map(torch.isfinite, x.aminmax())):
            raise PscError(f"the autoencoder of {self.name!r} returned numbers that are not finite")
        return x


def _units(config: Any, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """What is subtracted from the autoencoder's numbers, and what they are multiplied by then: (C, 1, 1).

    Newer autoencoders have a mean and a standard deviation for each channel (``latents_mean``,
    ``latents_std``), as diffusers' pipelines use them; others a shift for all.
    """
    mean, deviation = (getattr(config, name, None) for name in ("latents_mean", "latents_std"))
    shift = mean if mean and deviation else [getattr(config, "shift_factor", None) or 0.0]
    divisor = deviation if mean and deviation else [1.0]
    column = torch.tensor([*shift, *divisor], dtype=torch.float32, device=device)[:, None, None]
    return column[: len(shift)], config.scaling_factor / column[len(shift) :]


def load_latent(folder: Path, kind: str, name: str, device: torch.device, half: bool) -> LatentPrior:
    """The prior in a pipeline's folder.

    Args:
        folder: That ``save_pretrained`` wrote.
        kind: The pipeline's class: one of FAMILIES.
        name: Of the prior, for messages.
        device: Where it is evaluated.
        half: The denoising network in float16.

    Raises:
        PscError: For a pipeline that is no prior of pictures.
    """
    component, caption = FAMILIES[kind]
    precision = variant(folder / component)
    pipeline = _pipeline(folder, kind, precision)
    network, autoencoder = getattr(pipeline, component), pipeline.vae
    if network.config.in_channels != autoencoder.config.latent_channels:
        raise PscError(f"the network in {folder} takes more than a latent (inpainting, editing): not a prior")
    parametrisation, schedule = _parametrisation(folder)
    identity = _identity(pipeline, folder, {"family": kind, "scheduler": schedule, "half": half}, precision)
    pipeline.to(device)
    if half:
        network.half()

    def bind(text: str) -> Predict:
        with reproducible(), quiet():  # not inference_mode: for the pullback
            return caption(pipeline, text, device)

    return LatentPrior(
        name=name,
        predict=bind(""),
        parametrisation=parametrisation,
        channels=network.config.in_channels,
        multiple=_multiple(network),
        fingerprint=identity,
        device=device,
        bind=bind,
        autoencoder=autoencoder,
        factor=1 << (len(autoencoder.config.block_out_channels) - 1),
    )


def _pipeline(folder: Path, kind: str, precision: str | None) -> Any:
    """The pipeline without the components that are of no use or not there."""
    index = configuration(folder / "model_index.json")
    parts = [part for part, value in index.items() if isinstance(value, list)]
    absent = {part: None for part in parts if part in UNUSED or not (folder / part).is_dir()}
    with quiet():
        pipeline = getattr(needed("diffusers"), kind).from_pretrained(
            folder, local_files_only=True, variant=precision, **absent
        )
    for part in pipeline.components.values():
        if isinstance(part, torch.nn.Module):
            part.float().requires_grad_(
                False
            )  # the libraries disagree on what half-precision files are loaded as
    return pipeline


def _parametrisation(folder: Path) -> tuple[Parametrisation, dict[str, Any]]:
    config = configuration(folder / "scheduler" / "scheduler_config.json")
    if "shift" in config and "beta_schedule" not in config:  # of sampling; what was learned is t itself
        steps = config.get("num_train_timesteps", 1000)
        return Flow(steps), {"flow": steps}
    return discrete(config, folder)


def _identity(pipeline: Any, folder: Path, about: dict[str, Any], kind: str | None) -> bytes:
    """The fingerprint of all networks, their configurations and the tokenizers' words."""
    found: Inventory = {}
    for part, it in pipeline.components.items():
        if isinstance(it, torch.nn.Module):
            about = about | {part: configuration(folder / part / "config.json")}
            found |= {f"{part}.{n}": what for n, what in component(folder / part, kind, it).items()}
        elif part.startswith("tokenizer") and it is not None:
            about = about | {part: it.get_vocab()}
    return fingerprint(found, about)


def _multiple(network: Any) -> int:
    config = network.config
    return config.get("patch_size") or 1 << (len(config.down_block_types) - 1)
