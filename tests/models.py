"""Small models with random weights, saved as the libraries save them: nothing is downloaded."""

import json
from pathlib import Path
from typing import Any

import torch

from psc.prior.pretrained.adm import Adm, Architecture

ADM = {
    "size": 16, "width": 32, "factors": [1, 2], "blocks": 1, "attention": [2], "head_width": 16,
    "schedule": "linear",
}  # fmt: skip


def architecture(**changes: Any) -> Architecture:
    fields = {k: tuple(v) if isinstance(v, list) else v for k, v in (ADM | changes).items()}
    fields.pop("schedule", None)
    return Architecture(**fields)


def adm(path: Path, **changes: Any) -> Path:
    """A checkpoint in the published form, and its description beside it."""
    torch.manual_seed(0)
    torch.save(Adm(architecture(**changes)).state_dict(), path)
    path.with_suffix(".json").write_text(json.dumps(ADM | changes))
    return path


def ddpm(folder: Path, *, scheduler: Any = None, **changes: Any) -> Path:
    """A DDPMPipeline's folder."""
    import diffusers

    torch.manual_seed(0)
    config = {
        "sample_size": 16, "in_channels": 3, "out_channels": 3, "layers_per_block": 1,
        "block_out_channels": (32, 64), "down_block_types": ("DownBlock2D", "AttnDownBlock2D"),
        "up_block_types": ("AttnUpBlock2D", "UpBlock2D"), "attention_head_dim": 16,
    }  # fmt: skip
    network = diffusers.UNet2DModel(**(config | changes))
    diffusers.DDPMPipeline(network, scheduler or diffusers.DDPMScheduler()).save_pretrained(folder)
    return folder


def _tokenizer(folder: Path) -> Any:
    """CLIP's byte-pair tokenizer with no pair: letters only."""
    from transformers import CLIPTokenizer

    letters = [*map(chr, range(33, 127)), "Ġ"]
    words = [*letters, *(f"{c}</w>" for c in letters), "<|startoftext|>", "<|endoftext|>"]
    folder.mkdir(parents=True)
    (folder / "vocab.json").write_text(json.dumps({word: i for i, word in enumerate(words)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    return CLIPTokenizer.from_pretrained(folder, model_max_length=16)


def _clip(projected: bool = False) -> Any:
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    config = CLIPTextConfig(
        hidden_size=32, intermediate_size=37, num_attention_heads=4, num_hidden_layers=3, vocab_size=250,
        max_position_embeddings=16, projection_dim=32, bos_token_id=190, eos_token_id=191, pad_token_id=191,
    )  # fmt: skip
    return CLIPTextModelWithProjection(config) if projected else CLIPTextModel(config)


def _autoencoder(channels: int = 4) -> Any:
    import diffusers

    return diffusers.AutoencoderKL(
        block_out_channels=(32, 64), down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2, latent_channels=channels, sample_size=16,
        shift_factor=0.06 if channels == 16 else None,
    )  # fmt: skip


def _unet(**changes: Any) -> Any:
    import diffusers

    config = {
        "sample_size": 8, "in_channels": 4, "out_channels": 4, "layers_per_block": 1,
        "block_out_channels": (32, 64), "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
        "up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D"), "cross_attention_dim": 32,
        "attention_head_dim": 8,
    }  # fmt: skip
    return diffusers.UNet2DConditionModel(**(config | changes))


def _scheduler(**changes: Any) -> Any:
    """Stable Diffusion's own."""
    import diffusers

    return diffusers.PNDMScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", skip_prk_steps=True,
        steps_offset=1, set_alpha_to_one=False, **changes,
    )  # fmt: skip


def stable_diffusion(folder: Path, prediction: str = "epsilon", **changes: Any) -> Path:
    import diffusers

    torch.manual_seed(0)
    diffusers.StableDiffusionPipeline(
        vae=_autoencoder(), text_encoder=_clip(), tokenizer=_tokenizer(folder / "words"),
        unet=_unet(**changes), scheduler=_scheduler(prediction_type=prediction), safety_checker=None,
        feature_extractor=None, requires_safety_checker=False,
    ).save_pretrained(folder)  # fmt: skip
    return folder


def stable_diffusion_xl(folder: Path) -> Path:
    import diffusers

    torch.manual_seed(0)
    unet = _unet(
        cross_attention_dim=64, addition_embed_type="text_time", addition_time_embed_dim=8,
        transformer_layers_per_block=(1, 2), projection_class_embeddings_input_dim=80,
        use_linear_projection=True,
    )  # fmt: skip
    words = _tokenizer(folder / "words")
    diffusers.StableDiffusionXLPipeline(
        vae=_autoencoder(), text_encoder=_clip(), text_encoder_2=_clip(projected=True), tokenizer=words,
        tokenizer_2=words, unet=unet, scheduler=_scheduler(),
    ).save_pretrained(folder)  # fmt: skip
    return folder


def stable_diffusion_3(folder: Path) -> Path:
    """Without T5, which is optional there."""
    import diffusers

    torch.manual_seed(0)
    transformer = diffusers.SD3Transformer2DModel(
        sample_size=8, patch_size=2, in_channels=16, num_layers=2, attention_head_dim=8,
        num_attention_heads=4, joint_attention_dim=96, caption_projection_dim=32,
        pooled_projection_dim=64, out_channels=16, pos_embed_max_size=16,
    )  # fmt: skip
    words = _tokenizer(folder / "words")
    diffusers.StableDiffusion3Pipeline(
        transformer=transformer, scheduler=diffusers.FlowMatchEulerDiscreteScheduler(shift=3.0),
        vae=_autoencoder(16), text_encoder=_clip(projected=True), tokenizer=words,
        text_encoder_2=_clip(projected=True), tokenizer_2=words, text_encoder_3=None, tokenizer_3=None,
    ).save_pretrained(folder)  # fmt: skip
    return folder


def blip2(folder: Path) -> Path:
    """A Blip2ForConditionalGeneration's folder, with letters for tokens."""
    import transformers

    torch.manual_seed(0)
    words = _tokenizer(folder / "words")
    words.add_tokens(transformers.AddedToken("<image>", special=True))
    config = transformers.Blip2Config(
        vision_config={"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1,
                       "num_attention_heads": 2, "image_size": 32, "patch_size": 16},
        qformer_config={"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1,
                        "num_attention_heads": 2, "encoder_hidden_size": 16, "vocab_size": 10},
        text_config={"model_type": "opt", "hidden_size": 16, "ffn_dim": 16, "num_hidden_layers": 1,
                     "num_attention_heads": 2, "vocab_size": len(words), "word_embed_proj_dim": 16,
                     "max_position_embeddings": 64, "bos_token_id": 190, "eos_token_id": 191,
                     "pad_token_id": 191},
        num_query_tokens=4, image_token_index=len(words) - 1,
    )  # fmt: skip
    transformers.Blip2ForConditionalGeneration(config).save_pretrained(folder)
    pictures = transformers.BlipImageProcessor(size={"height": 32, "width": 32})
    transformers.Blip2Processor(pictures, words, num_query_tokens=4).save_pretrained(folder)
    return folder
