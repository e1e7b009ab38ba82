"""OpenAI's checkpoints: the network against diffusers' of the same architecture, sizes, bad files."""

import io
import json
import pickle
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

import psc
from psc.prior.pretrained.adm import Adm
from psc.prior.pretrained.cards import cards
from psc.prior.pretrained.loading import load_diffusion
from tests import models

PLACES = {
    "input_blocks.0.0": "conv_in", "input_blocks.1.0": "down_blocks.0.resnets.0",
    "input_blocks.2.0": "down_blocks.0.downsamplers.0", "input_blocks.3.0": "down_blocks.1.resnets.0",
    "input_blocks.3.1": "down_blocks.1.attentions.0", "middle_block.0": "mid_block.resnets.0",
    "middle_block.1": "mid_block.attentions.0", "middle_block.2": "mid_block.resnets.1",
    "output_blocks.0.0": "up_blocks.0.resnets.0", "output_blocks.0.1": "up_blocks.0.attentions.0",
    "output_blocks.1.0": "up_blocks.0.resnets.1", "output_blocks.1.1": "up_blocks.0.attentions.1",
    "output_blocks.1.2": "up_blocks.0.upsamplers.0", "output_blocks.2.0": "up_blocks.1.resnets.0",
    "output_blocks.3.0": "up_blocks.1.resnets.1", "out.0": "conv_norm_out", "out.2": "conv_out",
    "time_embed.0": "time_embedding.linear_1", "time_embed.2": "time_embedding.linear_2",
    "label_emb": "class_embedding",
}  # fmt: skip
PARTS = {
    "in_layers.0": "norm1", "in_layers.2": "conv1", "emb_layers.1": "time_emb_proj", "out_layers.0": "norm2",
    "out_layers.3": "conv2", "skip_connection": "conv_shortcut", "norm": "group_norm",
    "proj_out": "to_out.0",
}  # fmt: skip


def in_diffusers_names(network: Adm) -> dict[str, torch.Tensor]:
    """Our tensors under the names of diffusers' UNet2DModel."""
    out: dict[str, torch.Tensor] = {}
    for name, value in network.state_dict().items():
        place = next(p for p in PLACES if re.match(re.escape(p) + r"\.", name))
        *inner, kind = name[len(place) + 1 :].split(".")
        part, value = ".".join(inner), value.squeeze(-1) if value.dim() == 3 else value
        if part == "qkv":
            parts, axis = ((-1, 3), 1) if network.about.heads_first else ((3, -1), 0)
            split = value.reshape(*parts, 16, *value.shape[1:]).unbind(axis)
            for letter, third in zip("qkv", split, strict=True):
                out[f"{PLACES[place]}.to_{letter}.{kind}"] = third.flatten(0, 1)
        else:
            out[".".join([PLACES[place], *([PARTS[part]] if part else []), kind])] = value
    return out


@pytest.mark.parametrize("heads_first", [True, False])
def test_the_network_is_the_one_that_diffusers_has(heads_first: bool) -> None:
    diffusers = pytest.importorskip("diffusers", reason="needs psc-codec[models]")
    torch.manual_seed(1)
    ours = Adm(models.architecture(heads_first=heads_first, classes=7)).double()
    theirs = diffusers.UNet2DModel(
        sample_size=16, out_channels=6, layers_per_block=1, block_out_channels=(32, 64), num_class_embeds=7,
        down_block_types=("ResnetDownsampleBlock2D", "AttnDownBlock2D"), downsample_type="resnet",
        up_block_types=("AttnUpBlock2D", "ResnetUpsampleBlock2D"), upsample_type="resnet",
        resnet_time_scale_shift="scale_shift", attention_head_dim=16, attn_norm_num_groups=32,
        freq_shift=0, flip_sin_to_cos=True,
    ).double()  # fmt: skip
    theirs.load_state_dict(in_diffusers_names(ours), strict=True)
    x = torch.randn(2, 3, 16, 24, dtype=torch.float64)
    with torch.inference_mode():
        found, known = ours(x, 321, 3), theirs(x, 321, torch.tensor([3, 3])).sample
    torch.testing.assert_close(found, known, rtol=1e-6, atol=1e-7)  # timesteps are embedded in float32
    assert known.std() > 0.01


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("adm-imagenet-256", 552_814_086),
        ("adm-imagenet-64-class", 295_904_454),
        ("adm-imagenet-128-class", 421_529_606),
        ("adm-imagenet-256-class", 553_838_086),
        ("adm-imagenet-512-class", 558_997_638),
    ],
)
def test_full_size_architectures(name: str, count: int) -> None:
    """552.8 million is in the literature; table 4 of the paper has 296, 422, 554 and 559 million."""
    with torch.device("meta"):
        network = Adm(models.architecture(**{"heads": 0, "head_width": 64, **cards()[name].model}))
    assert sum(p.numel() for p in network.parameters()) == count
    side = cards()[name].native_size
    out = network(torch.empty(1, 3, side, side, device="meta"), 1.0, 5 if network.about.classes else None)
    assert out.shape == (1, 6, side, side)


