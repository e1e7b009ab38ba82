"""Latent-PSC: files of latents with captions, on an autoencoder that loses nothing and on real classes."""

import dataclasses
import hashlib
import json
import math
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional

import psc
from psc import prior as priors
from psc.bitstream.header import unpack
from psc.bitstream.rangecoder import Reader
from psc.exact.fixed import LATENT_LIMIT
from psc.images.picture import Picture
from psc.images.pixels import to_tensor
from psc.plan.plan import FULL_BASIS, Level, Plan, Round, Settings
from psc.plan.presets import DEFAULT, LATENT, LATENT_PAPER
from psc.posterior import ddrm
from psc.prior import HaarGaussian
from psc.prior.pretrained.latent import LatentPrior
from psc.prior.pretrained.parametrisation import Flow
from psc.session.context import Context
from psc.session.encoder import Encoder
from psc.session.setup import open_session
from tests import models
from tests.conftest import texture
from tests.headers import header_of
from tests.test_cli import Psc, Result, assert_fails
from tests.test_cli import _psc as psc_fixture
from tests.test_posterior import drawn, free
from tests.test_session import psnr, states

GOLDEN = Path(__file__).parent / "golden" / "latent.psc"
SHORT = Plan((Level(1, 4, 4),), (Round(0, 2, 3), Round(0, 2, 2), Round(0, FULL_BASIS, 2)))


class Shuffle:
    """An autoencoder that loses nothing: 2x2 pixels become 12 channels. gain: of its numbers."""

    def __init__(self, gain: float = 1.0) -> None:
        self.gain, self.config = gain, SimpleNamespace(scaling_factor=2.0, shift_factor=0.25)

    def encode(self, picture: torch.Tensor) -> Any:
        latent = self.gain * functional.pixel_unshuffle(picture, 2)
        return SimpleNamespace(latent_dist=SimpleNamespace(mode=lambda: latent))

    def decode(self, latent: torch.Tensor) -> Any:
        return SimpleNamespace(sample=functional.pixel_shuffle(latent / self.gain, 2))


class GaussianLatents(LatentPrior):
    """Gaussian latents of Shuffle; a condition changes nothing but the fingerprint."""

    def denoise(self, x: torch.Tensor, sigma: float, scale: int = 1) -> torch.Tensor:
        return HaarGaussian(low=3.0, detail=(0.2, 0.5), channels=12).denoise(x, sigma, scale)

    def pullback(self, x: torch.Tensor, v: torch.Tensor, sigma: float, scale: int = 1) -> torch.Tensor:
        """The denoiser is linear and symmetric."""
        return self.denoise(v, sigma, scale)


def latents(gain: float = 1.0) -> Any:
    return GaussianLatents(
        name="gaussian latents", predict=lambda x, t: x, parametrisation=Flow(), channels=12, multiple=4,
        fingerprint=hashlib.sha256(b"gaussian latents").digest(), device=torch.device("cpu"),
        bind=lambda text, guidance: lambda x, t: x, autoencoder=Shuffle(gain), factor=2,
    )  # fmt: skip


def settings(rounds: int = 3, step: int = 60) -> Settings:
    return Settings(SHORT, rounds, step, 3)


# Round trips


@pytest.mark.parametrize("caption", ["", "a red house", "Zürich, 東京"])
@pytest.mark.parametrize("shape", [(1, 1, 3), (16, 16, 3), (13, 37, 3), (21, 10, 1)])
def test_any_size_with_and_without_a_caption(shape: tuple[int, int, int], caption: str) -> None:
    array, bare = texture(*shape), latents()
    given = bare.conditioned(caption) if caption else bare
    data, simulated = psc.simulate(array, settings(), prior=given)
    assert psc.encode_with(array, settings(), prior=given) == data
    for prior in (bare, given):
        decoded = psc.decode_details(data, prior=prior)
        assert np.array_equal(np.asarray(decoded.image), np.asarray(simulated.image))
        assert decoded.image.mode == ("RGB" if shape[2] == 3 else "L")
    assert psnr(decoded.image, array) > 30  # the full basis
    found = psc.info(data)
    assert (found["latents"], found["condition"], found["guidance"]) == (True, caption, 1.0)
    assert (found["width"], found["height"]) == (shape[1], shape[0])


@pytest.mark.parametrize("how", ["mean", "sample", "preview", "ddrm", "pigdm"])
def test_restorations_go_through_the_autoencoder(how: Any) -> None:
    array = texture(24, 24)
    data, simulated = psc.simulate(array, settings(), restoration=how, prior=latents())
    decoded = psc.decode(data, restoration=how, prior=latents())
    assert psnr(decoded, array) > 28
    assert np.array_equal(np.asarray(decoded), np.asarray(simulated.image))


