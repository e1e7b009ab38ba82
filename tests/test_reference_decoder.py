"""The second decoder, written from FORMAT.md alone, decodes the golden files to the golden pictures."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from reference.decode import Decoder
from reference.errors import DamagedFileError, UnsupportedError
from reference.gaussian import HaarGaussian as ReferenceGaussian
from reference.header import parse
from reference.network import WEIGHTS, EmbeddedPrior
from reference.restore import RESTORATIONS

import psc
from psc.prior import HaarGaussian
from tests.test_golden import CASES, FOLDER, expected

ROOT = Path(__file__).parent.parent
CUT = {
    "small-rgb": (41, 223, 523),
    "small-paper": (3, 25, 30),
    "one-pixel": (0, 9, 18),
    "progressive": (291, 433),
}
"""How many bytes of the body are left."""


def gaussian() -> ReferenceGaussian:
    return ReferenceGaussian(low=1.5, detail=(0.1, 0.25, 0.5))


def golden(name: str) -> bytes:
    return (FOLDER / f"{name}.psc").read_bytes()


def finished(data: bytes, *, allow_partial: bool = False) -> Decoder:
    decoder = Decoder(parse(data, allow_partial), gaussian())
    decoder.run()
    return decoder


def picture_hash(pixels: np.ndarray) -> str:
    """As test_golden hashes images."""
    height, width, channels = pixels.shape
    head = f"{'L' if channels == 1 else 'RGB'} {(width, height)}"
    return hashlib.sha256(head.encode() + pixels.tobytes()).hexdigest()


def by_command_line(name: str, way: str, out: Path) -> np.ndarray:
    """A picture decoded with the embedded prior, in a process without psc and torch."""
    code = (
        "import runpy, sys; runpy.run_module('reference', run_name='__main__', alter_sys=True);"
        "assert not {'psc', 'torch'} & sys.modules.keys()"
    )
    arguments = [str(FOLDER / f"{name}.psc"), str(out), "--restoration", way]
    subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        check=True,
    )
    return np.asarray(Image.open(out))


@pytest.mark.parametrize("name", CASES)
def test_it_shows_the_golden_pictures(name: str) -> None:
    decoder = finished(golden(name))
    assert {way: picture_hash(decoder.picture(way)) for way in RESTORATIONS} == expected()[name]


@pytest.mark.parametrize("name", ["photo-64", pytest.param("photo-128", marks=pytest.mark.slow)])
def test_it_shows_the_photographs(name: str, tmp_path: Path) -> None:
    pixels = by_command_line(name, "mean", tmp_path / "out.png")
    assert picture_hash(pixels) == expected()[name]["mean"]


def test_it_shows_all_restorations_with_the_embedded_prior() -> None:
    decoder = Decoder(parse(golden("photograph")), EmbeddedPrior(WEIGHTS.read_bytes()))
    decoder.run()
    hashes = json.loads((FOLDER / "photograph.json").read_text())
    for way in RESTORATIONS:
        assert hashlib.sha256(decoder.picture(way).tobytes()).hexdigest() == hashes[way]


@pytest.mark.parametrize(("name", "left"), [(name, left) for name in CUT for left in CUT[name]])
def test_of_a_cut_file_it_shows_what_the_program_shows(name: str, left: int) -> None:
    data = golden(name)
    data = data[: len(data) - len(parse(data).body) + left]
    decoder, prior = finished(data, allow_partial=True), HaarGaussian(low=1.5, detail=(0.1, 0.25, 0.5))
    for way in RESTORATIONS:
        image = psc.decode(data, restoration=way, prior=prior, allow_partial=True)
        assert np.array_equal(np.squeeze(decoder.picture(way), 2 if image.mode == "L" else ()), image)


def test_it_notices_damage_and_says_what_it_leaves_out() -> None:
    data = bytearray(golden("small-rgb"))
    with pytest.raises(DamagedFileError, match="not the length"):
        parse(bytes(data[:-1]))
    with pytest.raises(UnsupportedError, match="a red house"):
        finished(golden("latent"))
    data[len(data) // 2] ^= 1
    with pytest.raises(DamagedFileError, match="body's check"):
        parse(bytes(data))
    data[6] ^= 1  # the width, which only the check tells
    with pytest.raises(DamagedFileError, match="header's check"):
        parse(bytes(data))
