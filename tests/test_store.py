"""Model cards, fetching without a network (file addresses, a hub's cache), and the commands around them."""

import hashlib
import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest

import psc
from psc.cli import app
from psc.prior.pretrained import cards as cards_module
from psc.prior.pretrained import download, loading
from psc.prior.pretrained.cards import Card, File, Source, cards
from tests import models

REVISION = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of our own, and no network."""
    monkeypatch.setenv("PSC_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    return tmp_path / "cache"


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def card(folder: Path, digest: str, *more: Source) -> Card:
    """Of a checkpoint that lies at a file:// address."""
    return Card("tiny", "a test's", "MIT", 16, "epsilon", (File("tiny.pt", digest),),
                (*more, Source(url=folder.as_uri())), model=models.ADM)  # fmt: skip


@pytest.fixture
def served(tmp_path: Path) -> Path:
    (tmp_path / "served").mkdir()
    return models.adm(tmp_path / "served" / "tiny.pt").parent


def know(one: Card, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (loading, cards_module):
        monkeypatch.setattr(module, "cards", lambda: {one.name: one})


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["psc", *arguments])
    with pytest.raises(SystemExit) as end:
        app.main()
    return int(end.value.code or 0)


def test_cards_say_what_they_must() -> None:
    assert {
        "embedded",
        "adm-imagenet-256",
        "ddpm-celebahq-256",
        "stable-diffusion-2.1-base",
    } <= cards().keys()
    assert cards()["embedded"].files[0].sha256 == psc.load_prior().fingerprint.hex()
    for name, known in cards().items():
        assert known.name == name
        assert known.licence
        assert known.native_size % 8 == 0
        assert all(re.fullmatch(r"[0-9a-f]{64}|", file.sha256) for file in known.files)
        for source in known.sources:
            assert source.url.startswith("https://") or re.fullmatch(r"[0-9a-f]{40}", source.revision)
        assert bool(known.sources) == (name != "embedded")


def test_a_model_that_is_not_there_is_named_with_its_source_and_command() -> None:
    revision = cards()["stable-diffusion-2.1-base"].sources[0].revision
    words = rf"psc priors fetch stable-diffusion-2.1-base.*sd2-community/.*{revision}"
    with pytest.raises(psc.PscError, match=words):
        psc.load_prior("stable-diffusion-2.1-base")