@pytest.mark.parametrize("shape", [(13, 21, 3), (13, 21, 1)])
def test_the_uncertainty_is_the_pictures_not_the_latents(shape: tuple[int, int, int]) -> None:
    """Shuffle with twice the gain has half the pixels' deviation for the same latents."""
    array, deviations = texture(*shape), []
    for gain in (1.0, 2.0):
        data = psc.encode_with(array // 4 + 96, settings(1), prior=latents(gain))
        found = psc.decode_details(data, uncertainty=True, prior=latents(gain))
        plain = psc.decode(data, prior=latents(gain))
        assert np.array_equal(np.asarray(found.image), np.asarray(plain))
        assert found.deviation is not None
        assert found.deviation.shape == shape[:2]
        deviations.append(float(np.sqrt((found.deviation**2).mean())))
    assert deviations[0] > 1
    assert deviations[0] / deviations[1] == pytest.approx(2, rel=0.3)


def test_variations_of_latents() -> None:
    array = texture(13, 21)
    data = psc.encode_with(array, settings(1), prior=latents())
    found = list(psc.variations(data, 3, prior=latents()))
    simulated = psc.simulate_variations(array, settings(1), 3, prior=latents())
    assert simulated[0] == data
    for ours, theirs in zip(simulated[1], found, strict=True):
        assert np.array_equal(np.asarray(ours.image), np.asarray(theirs.image))
    assert found[0].image.size == (21, 13)
    assert psnr(found[0].image, np.asarray(found[1].image)) < 40


def test_a_pyramid_of_latents() -> None:
    """Coarse rounds sample a latent of half the size; the picture's sides are padded to its blocks."""
    plan = Plan(
        (Level(1, 4, 4), Level(2, 2, 4)),
        (Round(1, 2, 3), Round(1, FULL_BASIS, 2), Round(0, 2, 3), Round(0, FULL_BASIS, 2)),
    )
    seen = set()

    class Watched(GaussianLatents):
        def denoise(self, x: torch.Tensor, sigma: float, scale: int = 1) -> torch.Tensor:
            seen.add((scale, *x.shape[2:]))
            return super().denoise(x, sigma, scale)

    array = texture(13, 21)
    data = psc.encode_with(array, Settings(plan, 4, 60, 3), prior=_as(Watched))
    assert seen == {(2, 4, 8), (1, 8, 12)}
    assert psnr(psc.decode(data, prior=latents()), array) > 30


def test_what_else_can_be_done_with_a_file() -> None:
    array, bare = texture(20, 24), latents()
    data = psc.encode_with(array, settings(), prior=bare.conditioned("a red house", 7.5))
    found = psc.verify(data, prior=bare)
    assert found.ok
    picture = psc.decode(data, prior=bare)
    assert found.picture == hashlib.sha256(picture.tobytes()).hexdigest()
    first = psc.keep_rounds(data, 1, prior=bare)
    assert first == psc.encode_with(array, settings(1), prior=bare.conditioned("a red house", 7.5))
    short = psc.truncate(data, size=len(data) * 3 // 4)
    assert psc.info(short)["condition"] == "a red house"
    assert psc.decode_details(short, prior=bare).complete
    pictures = list(psc.decode_progressively(data, prior=bare))
    assert [p.rounds for p in pictures] == [1, 2, 3]
    assert [p.image.size for p in pictures] == [(24, 20)] * 3
    errors = [psnr(p.image, array) for p in pictures]
    assert errors == sorted(errors)


def golden() -> bytes:
    prior = latents().conditioned("a red house", 7.5)
    return psc.encode_with(texture(13, 21), settings(3, 96), prior=prior)


def test_the_format_of_latents_and_captions_stays() -> None:
    """``python -m tests.test_latents`` writes the file anew."""
    assert golden() == GOLDEN.read_bytes()
    assert psnr(psc.decode(GOLDEN.read_bytes(), prior=latents()), texture(13, 21)) > 25


# What does not fit


def test_captions_that_are_not_the_files() -> None:
    data = psc.encode_with(texture(8, 8), settings(1), prior=latents().conditioned("a red house"))
    for other in ("a blue house", "a red house "):
        with pytest.raises(psc.PscError, match="was made with the prior"):
            psc.decode(data, prior=latents().conditioned(other))
    with pytest.raises(psc.PscError, match="was made with the prior"):
        psc.decode(data, prior=HaarGaussian())
    bare = psc.encode_with(texture(8, 8), settings(1), prior=latents())
    with pytest.raises(psc.PscError, match="was made with the prior"):
        psc.decode(bare, prior=latents().conditioned("a red house"))


def test_presets_are_for_pixels_or_for_latents() -> None:
    array, pixels = texture(8, 8), HaarGaussian()
    assert unpack(psc.encode(array, quality=0, prior=latents()))[0].settings.plan == LATENT
    assert unpack(psc.encode(array, quality=0, prior=pixels))[0].settings.plan == DEFAULT
    for preset in ("latent", "latent-paper"):
        with pytest.raises(psc.PscError, match=f"'{preset}' does not fit .* choose default or paper"):
            psc.encode(array, preset=preset, prior=pixels)
    for preset, plan in (("default", LATENT), ("latent", LATENT), ("paper", LATENT_PAPER)):
        assert unpack(psc.encode(array, quality=0, preset=preset, prior=latents()))[0].settings.plan == plan
    with pytest.raises(psc.PscError, match="choose one of: default, progressive, paper"):
        psc.encode(array, preset="other", prior=latents())
    assert 245 <= len(psc.encode(array, target_size=250, prior=latents())) <= 250


def test_the_published_scheme_on_latents() -> None:
    array = texture(10, 12)
    data = psc.encode(array, quality=20, preset="paper", prior=latents())
    assert psc.info(data)["plan"] == "latent-paper"
    assert psc.info(data)["rounds"] == 3
    simulated = psc.simulate(array, psc.settings(20, "latent-paper"), prior=latents())[1]
    decoded = psc.decode(data, prior=latents())
    assert np.array_equal(np.asarray(decoded), np.asarray(simulated.image))


def test_sizes_are_refused_before_the_work() -> None:
    """The autoencoder would be asked first; here it must not be."""
    prior = dataclasses.replace(latents(), autoencoder=None)
    with pytest.raises(psc.PscError, match="too many for a model of latents"):
        psc.encode_with(np.zeros((2049, 2048), np.uint8), settings(), prior=prior)
    wide = Plan((Level(1, 128, 4),), (Round(0, 2, 2),))
    whole = dataclasses.replace(wide, levels=(Level(1, 0, 4),))
    for plan, side in ((wide, 8), (whole, 160)):
        with pytest.raises(psc.PscError, match="too large for exact sums"):
            psc.encode_with(texture(side, side), Settings(plan, 1, 60), prior=prior)
    forged = header_of(
        65535, 65535, False, SHORT, 1, 60, 0, prior.fingerprint[:4], False, latents=True
    ).pack()
    with pytest.raises(psc.PscError, match="too many for a model of latents"):
        psc.decode(forged, prior=prior)


@pytest.mark.parametrize("latent", [True, False])
def test_a_file_that_lies_about_its_kind(latent: bool) -> None:
    prior = HaarGaussian() if latent else latents()
    data = header_of(8, 8, False, SHORT, 1, 60, 0, prior.fingerprint[:4], prior.exact, latents=latent).pack()
    with pytest.raises(psc.PscError, match=f"the file is of {'latents' if latent else 'pixels'}"):
        psc.decode(data, prior=prior)


@pytest.mark.parametrize(
    ("caption", "guidance", "reason"),
    [
        ("x" * 1001, 1.0, "1001 bytes came"),
        ("\ud800", 1.0, "not Unicode"),
        ("a", 0.3, "multiples of 0.125"),
        ("a", -1.0, "multiples of 0.125"),
    ],
)
def test_conditions_are_refused_before_the_work(caption: str, guidance: float, reason: str) -> None:
    class Idle(GaussianLatents):
        def denoise(self, x: torch.Tensor, sigma: float, scale: int = 1) -> torch.Tensor:
            raise AssertionError("evaluated")

    with pytest.raises(psc.PscError, match=reason):
        psc.encode_with(texture(8, 8), settings(), prior=_as(Idle).conditioned(caption, guidance))


def _as(kind: type[LatentPrior]) -> Any:
    prior = latents()
    return kind(**{field.name: getattr(prior, field.name) for field in dataclasses.fields(prior)})


# Arithmetic


def test_estimates_and_latents_are_bounded() -> None:
    class Wild(GaussianLatents):
        def denoise(self, x: torch.Tensor, sigma: float, scale: int = 1) -> torch.Tensor:
            return x * 1e6

    side = Encoder(Picture(to_tensor(texture(16, 16))), settings(1), Context(latents(gain=1e6)))
    truth = side.session.pyramid.pixels(0, side.session._truth)  # type: ignore[arg-type]
    assert truth.abs().max() == LATENT_LIMIT
    agree = partial(side.session.pyramid.projections, 0)  # nothing is measured yet
    how = ddrm.Draw(117, 2, 0.0, 1, 0, 0)
    found = drawn(ddrm.draw, _as(Wild), agree, torch.zeros(4, 12, 8, 8), how)
    assert found.abs().max() == LATENT_LIMIT


@pytest.mark.parametrize(("side", "together"), [(64, 16), (128, 4), (300, 1)])
def test_batches_of_latents(side: int, together: int) -> None:
    seen = []

    class Watched(GaussianLatents):
        def denoise(self, x: torch.Tensor, sigma: float, scale: int = 1) -> torch.Tensor:
            seen.append(len(x))
            return torch.zeros_like(x)

    prior = dataclasses.replace(_as(Watched), channels=1)
    how = ddrm.Draw(117, 2, 0.0, 1, 0, 0)
    drawn(ddrm.draw, prior, free, torch.zeros(17, 1, side, side), how)
    assert max(seen) == together
    assert sum(seen) == 2 * 17


def test_ten_times_fewer_evaluations_at_equal_measurements() -> None:
    """On a 4x64x64 latent; docs/latent.md has the table."""
    windows, paper = (64 // 8) ** 2, LATENT_PAPER.rounds[0].rows
    for rounds, published, ours in ((1, 43, 168), (3, 128, 360), (6, 256, 648)):
        measured = windows * sum(item.rows for item in LATENT.rounds[:rounds])
        assert published == -(-measured // paper)
        assert LATENT.nfe(rounds) == ours
        assert ours * 10 < published * LATENT_PAPER.nfe(1)
    assert LATENT.nfe(len(LATENT.rounds)) == 744


# Real classes


@pytest.fixture(scope="module")
def stable(tmp_path_factory: pytest.TempPathFactory) -> Any:
    pytest.importorskip("diffusers", reason="needs psc-codec[models]")
    return psc.load_prior(str(models.stable_diffusion(tmp_path_factory.mktemp("stable") / "model")))


@pytest.mark.parametrize(
    "family",
    ["stable_diffusion_xl", "stable_diffusion_3", "flux", "pixart", "sana", "qwen_image", "deepfloyd_if"],
)
def test_files_of_the_other_families(family: str, tmp_path: Path) -> None:
    pytest.importorskip("diffusers", reason="needs psc-codec[models]")
    bare: Any = psc.load_prior(str(getattr(models, family)(tmp_path / "model")))
    given = bare.conditioned("a red house")
    data, simulated = psc.simulate(texture(13, 21), settings(), prior=given)
    assert np.array_equal(np.asarray(psc.decode(data, prior=bare)), np.asarray(simulated.image))
    assert psc.verify(data, prior=bare).ok


@pytest.mark.parametrize(("caption", "guidance"), [("", 1.0), ("a red house", 1.0), ("a red house", 2.5)])
def test_stable_diffusion_holds_the_same_state_on_both_sides(
    stable: Any, caption: str, guidance: float
) -> None:
    array = texture(13, 21)
    given = stable.conditioned(caption, guidance) if caption else stable
    side = Encoder(Picture(to_tensor(array)), settings(), Context(given))
    ours = states(side.session, 3)
    data = side.file()
    header, body = unpack(data)
    assert (header.condition.text, header.condition.guidance) == (caption, guidance)
    again = stable.conditioned(header.condition.text, header.condition.guidance) if caption else stable
    theirs = states(open_session(header, Context(again), Reader(body)), 3)
    for a, b in zip(ours, theirs, strict=True):
        assert all(torch.equal(x, y) for x, y in zip(a, b, strict=True))
    decoded = psc.decode(data, prior=stable)
    simulated = psc.simulate(array, settings(), prior=given)[1].image
    assert np.array_equal(np.asarray(decoded), np.asarray(simulated))


def test_the_caption_steers_every_sample(stable: Any) -> None:
    array = to_tensor(texture(8, 8))
    particles = []
    for caption in ("a red house", "a blue horse"):
        side = Encoder(Picture(array), settings(1), Context(stable.conditioned(caption)))
        side.session.run(1)
        particles.append(side.session.particles.values)
    assert not torch.equal(*particles)


def test_classes_travel_like_captions(tmp_path: Path) -> None:
    prior: Any = psc.load_prior(str(models.adm(tmp_path / "a.pt", classes=10)))
    data = psc.encode_with(texture(16, 16), settings(), prior=prior.conditioned("7"))
    assert (psc.info(data)["condition"], psc.info(data)["latents"]) == ("7", False)
    assert psnr(psc.decode(data, prior=prior), texture(16, 16)) > 30
    with pytest.raises(psc.PscError, match="needs a class"):
        psc.encode_with(texture(16, 16), settings(), prior=prior)


def test_a_caption_by_blip2(tmp_path: Path) -> None:
    pytest.importorskip("transformers", reason="needs psc-codec[models]")
    from psc.cli.captioner import describe

    folder = models.blip2(tmp_path / "blip2")
    found = describe(Image.fromarray(texture(40, 30)), model=str(folder))
    assert isinstance(found, str)
    assert found == describe(Image.fromarray(texture(40, 30)), model=str(folder))
    with pytest.raises(psc.PscError, match=r"`hf download nobody/nothing` .*--caption TEXT"):
        describe(Image.fromarray(texture(8, 8)), model="nobody/nothing")


# The command

_psc = psc_fixture


@pytest.fixture
def command(psc: Psc, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    monkeypatch.setattr(priors, "load_prior", lambda *a, **k: latents())
    monkeypatch.chdir(tmp_path)
    Image.fromarray(texture(21, 30)).save("a.png")

    def run(*arguments: object) -> Result:
        return psc(*arguments)

    return run


def test_the_command_with_a_caption(command: Any, tmp_path: Path) -> None:
    result = command("encode", "a.png", "-q", 90, "--caption", "a red house", "--guidance", 2.5, "--json")
    assert result.code == 0, result.err
    assert json.loads(result.out)["caption"] == "a red house"
    found = json.loads(command("info", "a.psc", "--json").out)
    assert (found["latents"], found["condition"], found["guidance"]) == (True, "a red house", 2.5)
    assert "condition     a red house" in command("info", "a.psc").out.decode()
    assert command("decode", "a.psc", "b.png").code == 0
    with Image.open("b.png") as image:
        assert image.size == (30, 21)
        assert psnr(image, texture(21, 30)) > 30
    assert "all 7 rounds agree" in command("verify", "a.psc").out.decode()
    assert command("truncate", "a.psc", "--size", 200).code == 0
    assert (tmp_path / "a.cut.psc").stat().st_size <= 200
    assert command("truncate", "a.psc", "-f", "--rounds", 2).code == 0
    assert command("decode", "a.cut.psc", "--restore", "preview").code == 0


def test_the_command_refuses(command: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert_fails(command("encode", "a.png", "--guidance", 2), "without a caption")
    assert_fails(command("encode", "a.png", "--caption", "a", "--class", 3), "exclude each other")
    monkeypatch.setattr(priors, "load_prior", lambda *a, **k: HaarGaussian())
    assert_fails(command("encode", "a.png", "--caption", "a"), "takes no caption")
    assert_fails(command("encode", "a.png", "--preset", "latent"), "does not fit", "default or paper")


def test_the_command_asks_for_a_caption(command: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("psc.cli.captioner.describe", lambda image, device: f"{image.width} pixels")
    assert command("encode", "a.png", "-q", 0, "--caption", "auto").code == 0
    assert psc.info(Path("a.psc").read_bytes())["condition"] == "30 pixels"


if __name__ == "__main__":
    GOLDEN.write_bytes(golden())


# Autoencoders of all kinds


@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize("way", ["to_latent", "to_picture"])
def test_numbers_that_are_none_are_an_error_not_a_black_picture(value: float, way: str) -> None:
    prior = latents(gain=value if way == "to_latent" else 1 / value if value == math.inf else value)
    x = torch.ones(1, 3, 8, 8) if way == "to_latent" else torch.ones(1, 12, 4, 4)
    with pytest.raises(psc.PscError, match="not finite"):
        getattr(prior, way)(x)


def test_each_channel_may_have_a_mean_and_a_deviation_of_its_own() -> None:
    prior, plain = latents(), latents()
    mean, deviation = torch.linspace(-1, 1, 12), torch.linspace(0.5, 2, 12)
    prior.autoencoder.config.latents_mean = mean.tolist()
    prior.autoencoder.config.latents_std = deviation.tolist()
    picture = to_tensor(texture(16, 16))[None]
    found = prior.to_latent(picture)
    raw = functional.pixel_unshuffle(picture, 2)
    want = (raw - mean[:, None, None]) * 2.0 / deviation[:, None, None]
    assert torch.allclose(found, want, atol=1e-6)
    assert torch.allclose(prior.to_picture(found), picture, atol=1e-5)
    prior.autoencoder.config.latents_std = None  # one without the other says nothing
    assert torch.equal(prior.to_latent(picture), plain.to_latent(picture))
