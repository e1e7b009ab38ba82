"""diffusers models, saved and loaded through the library's own files, against the library's mathematics."""

import dataclasses
import inspect
import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

import psc
from psc.prior.pretrained import packed
from psc.prior.pretrained.prior import classifier_free
from tests import models

diffusers = pytest.importorskip("diffusers", reason="needs psc-codec[models]")
pytest.importorskip("transformers", reason="needs psc-codec[models]")

Build = Callable[[Path], Path]
FAMILIES: dict[str, Build] = {
    "ddpm": models.ddpm,
    "stable-diffusion": models.stable_diffusion,
    "stable-diffusion-xl": models.stable_diffusion_xl,
    "stable-diffusion-3": models.stable_diffusion_3,
    "flux": models.flux,
    "flux-schnell": lambda folder: models.flux(folder, guidance=False),
    "pixart-sigma": models.pixart,
    "pixart-alpha": lambda folder: models.pixart(folder, additional=True),
    "deepfloyd-if": models.deepfloyd_if,
    "sana": models.sana,
    "qwen-image": models.qwen_image,
}
SIZES = {
    "ddpm": (3, 2), "deepfloyd-if": (3, 2), "stable-diffusion-3": (16, 2), "flux": (16, 2),
    "flux-schnell": (16, 2), "sana": (4, 1),
}  # fmt: skip
"""Channels, and the multiple of sides; (4, 2) elsewhere."""