def test_fetching_checks_and_notes(served: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = card(served, sha256(served / "tiny.pt"))
    know(one, monkeypatch)
    with pytest.raises(psc.PscError, match="psc priors fetch tiny"):
        psc.load_prior("tiny")
    record = download.fetch(one)
    assert record.sha256 == {"tiny.pt": one.files[0].sha256}
    assert psc.load_prior("tiny").name == "tiny"
    assert sorted(p.name for p in cache.rglob("*") if p.is_file()) == ["tiny.json", "tiny.pt"]
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert download.fetch(one) == record  # it is there: no need of a network
    record.path.unlink()
    assert download.found(one) is None
    with pytest.raises(psc.PscError, match="HF_HUB_OFFLINE is set"):
        download.fetch(one)


def test_a_wrong_digest_leaves_nothing_behind(served: Path, cache: Path) -> None:
    with pytest.raises(psc.PscError, match=f"SHA-256 {sha256(served / 'tiny.pt')}, but its card says 0000"):
        download.fetch(card(served, "0" * 64))
    assert [p for p in cache.rglob("*") if p.is_file()] == []


def test_a_damaged_file_is_fetched_again(served: Path) -> None:
    one = card(served, sha256(served / "tiny.pt"))
    path = download.fetch(one).path
    path.write_bytes(b"damaged")
    assert sha256(download.fetch(one).path) == one.files[0].sha256


def test_what_no_card_pins_is_noted_and_compared_later(served: Path, cache: Path) -> None:
    one = card(served, "")
    assert download.fetch(one).sha256 == {"tiny.pt": sha256(served / "tiny.pt")}
    (cache / "tiny" / "tiny.pt").write_bytes(b"another")
    with pytest.raises(psc.PscError, match="but an earlier fetch saw"):
        download.fetch(one)


def test_mirrors_are_tried_in_turn(served: Path, tmp_path: Path) -> None:
    absent = Source(url=(tmp_path / "nowhere").as_uri())
    record = download.fetch(card(served, sha256(served / "tiny.pt"), absent))
    assert record.source == served.as_uri()
    record.path.unlink()
    with pytest.raises(psc.PscError, match=r"could not be fetched: .*nowhere.*; .*nowhere"):
        download.fetch(card(tmp_path / "nowhere", "", absent))


def test_a_model_in_the_hubs_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """snapshot_download itself, on a cache that another program could have filled, without a network."""
    pytest.importorskip("diffusers", reason="needs psc-codec[models]")
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    snapshot = tmp_path / "hub/models--me--tiny/snapshots" / REVISION
    weights = "unet/diffusion_pytorch_model.safetensors"
    source = Source("me/tiny", REVISION)
    one = Card("tiny", "", "MIT", 16, "", (File(weights, ""),), (source,), ("*.json",))
    know(one, monkeypatch)
    with pytest.raises(psc.PscError, match=f"could not be fetched: me/tiny, revision {REVISION}"):
        download.fetch(one)
    for name in ("me/tiny", f"me/tiny@{REVISION}"):
        with pytest.raises(psc.PscError, match="`hf download me/tiny"):
            psc.load_prior(name)
    models.ddpm(snapshot)
    (tmp_path / "hub/models--me--tiny/refs").mkdir()
    (tmp_path / "hub/models--me--tiny/refs/main").write_text(REVISION)
    assert download.fetch(one).path == snapshot
    prints = {psc.load_prior(n).fingerprint for n in ("tiny", "me/tiny", f"me/tiny@{REVISION}")}
    assert prints == {psc.load_prior(str(snapshot)).fingerprint}
    (snapshot / weights).unlink()
    with pytest.raises(psc.PscError, match=f"{weights} is not among the files"):
        download.fetch(one)


def test_without_the_extra_its_name_is_given(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "diffusers", None)
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    (tmp_path / "m").mkdir()
    (tmp_path / "m/config.json").write_text('{"_class_name": "UNet2DModel"}')
    (tmp_path / "m/scheduler_config.json").write_text('{"beta_schedule": "linear"}')
    for name in (str(tmp_path / "m"), "owner/name"):
        with pytest.raises(psc.PscError, match=r"pip install 'psc-codec\[models\]'"):
            psc.load_prior(name)
    with pytest.raises(psc.PscError, match=r"pip install 'psc-codec\[models\]'"):
        download.fetch(cards()["ddpm-celebahq-256"])


def test_the_commands(
    served: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    know(card(served, ""), monkeypatch)
    assert run(monkeypatch, "priors") == 0
    assert "not fetched" in capfd.readouterr().out
    assert run(monkeypatch, "priors", "fetch", "tiny") == 0
    assert "its card has none to compare with" in capfd.readouterr().err
    assert run(monkeypatch, "priors", "--json") == 0
    listed: list[dict[str, Any]] = json.loads(capfd.readouterr().out)
    assert [(one["name"], one["here"]) for one in listed] == [("tiny", True)]
    assert run(monkeypatch, "priors", "fetch", "huge") == 1
    assert "psc: error: no model card is called 'huge'; expected one of: tiny" in capfd.readouterr().err


def test_nothing_to_fetch_inside_the_package() -> None:
    with pytest.raises(psc.PscError, match="ships inside the package"):
        download.fetch(cards()["embedded"])


def test_the_embedded_prior_has_no_half() -> None:
    with pytest.raises(psc.PscError, match="no half precision"):
        psc.load_prior(half=True)
    with pytest.raises(psc.PscError, match="'cpu' always works"):
        psc.load_prior("adm-imagenet-256", device="no such device")


def test_a_prior_by_its_path_on_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    from PIL import Image

    from tests.conftest import texture

    model, picture = str(models.adm(tmp_path / "a.pt")), tmp_path / "a.png"
    Image.fromarray(texture(16, 16)).save(picture)
    monkeypatch.chdir(tmp_path)
    assert run(monkeypatch, "encode", "a.png", "--preset", "paper", "-q", "0", "--prior", model) == 0
    assert run(monkeypatch, "decode", "a.psc", "b.png", "--restore", "preview", "--prior", model) == 0
    assert run(monkeypatch, "verify", "a.psc", "--prior", model) == 0
    assert "rounds agree" in capfd.readouterr().out
    assert run(monkeypatch, "verify", "a.psc", "--prior", model, "--half") == 1
    assert run(monkeypatch, "decode", "a.psc", "c.png") == 1
    assert "decode it with the prior it names (--prior)" in capfd.readouterr().err
