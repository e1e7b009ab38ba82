"""diffusers models, saved and loaded through the library's own files, against the library's mathematics."""

import dataclasses
import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

import psc
from tests import models

diffusers = pytest.importorskip("diffusers", reason="needs psc-codec[models]")
pytest.importorskip("transformers", reason="needs psc-codec[models]")

Build = Callable[[Path], Path]
FAMILIES: dict[str, Build] = {
    "ddpm": models.ddpm,
    "stable-diffusion": models.stable_diffusion,
    "stable-diffusion-xl": models.stable_diffusion_xl,
    "stable-diffusion-3": models.stable_diffusion_3,
}


@pytest.fixture(scope="module", params=FAMILIES)
def folder(request: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return FAMILIES[request.param](tmp_path_factory.mktemp(request.param) / "model")


@pytest.fixture(scope="module")
def stable(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return models.stable_diffusion(tmp_path_factory.mktemp("stable") / "model")


def ddpm_scheduler(config: Any) -> Any:
    """The library's DDPM mathematics on the same schedule, in double precision and without clipping."""
    scheduler = diffusers.DDPMScheduler.from_config(config, clip_sample=False)
    scheduler.alphas_cumprod = scheduler.alphas_cumprod.double()
    return scheduler


def discrete_case(prior: Any, config: Any, network: Any, x: torch.Tensor, level: float) -> Any:
    """(the prior's estimate, the library's from the same prediction at the same timestep)."""
    scheduler = ddpm_scheduler(config)
    sigmas = ((1 - scheduler.alphas_cumprod) / scheduler.alphas_cumprod).sqrt()
    t = int((sigmas.log() - torch.tensor(level).log()).abs().argmin())
    x_t = x * scheduler.alphas_cumprod[t].sqrt()
    known = scheduler.step(network(x_t.float(), t), t, x_t).pred_original_sample
    return prior.denoise(x, level), known


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction", "sample"])
@pytest.mark.parametrize("level", [0.05, 1.0, 12.0])
def test_pixel_models_denoise_as_the_library_does(prediction: str, level: float, tmp_path: Path) -> None:
    scheduler = diffusers.DDPMScheduler(prediction_type=prediction, beta_schedule="squaredcos_cap_v2")
    folder = models.ddpm(tmp_path / "m", scheduler=scheduler)
    network = diffusers.UNet2DModel.from_pretrained(folder / "unet").eval()
    with torch.inference_mode():
        found, known = discrete_case(
            psc.load_prior(str(folder)), scheduler.config, lambda x, t: network(x, t).sample.double(),
            torch.randn(2, 3, 16, 8, dtype=torch.float64) * level, level,
        )  # fmt: skip
    torch.testing.assert_close(found, known, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
@pytest.mark.parametrize("caption", ["", "a red house"])
def test_stable_diffusion_denoises_as_the_library_does(prediction: str, caption: str, tmp_path: Path) -> None:
    folder = models.stable_diffusion(tmp_path / "m", prediction)
    pipe = diffusers.StableDiffusionPipeline.from_pretrained(folder)
    text = pipe.text_encoder(
        torch.tensor([pipe.tokenizer(caption, padding="max_length", max_length=16).input_ids])
    )[0]
    prior: Any = psc.load_prior(str(folder))
    with torch.inference_mode():
        found, known = discrete_case(
            prior.conditioned(caption) if caption else prior, pipe.scheduler.config,
            lambda x, t: pipe.unet(x, t, encoder_hidden_states=text.expand(2, -1, -1)).sample.double(),
            torch.randn(2, 4, 8, 8, dtype=torch.float64), 1.0,
        )  # fmt: skip
    torch.testing.assert_close(found, known, rtol=1e-9, atol=1e-9)


def test_stable_diffusion_xl_denoises_as_the_library_does(tmp_path: Path) -> None:
    """Next to last hidden states of both text encoders; the second's pooled output; sizes in pixels."""
    folder = models.stable_diffusion_xl(tmp_path / "m")
    pipe, prior = diffusers.StableDiffusionXLPipeline.from_pretrained(folder), psc.load_prior(str(folder))
    for caption in ("", "a red house"):
        _compare_xl(pipe, prior, caption)


def _compare_xl(pipe: Any, prior: Any, caption: str) -> None:
    words = torch.tensor([pipe.tokenizer(caption, padding="max_length", max_length=16).input_ids])
    first = pipe.text_encoder(words, output_hidden_states=True)
    second = pipe.text_encoder_2(words, output_hidden_states=True)
    text = torch.cat([first.hidden_states[-2], second.hidden_states[-2]], -1)
    pooled = second.text_embeds
    if not caption:
        text, pooled = text * 0, pooled * 0
    added = {
        "text_embeds": pooled.expand(2, -1),
        "time_ids": torch.tensor([[16.0, 24.0, 0.0, 0.0, 16.0, 24.0]] * 2),
    }
    with torch.inference_mode():
        found, known = discrete_case(
            prior.conditioned(caption) if caption else prior, pipe.scheduler.config,
            lambda x, t: pipe.unet(x, t, encoder_hidden_states=text.expand(2, -1, -1),
                                   added_cond_kwargs=added).sample.double(),
            torch.randn(2, 4, 8, 12, dtype=torch.float64), 1.0,
        )  # fmt: skip
    torch.testing.assert_close(found, known, rtol=1e-9, atol=1e-9)


def test_flow_matching_is_the_librarys(tmp_path: Path) -> None:
    """One Euler step of the library to noise level 0 is its x0."""
    folder = models.stable_diffusion_3(tmp_path / "m")
    pipe = diffusers.StableDiffusion3Pipeline.from_pretrained(folder, text_encoder_3=None, tokenizer_3=None)
    text, _, pooled, _ = pipe.encode_prompt(
        "a house", None, None, do_classifier_free_guidance=False, max_sequence_length=16
    )
    prior: Any = psc.load_prior(str(folder))
    scheduler = diffusers.FlowMatchEulerDiscreteScheduler(shift=1.0)
    for level in (0.05, 1.0, 12.0):
        t = level / (1 + level)
        scheduler.set_timesteps(sigmas=[t])
        scheduler.sigmas = torch.tensor([t, 0.0], dtype=torch.float64)
        x = torch.randn(1, 16, 8, 8, dtype=torch.float64) * level
        x_t = x * (1 - t)
        with torch.inference_mode():
            velocity = pipe.transformer(
                x_t.float(), encoder_hidden_states=text, pooled_projections=pooled,
                timestep=torch.tensor([1000 * t]),
            ).sample  # fmt: skip
            known = scheduler.step(velocity.double(), scheduler.timesteps[0], x_t).prev_sample
        # the library's step is in single precision
        torch.testing.assert_close(
            prior.conditioned("a house").denoise(x, level), known, rtol=1e-6, atol=1e-6
        )


def test_what_a_folder_says_of_itself(folder: Path) -> None:
    prior: Any = psc.load_prior(str(folder))
    channels = {"ddpm0": 3, "stable-diffusion-30": 16}.get(folder.parent.name, 4)
    assert (prior.channels, prior.multiple, prior.exact) == (channels, 2, False)
    x = torch.randn(2, channels, 6, 10)
    out = prior.denoise(x, 0.7)
    assert out.shape == x.shape
    assert out.dtype == torch.float32
    assert not torch.equal(out[0], out[1])
    half = psc.load_prior(str(folder), half=True)
    assert 0 < (half.denoise(x, 0.7) - out).abs().max() < 0.02
    assert half.fingerprint != prior.fingerprint
    assert psc.load_prior(str(folder)).fingerprint == prior.fingerprint


def test_the_callers_settings_do_not_matter(folder: Path) -> None:
    prior = psc.load_prior(str(folder))
    x = torch.randn(1, prior.channels, 8, 8)
    known = prior.denoise(x, 0.7)
    torch.set_float32_matmul_precision("medium")
    try:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            assert torch.equal(prior.denoise(x, 0.7), known)
        assert torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_float32_matmul_precision("highest")


def test_latents_and_pictures(stable: Path) -> None:
    prior: Any = psc.load_prior(str(stable))
    autoencoder = diffusers.AutoencoderKL.from_pretrained(stable / "vae")
    picture = torch.rand(2, 3, 16, 24) * 2 - 1
    with torch.inference_mode():
        mean = autoencoder.encode(picture).latent_dist.mean * 0.18215
        known = autoencoder.decode(mean / 0.18215).sample
    assert prior.factor == 2
    torch.testing.assert_close(prior.to_latent(picture), mean)
    torch.testing.assert_close(prior.to_picture(mean), known)


def test_captions_and_guidance(folder: Path) -> None:
    prior: Any = psc.load_prior(str(folder))
    if prior.bind is None:
        pytest.skip("an unconditional model")
    x = torch.randn(1, prior.channels, 8, 8)
    house, guided = prior.conditioned("a house"), prior.conditioned("a house", guidance=3)
    free, given = prior.denoise(x, 1.0), house.denoise(x, 1.0)
    assert not torch.equal(free, given)
    if folder.parent.name != "stable-diffusion-xl0":  # there the empty caption's zeros are no text at all
        assert torch.equal(prior.conditioned("").denoise(x, 1.0), free)
    torch.testing.assert_close(guided.denoise(x, 1.0), free + 3 * (given - free), rtol=1e-4, atol=1e-4)
    prints = [p.fingerprint for p in (prior, house, guided, prior.conditioned("a horse"))]
    assert len(set(prints)) == 4
    assert prior.conditioned("", guidance=7.5).fingerprint == prior.fingerprint


def test_an_empty_caption_costs_one_evaluation(stable: Path) -> None:
    prior: Any = psc.load_prior(str(stable))
    calls: list[float] = []

    def counting(text: str) -> Any:
        inner = type(prior).conditioned(prior, text).predict
        return lambda x_t, t: (calls.append(t), inner(x_t, t))[1]

    counted = dataclasses.replace(prior, bind=counting)
    for caption, guidance, cost in (("", 7.5, 1), ("a house", 1.0, 1), ("a house", 7.5, 2)):
        calls.clear()
        counted.conditioned(caption, guidance).denoise(torch.randn(1, 4, 8, 8), 1.0)
        assert len(calls) == cost


def test_nothing_is_said_while_loading(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    before = logging.getLogger("diffusers").level
    psc.load_prior(str(folder))
    assert capfd.readouterr() == ("", "")
    assert logging.getLogger("diffusers").level == before


def test_the_fingerprint_covers_weights_schedule_and_words(stable: Path, tmp_path: Path) -> None:
    prints = {psc.load_prior(str(stable)).fingerprint}
    for file, key, value in (
        ("scheduler/scheduler_config.json", "prediction_type", "v_prediction"),
        ("scheduler/scheduler_config.json", "beta_end", 0.013),
        ("unet/config.json", "attention_head_dim", 4),
    ):
        copy = tmp_path / key
        _copy(stable, copy)
        config = json.loads((copy / file).read_text())
        (copy / file).write_text(json.dumps(config | {key: value}))
        prints.add(psc.load_prior(str(copy)).fingerprint)
    assert len(prints) == 4
    copy = tmp_path / "sampling"
    _copy(stable, copy)
    config = json.loads((copy / "scheduler/scheduler_config.json").read_text())
    (copy / "scheduler/scheduler_config.json").write_text(json.dumps(config | {"set_alpha_to_one": True}))
    assert psc.load_prior(str(copy)).fingerprint in prints  # how others sample is not what it knows


def _copy(source: Path, target: Path) -> None:
    for path in source.rglob("*"):
        if path.is_file():
            (target / path.relative_to(source)).parent.mkdir(parents=True, exist_ok=True)
            (target / path.relative_to(source)).write_bytes(path.read_bytes())


def test_half_precision_files_are_found(stable: Path, tmp_path: Path) -> None:
    """Many repositories hold both kinds; a card fetches the smaller ones only."""
    pipe = diffusers.StableDiffusionPipeline.from_pretrained(stable).to(torch.float16)
    pipe.save_pretrained(tmp_path / "m", variant="fp16")
    assert (tmp_path / "m/unet/diffusion_pytorch_model.fp16.safetensors").is_file()
    pipe.to(torch.float32).save_pretrained(tmp_path / "f")
    x, estimates = torch.randn(1, 4, 8, 8), []
    for name in ("m", "f"):
        prior: Any = psc.load_prior(str(tmp_path / name))
        estimates.append(prior.conditioned("a house").denoise(x, 1.0))
    assert torch.equal(*estimates)  # the files' precision, computed in single precision


def test_weights_in_the_folder_itself_and_in_bin_files(tmp_path: Path) -> None:
    """As the google/ddpm-* repositories have them."""
    known = psc.load_prior(str(models.ddpm(tmp_path / "m")))
    flat = tmp_path / "flat"
    diffusers.UNet2DModel.from_pretrained(tmp_path / "m/unet").save_pretrained(flat, safe_serialization=False)
    for name in ("model_index.json", "scheduler/scheduler_config.json"):
        (flat / Path(name).name).write_bytes((tmp_path / "m" / name).read_bytes())
    assert (flat / "diffusion_pytorch_model.bin").is_file()
    assert psc.load_prior(str(flat)).fingerprint == known.fingerprint


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"unet/config.json": {"_class_name": "UNet2DModel", "num_class_embeds": 5}}, "class-conditional"),
        ({"scheduler/scheduler_config.json": {"sigma_max": 1348}}, "scheduler of .* is of an unknown kind"),
        ({"scheduler/scheduler_config.json": {"beta_schedule": "linear", "prediction_type": "x"}}, "kind"),
        ({"model_index.json": {"_class_name": "LDMPipeline", "vqvae": [], "unet": ["", ""]}}, "class LDM"),
        ({"model_index.json": "{"}, "cannot read"),
        ({"model_index.json": None}, "neither model_index.json nor config.json"),
        ({"unet/config.json": None}, "cannot read .* complete"),
        ({"unet/diffusion_pytorch_model.safetensors": None}, "holds no weights"),
        ({"unet/diffusion_pytorch_model.safetensors": "damaged"}, "cannot load the model"),
        ({"unet/config.json": {"_class_name": "UNet2DModel"}}, "cannot load the model"),
    ],
)  # fmt: skip
def test_folders_that_are_no_priors(change: dict[str, Any], reason: str, tmp_path: Path) -> None:
    folder = models.ddpm(tmp_path / "m")
    for name, content in change.items():
        if content is None:
            (folder / name).unlink()
        else:
            (folder / name).write_text(content if isinstance(content, str) else json.dumps(content))
    with pytest.raises(psc.PscError, match=reason):
        psc.load_prior(str(folder))


