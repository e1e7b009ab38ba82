"""FLUX.1 and Qwen-Image: transformers that take 2x2 blocks of latents as vectors, in a sequence.

A latent (B, C, H, W) becomes (B, H/2 W/2, 4C), row by row of blocks, and a vector's numbers are ordered by
channel, then row, then column. Where a block was, the network is told beside it. FLUX.1 [dev] was distilled
from a model with classifier-free guidance and takes the guidance as an input: at 1 it imitates that model
without guidance, which is as near as it comes to E[x0 | x].
"""

from typing import Any

import torch

from psc.prior.pretrained.parametrisation import Predict
from psc.prior.pretrained.text_encoders import repeat

TIMESTEPS = 1000
"""These networks take t itself, in [0, 1]."""
WORDS = 512
"""Of T5's tokens that FLUX.1 was trained with, at most."""


def pack(x: torch.Tensor) -> torch.Tensor:
    """Latents (B, C, H, W) -> vectors (B, H/2 W/2, 4C)."""
    batch, channels, height, width = x.shape
    blocks = x.reshape(batch, channels, height // 2, 2, width // 2, 2).permute(0, 2, 4, 1, 3, 5)
    return blocks.reshape(batch, height * width // 4, 4 * channels)


def unpack(x: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """The inverse, for latents of that height and width."""
    blocks = x.reshape(len(x), height // 2, width // 2, -1, 2, 2).permute(0, 3, 1, 4, 2, 5)
    return blocks.reshape(len(x), -1, height, width)


def flux(pipeline: Any, caption: str, device: torch.device, guidance: float = 1.0) -> Predict:
    """FLUX.1: CLIP's pooled output, T5, and the places (0, row, column) of blocks; all words are at 0."""
    words = min(WORDS, pipeline.tokenizer_2.model_max_length)
    text, pooled, _ = pipeline.encode_prompt(caption, device=device, max_sequence_length=words)
    network = pipeline.transformer

    def predict(x_t: torch.Tensor, t: float) -> torch.Tensor:
        height, width = x_t.shape[2] // 2, x_t.shape[3] // 2
        places = torch.cartesian_prod(torch.arange(1), torch.arange(height), torch.arange(width))
        given = {
            "encoder_hidden_states": repeat(text, x_t, network),
            "pooled_projections": repeat(pooled, x_t, network),
            "txt_ids": torch.zeros(text.shape[1], 3, device=device),
            "img_ids": places.to(device, torch.float32),
        }
        return _evaluate(network, x_t, t, guidance, given)

    return predict


def qwen_image(pipeline: Any, caption: str, device: torch.device, guidance: float = 1.0) -> Predict:
    """Qwen-Image: a language model's last hidden states for the caption in a fixed instruction."""
    text, _ = pipeline.encode_prompt(caption, device=device)  # of one caption there is nothing to mask
    network = pipeline.transformer

    def predict(x_t: torch.Tensor, t: float) -> torch.Tensor:
        frame = (1, x_t.shape[2] // 2, x_t.shape[3] // 2)
        given = {"encoder_hidden_states": repeat(text, x_t, network), "img_shapes": [[frame]] * len(x_t)}
        return _evaluate(network, x_t, t, guidance, given)

    return predict


def _evaluate(
    network: Any, x_t: torch.Tensor, t: float, guidance: float, given: dict[str, Any]
) -> torch.Tensor:
    time, strength = torch.tensor([[t / TIMESTEPS], [guidance]], device=x_t.device).expand(2, len(x_t))
    taught = network.config.guidance_embeds
    out: torch.Tensor = network(
        pack(x_t).to(network.dtype), timestep=time, guidance=strength if taught else None, **given
    ).sample
    return unpack(out, *x_t.shape[2:]).to(x_t.dtype)