def test_denoise_is_the_librarys_mathematics(tmp_path: Path) -> None:
    diffusers = pytest.importorskip("diffusers", reason="needs psc-codec[models]")
    path = models.adm(tmp_path / "a.pt")
    prior = psc.load_prior(str(path))
    network = Adm(models.architecture())
    network.load_state_dict(torch.load(path, weights_only=True))
    scheduler = diffusers.DDPMScheduler(clip_sample=False)
    scheduler.alphas_cumprod = torch.cumprod(1 - torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64), 0)
    for level, t in ((1.0, 258), (0.05, 11), (12.0, 700)):
        x = torch.randn(2, 3, 8, 8, dtype=torch.float64) * level
        x_t = x * scheduler.alphas_cumprod[t].sqrt()
        with torch.inference_mode():
            p = network(x_t.float(), t).double()[:, :3]
        known = scheduler.step(p, t, x_t).pred_original_sample
        sigma_t = ((1 - scheduler.alphas_cumprod[t]) / scheduler.alphas_cumprod[t]).sqrt().item()
        assert sigma_t == pytest.approx(level, rel=0.02)
        torch.testing.assert_close(prior.denoise(x, sigma_t), known, rtol=1e-9, atol=1e-9)


def test_what_a_checkpoint_says_of_itself(tmp_path: Path) -> None:
    path = models.adm(tmp_path / "a.pt")
    prior = psc.load_prior(str(path))
    assert (prior.channels, prior.multiple, prior.exact) == (3, 2, False)
    assert prior.denoise(torch.zeros(1, 3, 6, 10), 1.0).dtype == torch.float32
    save_file(torch.load(path, weights_only=True), tmp_path / "b.safetensors")
    (tmp_path / "b.json").write_text((tmp_path / "a.json").read_text())
    assert psc.load_prior(str(tmp_path / "b.safetensors")).fingerprint == prior.fingerprint
    others = [
        models.adm(tmp_path / f"{n}.pt", **c)
        for n, c in enumerate(({"schedule": "cosine"}, {"heads_first": False}))
    ]
    prints = {psc.load_prior(str(p)).fingerprint for p in others}
    prints |= {prior.fingerprint, psc.load_prior(str(path), half=True).fingerprint}
    assert len(prints) == 4


def test_a_published_file_is_known_by_its_name(tmp_path: Path) -> None:
    save_file({"x": torch.zeros(1)}, tmp_path / "x.safetensors")
    torch.save({"x": torch.zeros(1)}, tmp_path / "256x256_diffusion_uncond.pt")
    with pytest.raises(psc.PscError, match="not of the architecture described: time_embed.0.weight differs"):
        psc.load_prior(str(tmp_path / "256x256_diffusion_uncond.pt"))
    with pytest.raises(psc.PscError, match="describe its architecture in x.json"):
        psc.load_prior(str(tmp_path / "x.safetensors"))


def test_half_precision_is_near(tmp_path: Path) -> None:
    path = str(models.adm(tmp_path / "a.pt"))
    x = torch.randn(2, 3, 8, 8)
    whole, half = psc.load_prior(path).denoise(x, 1.0), psc.load_prior(path, half=True).denoise(x, 1.0)
    assert 0 < (whole - half).abs().max() < 0.02


def test_classes(tmp_path: Path) -> None:
    prior: Any = psc.load_prior(str(models.adm(tmp_path / "a.pt", classes=10)))
    x = torch.randn(1, 3, 8, 8)
    with pytest.raises(psc.PscError, match="needs a class"):
        prior.denoise(x, 1.0)
    for wrong in ("10", "-1", "cat"):
        with pytest.raises(psc.PscError, match="expected a number from 0 to 9"):
            prior.conditioned(wrong)
    third, fourth = prior.conditioned("3"), prior.conditioned("4")
    assert not torch.equal(third.denoise(x, 1.0), fourth.denoise(x, 1.0))
    assert len({prior.fingerprint, third.fingerprint, fourth.fingerprint}) == 3
    with pytest.raises(psc.PscError, match="takes no caption or class"):
        load_diffusion(str(models.adm(tmp_path / "b.pt")), "cpu", False).conditioned("1")  # type: ignore[attr-defined]


class Evil:
    def __reduce__(self) -> Any:
        return Path.touch, (Path("executed"),)


@pytest.mark.parametrize("name", ["model.pkl", "model.pt"])
def test_pickled_programs_are_refused_and_not_run(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    buffer = io.BytesIO()
    (torch.save if name.endswith("pt") else pickle.dump)({"ema": Evil()}, buffer)
    Path(name).write_bytes(buffer.getvalue())
    Path("model.json").write_text(json.dumps(models.ADM))
    with pytest.raises(psc.PscError, match="executes whatever code it holds"):
        psc.load_prior(name)
    assert not Path("executed").exists()


def bad_files() -> dict[str, bytes]:
    buffer = io.BytesIO()
    torch.save([1, 2], buffer)
    return {
        "text.pt": b"weights",
        "empty.pt": b"",
        "list.pt": buffer.getvalue(),
        "x.safetensors": b"12345678",
    }


@pytest.mark.parametrize("name", bad_files())
def test_bad_files(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(bad_files()[name])
    (tmp_path / name).with_suffix(".json").write_text(json.dumps(models.ADM))
    with pytest.raises(psc.PscError, match=r"cannot read the weights|something else than tensors|damaged"):
        psc.load_prior(str(tmp_path / name))


@pytest.mark.parametrize("text", ["{", "[1]", '{"size": 16}', '{"schedule": "none"}', '{"colour": 1}'])
def test_bad_descriptions(text: str, tmp_path: Path) -> None:
    path = models.adm(tmp_path / "a.pt")
    path.with_suffix(".json").write_text(text)
    with pytest.raises(psc.PscError, match=r"description|cannot read|expected an object"):
        psc.load_prior(str(path))


@pytest.mark.parametrize("name", ["picture.png", "no-such-model", "models/none.pt", "a/b/c"])
def test_what_is_no_model(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("picture.png").touch()
    with pytest.raises(psc.PscError, match=r"is not a model|unknown prior"):
        psc.load_prior(name)