def test_missing_weights_are_not_made_up(tmp_path: Path) -> None:
    """The library would fill them with random numbers."""
    folder = models.ddpm(tmp_path / "m")
    file = folder / "unet/diffusion_pytorch_model.safetensors"
    weights = load_file(file)
    del weights["conv_in.bias"]
    save_file(weights, file, {"format": "pt"})
    with pytest.raises(psc.PscError, match=r"not complete: 1 tensors are missing|cannot load the model"):
        psc.load_prior(str(folder))


def test_inpainting_models_are_no_priors(tmp_path: Path) -> None:
    with pytest.raises(psc.PscError, match="takes more than a latent"):
        psc.load_prior(str(models.stable_diffusion(tmp_path / "m", in_channels=9)))


@pytest.mark.parametrize(
    ("network", "config", "count"),
    [
        (
            "UNet2DModel",
            {
                "sample_size": 256, "block_out_channels": (128, 128, 256, 256, 512, 512), "freq_shift": 1,
                "flip_sin_to_cos": False, "downsample_padding": 0, "norm_eps": 1e-6,
                "attention_head_dim": None,
                "down_block_types": ("DownBlock2D",) * 4 + ("AttnDownBlock2D", "DownBlock2D"),
                "up_block_types": ("UpBlock2D", "AttnUpBlock2D") + ("UpBlock2D",) * 4,
            },
            113_673_219,
        ),
        (
            "UNet2DConditionModel",
            {"sample_size": 64, "attention_head_dim": [5, 10, 20, 20], "cross_attention_dim": 1024,
             "use_linear_projection": True},
            865_910_724,
        ),
        ("UNet2DConditionModel", {"sample_size": 64, "cross_attention_dim": 768}, 859_520_964),
        (
            "UNet2DConditionModel",
            {
                "sample_size": 128, "block_out_channels": (320, 640, 1280), "cross_attention_dim": 2048,
                "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
                "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
                "attention_head_dim": [5, 10, 20], "transformer_layers_per_block": [1, 2, 10],
                "use_linear_projection": True, "addition_embed_type": "text_time",
                "addition_time_embed_dim": 256, "projection_class_embeddings_input_dim": 2816,
            },
            2_567_463_684,
        ),
        (
            "SD3Transformer2DModel",
            {
                "sample_size": 128, "patch_size": 2, "in_channels": 16, "out_channels": 16,
                "num_layers": 24, "attention_head_dim": 64, "num_attention_heads": 24,
                "joint_attention_dim": 4096, "caption_projection_dim": 1536,
                "pooled_projection_dim": 2048, "pos_embed_max_size": 192,
            },
            2_028_328_000,
        ),
        (
            "AutoencoderKL",
            {
                "block_out_channels": (128, 256, 512, 512), "layers_per_block": 2, "latent_channels": 4,
                "down_block_types": ("DownEncoderBlock2D",) * 4,
                "up_block_types": ("UpDecoderBlock2D",) * 4,
            },
            83_653_863,
        ),
    ],
    ids=[
        "ddpm-celebahq-256", "stable-diffusion-2.1-base", "stable-diffusion-1.5", "stable-diffusion-xl",
        "stable-diffusion-3-medium", "stable-diffusion's autoencoder",
    ],
)  # fmt: skip
def test_full_size_architectures(network: str, config: dict[str, Any], count: int) -> None:
    with torch.device("meta"):
        model = getattr(diffusers, network)(**config)
    assert sum(p.numel() for p in model.parameters()) == count