@pytest.fixture(scope="module", params=FAMILIES)
def folder(request: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return FAMILIES[request.param](tmp_path_factory.mktemp(request.param, numbered=False) / "model")


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

    def velocity(x_t: torch.Tensor, t: float) -> torch.Tensor:
        return pipe.transformer(
            x_t, encoder_hidden_states=text, pooled_projections=pooled, timestep=torch.tensor([1000 * t])
        ).sample  # fmt: skip

    compare_flow(prior.conditioned("a house"), velocity)


def compare_flow(prior: Any, velocity: Callable[[torch.Tensor, float], torch.Tensor]) -> None:
    """velocity: the library's, of a latent x_t at t in [0, 1]."""
    scheduler = diffusers.FlowMatchEulerDiscreteScheduler(shift=1.0)
    for level in (0.05, 1.0, 12.0):
        t = level / (1 + level)
        scheduler.set_timesteps(sigmas=[t])
        scheduler.sigmas = torch.tensor([t, 0.0], dtype=torch.float64)
        x = torch.randn(1, prior.channels, 6, 10, dtype=torch.float64) * level
        x_t = x * (1 - t)
        with torch.inference_mode():
            predicted = velocity(x_t.float(), t).double()
            known = scheduler.step(predicted, scheduler.timesteps[0], x_t).prev_sample
        # the library's step is in single precision
        torch.testing.assert_close(prior.denoise(x, level), known, rtol=1e-6, atol=2e-6)


@pytest.mark.parametrize(("embedded", "guidance"), [(True, 1.0), (True, 3.5), (False, 1.0)])
def test_flux_denoises_as_the_library_does(embedded: bool, guidance: float, tmp_path: Path) -> None:
    """Packed latents and their places by the library's own functions; the guidance is an input."""
    folder = models.flux(tmp_path / "m", guidance=embedded)
    pipe = diffusers.FluxPipeline.from_pretrained(folder)
    text, pooled, text_ids = pipe.encode_prompt("a house", max_sequence_length=16)

    def velocity(x_t: torch.Tensor, t: float) -> torch.Tensor:
        _, channels, height, width = x_t.shape
        ids = pipe._prepare_latent_image_ids(1, height // 2, width // 2, "cpu", torch.float32)
        out = pipe.transformer(
            pipe._pack_latents(x_t, 1, channels, height, width), timestep=torch.tensor([t]),
            guidance=torch.tensor([guidance]) if embedded else None, pooled_projections=pooled,
            encoder_hidden_states=text, txt_ids=text_ids, img_ids=ids,
        ).sample  # fmt: skip
        return pipe._unpack_latents(out, 8 * height, 8 * width, 8)

    prior: Any = psc.load_prior(str(folder))
    compare_flow(prior.conditioned("a house", guidance), velocity)


def test_guidance_that_was_taught_costs_one_evaluation(tmp_path: Path) -> None:
    prior: Any = psc.load_prior(str(models.flux(tmp_path / "m")))
    x, seen = torch.randn(1, 16, 8, 8), list[float]()
    evaluate = packed._evaluate

    def counting(network: Any, x_t: Any, t: float, guidance: float, given: Any) -> torch.Tensor:
        seen.append(guidance)
        return evaluate(network, x_t, t, guidance, given)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(packed, "_evaluate", counting)
        for caption, guidance in (("", 3.5), ("a house", 1.0), ("a house", 3.5)):
            prior.conditioned(caption, guidance).denoise(x, 1.0)
    assert seen == [1.0, 1.0, 3.5]


def test_packed_latents_come_back() -> None:
    x = torch.arange(2 * 3 * 4 * 6.0).reshape(2, 3, 4, 6)
    assert packed.pack(x)[0, 1].tolist() == [2, 3, 8, 9, 26, 27, 32, 33, 50, 51, 56, 57]
    assert torch.equal(packed.unpack(packed.pack(x), 4, 6), x)


def test_qwen_image_denoises_as_the_library_does(tmp_path: Path) -> None:
    folder = models.qwen_image(tmp_path / "m")
    pipe = diffusers.QwenImagePipeline.from_pretrained(folder)
    text, mask = pipe.encode_prompt("a house")

    def velocity(x_t: torch.Tensor, t: float) -> torch.Tensor:
        _, channels, height, width = x_t.shape
        out = pipe.transformer(
            pipe._pack_latents(x_t, 1, channels, height, width), timestep=torch.tensor([t]),
            encoder_hidden_states=text, encoder_hidden_states_mask=mask,
            img_shapes=[[(1, height // 2, width // 2)]],
        ).sample  # fmt: skip
        return pipe._unpack_latents(out, 8 * height, 8 * width, 8)[:, :, 0]

    prior: Any = psc.load_prior(str(folder))
    compare_flow(prior.conditioned("a house"), velocity)


@pytest.mark.parametrize("caption", ["", "a house"])
def test_sana_denoises_as_the_library_does(caption: str, tmp_path: Path) -> None:
    """A caption follows the pipeline's instruction, as in training; the empty one does not."""
    folder = models.sana(tmp_path / "m")
    pipe = diffusers.SanaPipeline.from_pretrained(folder)
    default = inspect.signature(pipe.__call__).parameters["complex_human_instruction"].default
    text, mask, none, none_mask = pipe.encode_prompt("a house", complex_human_instruction=default)
    text, mask = (text, mask) if caption else (none, none_mask)

    def velocity(x_t: torch.Tensor, t: float) -> torch.Tensor:
        return pipe.transformer(
            x_t, encoder_hidden_states=text, encoder_attention_mask=mask, timestep=torch.tensor([1000 * t])
        ).sample  # fmt: skip

    prior: Any = psc.load_prior(str(folder))
    compare_flow(prior.conditioned(caption), velocity)


@pytest.mark.parametrize("additional", [False, True])
def test_pixart_denoises_as_the_library_does(additional: bool, tmp_path: Path) -> None:
    folder = models.pixart(tmp_path / "m", additional)
    pipe = diffusers.DiffusionPipeline.from_pretrained(folder)
    text, mask, _, _ = pipe.encode_prompt("a red house", do_classifier_free_guidance=False)
    told = {"resolution": torch.tensor([[16.0, 24.0]] * 2), "aspect_ratio": torch.tensor([[2 / 3]] * 2)}
    added = told if additional else {"resolution": None, "aspect_ratio": None}
    prior: Any = psc.load_prior(str(folder))
    with torch.inference_mode():
        found, known = discrete_case(
            prior.conditioned("a red house"), pipe.scheduler.config,
            lambda x, t: pipe.transformer(
                x, encoder_hidden_states=text.expand(2, -1, -1), encoder_attention_mask=mask.expand(2, -1),
                timestep=torch.tensor([t, t]), added_cond_kwargs=added,
            ).sample[:, :4].double(),
            torch.randn(2, 4, 8, 12, dtype=torch.float64), 1.0,
        )  # fmt: skip
    torch.testing.assert_close(found, known, rtol=1e-5, atol=2e-6)  # a mask is added in another order


def test_deepfloyd_if_denoises_as_the_library_does(tmp_path: Path) -> None:
    folder = models.deepfloyd_if(tmp_path / "m")
    pipe = diffusers.IFPipeline.from_pretrained(folder, safety_checker=None, watermarker=None)
    text, _ = pipe.encode_prompt("a red house", do_classifier_free_guidance=False)
    prior: Any = psc.load_prior(str(folder))
    with torch.inference_mode():
        found, known = discrete_case(
            prior.conditioned("a red house"), {**pipe.scheduler.config, "variance_type": "fixed_small",
                                               "thresholding": False},
            lambda x, t: pipe.unet(x, t, encoder_hidden_states=text.expand(2, -1, -1)).sample[:, :3].double(),
            torch.randn(2, 3, 16, 8, dtype=torch.float64), 1.0,
        )  # fmt: skip
    torch.testing.assert_close(found, known, rtol=1e-9, atol=1e-9)


def test_what_a_folder_says_of_itself(folder: Path) -> None:
    prior: Any = psc.load_prior(str(folder))
    sizes = SIZES.get(folder.parent.name, (4, 2))
    assert (prior.channels, prior.multiple, prior.exact) == (*sizes, False)
    x = torch.randn(2, prior.channels, 6, 10)
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


def test_latents_of_other_autoencoders(tmp_path: Path) -> None:
    """As the pipelines decode them: Sana's is no distribution, Qwen-Image's is of a video of one frame."""
    picture = torch.rand(1, 3, 16, 24) * 2 - 1
    sana: Any = psc.load_prior(str(models.sana(tmp_path / "sana")))
    pipe = diffusers.SanaPipeline.from_pretrained(tmp_path / "sana")
    with torch.inference_mode():
        latent = pipe.vae.encode(picture).latent * pipe.vae.config.scaling_factor
        torch.testing.assert_close(sana.to_latent(picture), latent)
        known = pipe.vae.decode(latent / pipe.vae.config.scaling_factor).sample
    torch.testing.assert_close(sana.to_picture(latent), known)
    qwen: Any = psc.load_prior(str(models.qwen_image(tmp_path / "qwen")))
    vae = diffusers.AutoencoderKLQwenImage.from_pretrained(tmp_path / "qwen/vae")
    mean, deviation = (
        torch.tensor(v)[:, None, None] for v in (vae.config.latents_mean, vae.config.latents_std)
    )
    with torch.inference_mode():
        latent = (vae.encode(picture[:, :, None]).latent_dist.mode()[:, :, 0] - mean) / deviation
        torch.testing.assert_close(qwen.to_latent(picture), latent)
        known = vae.decode((latent * deviation + mean)[:, :, None]).sample[:, :, 0]
    torch.testing.assert_close(qwen.to_picture(latent), known)


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
    if folder.parent.name != "flux":  # it is told the guidance
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

    counted = dataclasses.replace(prior, bind=classifier_free(counting))
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
    with pytest.raises(psc.PscError, match="takes more than a latent"):
        psc.load_prior(str(models.flux(tmp_path / "f", in_channels=128)))


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
        ("FluxTransformer2DModel", {"guidance_embeds": True}, 11_901_408_320),
        ("QwenImageTransformer2DModel", {}, 20_430_401_088),
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
        "stable-diffusion-3-medium", "flux.1-dev", "qwen-image", "stable-diffusion's autoencoder",
    ],
)  # fmt: skip
def test_full_size_architectures(network: str, config: dict[str, Any], count: int) -> None:
    with torch.device("meta"):
        model = getattr(diffusers, network)(**config)
    assert sum(p.numel() for p in model.parameters()) == count
