"""Text-to-image models of diffusers as priors of latents: Stable Diffusion, FLUX.1, PixArt, Sana, Qwen-Image.

Such a model denoises what an autoencoder makes of a picture (Rombach et al., 2022): a latent of C channels
and 1 / factor of the height and width, in the network's units (about unit variance). ``to_latent`` and
``to_picture`` go between the two. Without a condition the caption is empty.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch

from psc.errors import PscError
from psc.prior.pretrained import autoencoders, masked_text, packed, text_encoders
from psc.prior.pretrained.hub import quiet
from psc.prior.pretrained.parametrisation import Predict
from psc.prior.pretrained.pipelines import identity, load_pipeline, place, schedule
from psc.prior.pretrained.prior import DiffusionPrior, classifier_free, reproducible
from psc.prior.pretrained.text_encoders import Caption
from psc.prior.pretrained.weights import variant


class Family(NamedTuple):
    """network: the denoising network's component. caption: how it is given one.

    packing: the side of the blocks of latents that the network takes as one vector, 1 if it takes a grid.
    """

    network: str
    caption: Caption
    packing: int = 1


FAMILIES = {
    "StableDiffusionPipeline": Family("unet", text_encoders.stable_diffusion),
    "StableDiffusionXLPipeline": Family("unet", text_encoders.stable_diffusion_xl),
    "StableDiffusion3Pipeline": Family("transformer", text_encoders.stable_diffusion_3),
    "FluxPipeline": Family("transformer", packed.flux, packing=2),
    "QwenImagePipeline": Family("transformer", packed.qwen_image, packing=2),
    "PixArtAlphaPipeline": Family("transformer", masked_text.pixart),
    "PixArtSigmaPipeline": Family("transformer", masked_text.pixart),
    "SanaPipeline": Family("transformer", masked_text.sana),
}
"""By pipeline class."""


@dataclass
class LatentPrior(DiffusionPrior):
    """A prior of the latents of an autoencoder; ``channels`` and ``multiple`` are the latents'.

    Attributes:
        autoencoder: diffusers', in float32 always (psc.prior.pretrained.autoencoders).
        factor: Side, in the picture's pixels, of what one of a latent's pixels stands for.
    """

    autoencoder: Any = None
    factor: int = 8

    def to_latent(self, picture: torch.Tensor) -> torch.Tensor:
        """The mean of the latents of pictures (B, 3, H, W) in [-1, 1], H and W multiples of factor."""
        with reproducible(), torch.inference_mode():
            return self._finite(autoencoders.encode(self.autoencoder, picture.to(self.device)))

    def to_picture(self, latent: torch.Tensor) -> torch.Tensor:
        """Pictures (B, 3, H, W) of latents (B, channels, H / factor, W / factor); not clamped."""
        with reproducible(), torch.inference_mode():
            return self._finite(autoencoders.decode(self.autoencoder, latent.to(self.device)))

    def _finite(self, x: torch.Tensor) -> torch.Tensor:
        """The same numbers; PscError if there are some that are not finite, which a clamp would hide."""
        if not all(map(torch.isfinite, x.aminmax())):
            raise PscError(f"the autoencoder of {self.name!r} returned numbers that are not finite")
        return x


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
    family = FAMILIES[kind]
    precision = variant(folder / family.network)
    pipeline = load_pipeline(folder, kind, precision)
    network, autoencoder = getattr(pipeline, family.network), pipeline.vae
    channels = network.config.in_channels // family.packing**2
    if channels != autoencoders.channels(autoencoder):
        raise PscError(f"the network in {folder} takes more than a latent (inpainting, editing): not a prior")
    parametrisation, chosen = schedule(folder)
    about = {"family": kind, "scheduler": chosen, "half": half, **masked_text.instruction(pipeline)}
    fingerprint = identity(pipeline, folder, about, precision)
    place(pipeline, network, device, half)

    def caption(text: str, **guidance: float) -> Predict:
        with reproducible(), quiet():  # not inference_mode: for the pullback
            return family.caption(pipeline, text, device, **guidance)

    def embedded(text: str, guidance: float) -> Predict:
        return caption(text, guidance=guidance)

    bind = embedded if network.config.get("guidance_embeds") else classifier_free(caption)
    return LatentPrior(
        name=name,
        predict=bind("", 1.0),
        parametrisation=parametrisation,
        channels=channels,
        multiple=max(family.packing, _multiple(network)),
        fingerprint=fingerprint,
        device=device,
        bind=bind,
        autoencoder=autoencoder,
        factor=pipeline.vae_scale_factor,
    )


def _multiple(network: Any) -> int:
    config = network.config
    return config.get("patch_size") or 1 << (len(config.down_block_types) - 1)
