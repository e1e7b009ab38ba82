"""The published evaluation: the very line of docs/priors.md, with small random models for the real ones."""

import functools
import json
import re
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import psc
from psc.bitstream.container import unpack
from psc.cli import captioner
from psc.images.pixels import psnr
from psc.plan.presets import LATENT_PAPER
from psc.prior.pretrained.cards import cards
from tests import models
from tests.conftest import texture
from tests.test_cli import Psc
from tests.test_cli import _psc as psc_fixture

diffusers = pytest.importorskip("diffusers", reason="needs psc-codec[models]")
pytest.importorskip("transformers", reason="needs psc-codec[models]")

_psc = psc_fixture
LOAD = psc.load_prior
PAGE = Path(__file__).parents[1] / "docs/priors.md"
CARD = "stable-diffusion-2.1-base"


def published() -> list[str]:
    """The words of the command, without psc."""
    found = re.search(r"^psc (encode DIR .*)$", PAGE.read_text(), re.MULTILINE)
    assert found
    return shlex.split(found[1])


def fetch(folder: Path) -> None:
    """What `psc priors fetch` leaves of the card: files of the card's names, in float16, and a record."""
    import torch

    pipe = diffusers.StableDiffusionPipeline.from_pretrained(models.stable_diffusion(folder / "single"))
    pipe.to(torch.float16).save_pretrained(folder / "half", variant="fp16")
    (folder / "cache").mkdir()
    record = {"path": str(folder / "half"), "source": "a test", "sha256": {}}
    (folder / "cache" / f"{CARD}.json").write_text(json.dumps(record))
    assert all((folder / "half" / file.path).is_file() for file in cards()[CARD].files)


@pytest.fixture
def caption(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A folder DIR, the model, and BLIP-2's class with random weights."""
    fetch(tmp_path)
    describe = functools.partial(captioner.describe, model=str(models.blip2(tmp_path / "blip2")))
    monkeypatch.setattr(captioner, "describe", describe)
    monkeypatch.setenv("PSC_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    Path("DIR").mkdir()
    for name, array in (("a.png", texture(16, 16)), ("b.png", texture(16, 16)[:, ::-1])):
        Image.fromarray(np.ascontiguousarray(array)).save(Path("DIR", name))
    return describe


def test_the_published_evaluation_is_one_command(
    psc: Psc, caption: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("psc.prior.load_prior", LOAD)
    words = published()
    assert words[words.index("--rounds") + 1] == "255"
    words[words.index("--rounds") + 1] = "2"  # of 800 evaluations each
    words[words.index("--device") + 1] = "cpu"
    result = psc(*words, "--round-steps", 2)
    assert result.code == 0, result.err
    lines = [json.loads(line) for line in result.out.splitlines()]
    assert [line["output"] for line in lines] == ["OUT/a.psc", "OUT/b.psc"]
    assert re.search(rf"mean PSNR {np.mean([line['psnr'] for line in lines]):.2f} dB", result.err)
    for line in lines:
        header, _ = unpack(Path(line["output"]).read_bytes())
        plan = header.settings.plan
        assert (plan.levels, plan.rounds[0].rows, plan.paper) == (LATENT_PAPER.levels, 12, True)
        assert (header.latents, header.settings.rounds) == (True, 2)
        with Image.open(line["input"]) as image:
            assert line["caption"] == header.condition.text == caption(image, "cpu")
            with Image.open(Path(line["output"]).with_suffix(".png")) as shown:
                assert shown.size == image.size
                assert line["psnr"] == psnr(image, shown)
    decoded = psc("decode", "OUT/a.psc", "shown.png", "--restore", "ddrm", "--prior", CARD)
    assert decoded.code == 0, decoded.err
    assert Path("shown.png").read_bytes() == Path("OUT/a.png").read_bytes()
