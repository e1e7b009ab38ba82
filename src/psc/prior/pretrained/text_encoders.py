"""How the text-to-image families are given a caption: their own text encoding, bound to the network.

Each function takes a loaded diffusers pipeline and a caption, and returns the network under that caption.
The embeddings are computed once, for a batch of one, and repeated for every batch. Here are the families
whose networks take a grid and a text without a mask; the others are in ``masked_text`` and ``packed``.
"""

from collections.abc import Callable
from typing import Any

import torch

from psc.prior.pretrained.parametrisation import Predict

Caption = Callable[..., Predict]
"""From a pipeline, a caption and a device to the network under the caption. Those whose network was taught
guidance as an input (``packed``) take ``guidance``, too."""


def stable_diffusion(pipeline: Any, caption: str, device: torch.device) -> Predict:
    """Stable Diffusion 1.x and 2.x: one CLIP text encoder."""
    text, _ = pipeline.encode_prompt(caption, device, 1, False)
    return under(pipeline.unet, encoder_hidden_states=text)


def stable_diffusion_xl(pipeline: Any, caption: str, device: torch.device) -> Predict:
    """Stable Diffusion XL: two CLIP encoders, a pooled embedding, the picture's size.

    As in training, an empty caption is zeros if the pipeline's configuration says so.
    """
    text, _, pooled, _ = pipeline.encode_prompt(caption, device=device, do_classifier_free_guidance=False)
    if not caption and pipeline.config.force_zeros_for_empty_prompt:
        text, pooled = torch.zeros_like(text), torch.zeros_like(pooled)

    def predict(x_t: torch.Tensor, t: float) -> torch.Tensor:
        height, width = (pipeline.vae_scale_factor * side for side in x_t.shape[2:])
        ids = torch.tensor([[height, width, 0, 0, height, width]], device=device, dtype=text.dtype)
        added = {
            "text_embeds": repeat(pooled, x_t, pipeline.unet),
            "time_ids": repeat(ids, x_t, pipeline.unet),
        }
        return under(pipeline.unet, encoder_hidden_states=text, added_cond_kwargs=added)(x_t, t)

    return predict


def stable_diffusion_3(pipeline: Any, caption: str, device: torch.device) -> Predict:
    """Stable Diffusion 3: two CLIP encoders and, where the folder has it, T5 with as many words as they."""
    text, _, pooled, _ = pipeline.encode_prompt(
        caption, caption, caption, device=device, do_classifier_free_guidance=False,
        max_sequence_length=pipeline.tokenizer_max_length,
    )  # fmt: skip
    return under(pipeline.transformer, encoder_hidden_states=text, pooled_projections=pooled)


def deepfloyd_if(pipeline: Any, caption: str, device: torch.device) -> Predict:
    """DeepFloyd IF's first stage, in pixels: T5."""
    text, _ = pipeline.encode_prompt(caption, False, device=device)
    return under(pipeline.unet, encoder_hidden_states=text)


def under(network: Any, **condition: Any) -> Predict:
    """The network under a condition, whose tensors are batches of one."""

    def predict(x_t: torch.Tensor, t: float) -> torch.Tensor:
        given = {
            k: repeat(v, x_t, network) if isinstance(v, torch.Tensor) else v for k, v in condition.items()
        }
        time = torch.full((len(x_t),), t, device=x_t.device)
        out: torch.Tensor = network(x_t.to(network.dtype), timestep=time, **given).sample
        return out[:, : x_t.shape[1]].to(x_t.dtype)  # what follows is about a learned variance

    return predict


def repeat(one: torch.Tensor, x_t: torch.Tensor, network: Any) -> torch.Tensor:
    """A tensor of one, repeated to as many as x_t has, in the network's type."""
    return one.to(network.dtype).expand(len(x_t), *one.shape[1:])
