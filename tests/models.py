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


def _t5_tokenizer(folder: Path) -> Any:
    """T5's, a unigram model, with letters for words."""
    from tokenizers import Tokenizer, decoders, pre_tokenizers, processors
    from tokenizers.models import Unigram
    from transformers import T5TokenizerFast

    words = ["<pad>", "</s>", "<unk>", "▁", *map(chr, range(33, 127))]
    tokenizer = Tokenizer(Unigram([(word, -2.0) for word in words], unk_id=2))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A </s>", pair="$A </s> $B </s>", special_tokens=[("</s>", 1)]
    )
    folder.mkdir(parents=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    about = {"pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>", "extra_ids": 0}
    (folder / "tokenizer_config.json").write_text(json.dumps(about))
    return T5TokenizerFast.from_pretrained(folder, model_max_length=16)


def _t5() -> Any:
    from transformers import T5Config, T5EncoderModel

    config = T5Config(vocab_size=128, d_model=32, d_kv=8, d_ff=37, num_layers=2, num_heads=4)
    return T5EncoderModel(config)


def flux(folder: Path, guidance: bool = True, **changes: Any) -> Path:
    """FLUX.1: [dev] with an embedding of the guidance, [schnell] without."""
    import diffusers

    torch.manual_seed(0)
    config = {
        "in_channels": 64, "num_layers": 1, "num_single_layers": 1, "attention_head_dim": 16,
        "num_attention_heads": 2, "joint_attention_dim": 32, "pooled_projection_dim": 32,
        "guidance_embeds": guidance, "axes_dims_rope": (4, 4, 8),
    }  # fmt: skip
    scheduler = diffusers.FlowMatchEulerDiscreteScheduler(shift=3.0, use_dynamic_shifting=True)
    diffusers.FluxPipeline(
        scheduler=scheduler, vae=_autoencoder(16), text_encoder=_clip(),
        tokenizer=_tokenizer(folder / "words"), text_encoder_2=_t5(),
        tokenizer_2=_t5_tokenizer(folder / "words_2"),
        transformer=diffusers.FluxTransformer2DModel(**(config | changes)),
    ).save_pretrained(folder)  # fmt: skip
    return folder


def pixart(folder: Path, additional: bool = False) -> Path:
    """PixArt: alpha, if its network is told sizes (``additional``), else Sigma; a learned variance."""
    import diffusers

    torch.manual_seed(0)
    transformer = diffusers.PixArtTransformer2DModel(
        num_attention_heads=2, attention_head_dim=24, in_channels=4, out_channels=8, num_layers=2,
        cross_attention_dim=48, sample_size=8, patch_size=2, caption_channels=32, attention_bias=True,
        use_additional_conditions=additional,
    )  # fmt: skip
    kind = diffusers.PixArtAlphaPipeline if additional else diffusers.PixArtSigmaPipeline
    kind(
        tokenizer=_t5_tokenizer(folder / "words"), text_encoder=_t5(), vae=_autoencoder(),
        transformer=transformer, scheduler=diffusers.DPMSolverMultistepScheduler(),
    ).save_pretrained(folder)  # fmt: skip
    return folder


def deepfloyd_if(folder: Path) -> Path:
    """DeepFloyd IF's first stage: pixels, a learned variance."""
    import diffusers

    torch.manual_seed(0)
    unet = _unet(
        sample_size=16, in_channels=3, out_channels=6, encoder_hid_dim=32, addition_embed_type="text",
        addition_embed_type_num_heads=2, down_block_types=("ResnetDownsampleBlock2D",
        "SimpleCrossAttnDownBlock2D"), mid_block_type="UNetMidBlock2DSimpleCrossAttn",
        up_block_types=("SimpleCrossAttnUpBlock2D", "ResnetUpsampleBlock2D"),
        resnet_time_scale_shift="scale_shift",
    )  # fmt: skip
    scheduler = diffusers.DDPMScheduler(
        beta_schedule="squaredcos_cap_v2", variance_type="learned_range", thresholding=True
    )
    diffusers.IFPipeline(
        tokenizer=_t5_tokenizer(folder / "words"), text_encoder=_t5(), unet=unet, scheduler=scheduler,
        safety_checker=None, feature_extractor=None, watermarker=None, requires_safety_checker=False,
    ).save_pretrained(folder)  # fmt: skip
    return folder


def sana(folder: Path) -> Path:
    import diffusers
    from transformers import Gemma2Config, Gemma2Model

    torch.manual_seed(0)
    transformer = diffusers.SanaTransformer2DModel(
        in_channels=4, out_channels=4, num_attention_heads=2, attention_head_dim=16, num_layers=2,
        num_cross_attention_heads=2, cross_attention_head_dim=16, cross_attention_dim=32,
        caption_channels=32, sample_size=8,
    )  # fmt: skip
    text = Gemma2Model(
        Gemma2Config(vocab_size=300, hidden_size=32, intermediate_size=37, num_hidden_layers=2,
                     num_attention_heads=2, num_key_value_heads=2, head_dim=16, pad_token_id=191)
    )  # fmt: skip
    autoencoder = diffusers.AutoencoderDC(
        latent_channels=4, attention_head_dim=4, encoder_block_types=("ResBlock",) * 2,
        decoder_block_types=("ResBlock",) * 2, encoder_block_out_channels=(8, 16),
        decoder_block_out_channels=(8, 16), encoder_qkv_multiscales=((), ()),
        decoder_qkv_multiscales=((), ()), encoder_layers_per_block=(1, 1),
        decoder_layers_per_block=(1, 1), downsample_block_type="conv", upsample_block_type="interpolate",
        decoder_norm_types="rms_norm", decoder_act_fns="silu", scaling_factor=0.41407,
    )  # fmt: skip
    diffusers.SanaPipeline(
        tokenizer=_tokenizer(folder / "words"), text_encoder=text, vae=autoencoder, transformer=transformer,
        scheduler=diffusers.DPMSolverMultistepScheduler(
            prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=3.0
        ),
    ).save_pretrained(folder)  # fmt: skip
    return folder


def qwen_image(folder: Path) -> Path:
    import diffusers
    from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

    torch.manual_seed(0)
    words = _tokenizer(folder / "words")
    text = Qwen2_5_VLForConditionalGeneration(
        Qwen2_5_VLConfig(
            text_config={"hidden_size": 32, "intermediate_size": 37, "num_hidden_layers": 2,
                         "num_attention_heads": 2, "num_key_value_heads": 2, "vocab_size": 300,
                         "rope_scaling": {"mrope_section": [2, 3, 3], "rope_type": "default",
                                          "type": "default"}},
            vision_config={"depth": 1, "hidden_size": 16, "intermediate_size": 16, "num_heads": 2,
                           "out_hidden_size": 32},
            vision_start_token_id=192, image_token_id=193, video_token_id=194,
        )
    )  # fmt: skip
    transformer = diffusers.QwenImageTransformer2DModel(
        patch_size=2, in_channels=16, out_channels=4, num_layers=2, attention_head_dim=16,
        num_attention_heads=2, joint_attention_dim=32, axes_dims_rope=(4, 4, 8),
    )  # fmt: skip
    autoencoder = diffusers.AutoencoderKLQwenImage(
        base_dim=8, z_dim=4, dim_mult=[1, 2], num_res_blocks=1, temperal_downsample=[False],
        latents_mean=[0.1, -0.2, 0.3, 0.0], latents_std=[0.5, 1.0, 1.5, 2.0],
    )  # fmt: skip
    diffusers.QwenImagePipeline(
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True), vae=autoencoder,
        text_encoder=text, tokenizer=words, transformer=transformer,
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
