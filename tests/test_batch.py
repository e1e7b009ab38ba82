"""psc batch: a folder of pictures, coded and restored, with and without decoding."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import psc
from psc import batch, prior
from psc.images import psnr
from psc.plan import FULL_BASIS, PAPER
from tests.conftest import texture
from tests.test_cli import Psc, assert_fails
from tests.test_cli import _psc as psc_fixture
from tests.test_latents import latents

_psc = psc_fixture
FAST = ["--preset", "paper", "--rounds", 2, "--rows", 3, "--round-steps", 2, "--steps", 2]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").mkdir()
    for number, name in enumerate(("a.png", "b.jpg", "c.webp")):
        Image.fromarray(texture(12, 10 + number)).save(tmp_path / "in" / name)
    (tmp_path / "in" / "notes.txt").write_text("no picture")
    return tmp_path


def results(out: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (Path(out) / "results.jsonl").read_text().splitlines()]


def files(out: str) -> list[str]:
    return sorted(path.name for path in Path(out).iterdir())


def test_simulated_or_decoded_the_pictures_are_the_same(psc: Psc, folder: Path) -> None:
    for out, extra in (("decoded", []), ("simulated", ["--simulate"])):
        result = psc("batch", "in", out, *FAST, *extra)
        assert result.code == 0, result.err
        assert result.out.startswith(b"3 pictures: ")
        assert result.err.count("\n") == 3
        assert files(out) == sorted([f"{n}.{s}" for n in "abc" for s in ("png", "psc")] + ["results.jsonl"])
        assert [r["decoded"] for r in results(out)] == [not extra] * 3
    for name in files("decoded")[:-1]:
        assert Path("decoded", name).read_bytes() == Path("simulated", name).read_bytes()


def test_the_figures_are_the_files(psc: Psc, folder: Path) -> None:
    assert psc("batch", "in", "out", *FAST, "--quiet").err == ""
    for found in results("out"):
        stem = Path(found["picture"]).stem
        size = Path("out", f"{stem}.psc").stat().st_size
        with Image.open(Path("in", found["picture"])) as image, Image.open(f"out/{stem}.png") as shown:
            assert (found["bytes"], found["bpp"]) == (size, 8 * size / (image.width * image.height))
            assert found["psnr"] == psnr(image.convert("RGB"), shown)
        # 2 rounds of 4 samples in 2 steps; the mean of 4 samples in 2 steps
        assert (found["rounds"], found["nfe_rounds"], found["nfe_restoration"]) == (2, 16, 8)


@pytest.mark.parametrize("extra", [[], ["--simulate"]])
def test_variations(psc: Psc, folder: Path, extra: list[str]) -> None:
    result = psc("batch", "in", "out", *FAST, "--variations", 2, "--end", 1, *extra)
    assert result.code == 0, result.err
    assert files("out") == ["a-1.png", "a-2.png", "a.psc", "results.jsonl"]
    assert Path("out/a-1.png").read_bytes() != Path("out/a-2.png").read_bytes()
    assert results("out")[0]["nfe_restoration"] == 2 * 2
    assert psc("decode", "out/a.psc", "a.png", "--variations", 2, "--steps", 2).code == 0
    for number in (1, 2):
        assert Path(f"a-{number}.png").read_bytes() == Path(f"out/a-{number}.png").read_bytes()


def test_a_part_of_the_folder_after_another(psc: Psc, folder: Path) -> None:
    assert psc("batch", "in", "out", *FAST, "--end", 1).code == 0
    assert_fails(psc("batch", "in", "out", *FAST, "--start", 1), "not empty", "--force")
    assert psc("batch", "in", "out", *FAST, "--start", 1, "-f").code == 0
    assert [r["picture"] for r in results("out")] == ["a.png", "b.jpg", "c.webp"]


def test_captions_by_picture(psc: Psc, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prior, "load_prior", lambda *a, **k: latents())
    texts = {"a.png": "a red house", "b.jpg": "", "c.webp": "two parrots"}
    Path("captions.json").write_text(json.dumps(texts))
    result = psc("batch", "in", "out", *FAST, "--captions", "captions.json", "--guidance", 2)
    assert result.code == 0, result.err
    for found in results("out"):
        header = json.loads(psc("info", Path("out", f"{Path(found['picture']).stem}.psc"), "--json").out)
        caption = texts[found["picture"]]
        assert (found["caption"], header["condition"]) == (caption, caption)
        assert header["guidance"] == (2 if caption else 1)
        assert header["latents"]
    monkeypatch.setattr("psc.captioner.captioner", lambda device: lambda image: f"{image.width} pixels")
    assert psc("batch", "in", "auto", *FAST, "--captions", "auto").code == 0
    assert [r["caption"] for r in results("auto")] == ["10 pixels", "11 pixels", "12 pixels"]


def test_the_published_numbers() -> None:
    given = psc.settings(50, "paper")
    assert batch.adjusted(given, rows=12, steps=20) == given
    changed = batch.adjusted(given, rows=24, rounds=7)
    assert (changed.rounds, changed.plan.levels[0].samples, changed.plan.paper) == (7, 32, True)
    assert {item.rows for item in changed.plan.rounds} == {24}
    assert batch.adjusted(given, samples=20).plan.rounds == PAPER.rounds
    full = batch.adjusted(psc.settings(50, "latent"), rows=4)
    assert [item.rows for item in full.plan.rounds] == [4] * 6 + [FULL_BASIS]
    with pytest.raises(psc.PscError, match="not a valid plan"):
        batch.adjusted(given, samples=12)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["none", "out"], "is not a folder"),
        (["empty", "out"], "no picture"),
        (["in", "in/a.png"], "cannot write"),
        (["in", "out", "--start", 7], "no picture is between"),
        (["in", "out", "--captions", "none.json"], "cannot read none.json"),
        (["in", "out", "--captions", "in/notes.txt"], "not JSON"),
        (["in", "out", "--captions", "list.json"], "no caption of a.png"),
        (["in", "out", "--restore", "none"], "'none' is unknown"),
        (["in", "out", "--preset", "latent"], "does not fit"),
        (["in", "out", "--rows", 63], "not a valid plan"),
        (["in", "out", "--rounds", 256, "--preset", "paper"], "256 rounds asked for"),
    ],
)  # fmt: skip
def test_what_is_refused_before_the_work(
    psc: Psc, folder: Path, arguments: list[object], reason: str
) -> None:
    Path("empty").mkdir()
    Path("list.json").write_text('["a red house"]')
    assert_fails(psc("batch", *arguments), reason)
    assert not list(folder.rglob("*.psc"))


def test_a_damaged_picture_is_named_and_the_others_results_stay(psc: Psc, folder: Path) -> None:
    data = Path("in/b.jpg").read_bytes()
    Path("in/b.jpg").write_bytes(data[: len(data) // 2])
    assert_fails(psc("batch", "in", "out", *FAST, "--quiet"), "in/b.jpg")
    assert [r["picture"] for r in results("out")] == ["a.png"]


def test_two_pictures_of_one_name(psc: Psc, folder: Path) -> None:
    Image.fromarray(np.zeros((4, 4), np.uint8)).save("in/a.webp")
    assert_fails(psc("batch", "in", "out"), "the same a.psc")
