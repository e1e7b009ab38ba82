"""Golden files pin the format: their bytes, and the pictures they decode to.

The Gaussian prior is exact, so both must hold on every machine. After a deliberate change of the format
(recorded in CHANGELOG.md and FORMAT.md): ``python -m tests.test_golden`` writes them anew.
"""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

import psc
from psc.images.opening import read_image
from psc.plan.plan import FULL_BASIS, Plan, Round, Settings
from psc.plan.presets import DEFAULT, EFFORTS, PROGRESSIVE
from psc.plan.regions import NOTHING, Regions
from psc.prior import HaarGaussian, Prior
from tests.conftest import ESTIMATES, SMALL, SMALL_PAPER, texture

FOLDER = Path(__file__).parent / "golden"
REFINED = Plan(SMALL.levels, (*SMALL.rounds, Round(1, FULL_BASIS, 0), Round(0, FULL_BASIS, 0)))
REGIONS = Regions(((1, 24), (2, 0), (1, 8), (2, NOTHING)))
CASES = {
    "small-rgb": ((24, 40, 3), Settings(SMALL, 5, 96, seed=0)),
    "small-grey": ((17, 9, 1), Settings(SMALL, 4, 112, seed=1)),
    "small-paper": ((12, 16, 3), Settings(SMALL_PAPER, 6, 0, seed=2**63 + 5)),
    "estimates": ((24, 40, 3), Settings(ESTIMATES, 5, 96, seed=0)),
    "one-pixel": ((1, 1, 3), Settings(SMALL, 3, 80, seed=0)),
    "default": ((64, 80, 3), Settings(DEFAULT, len(DEFAULT.rounds), 118, seed=0)),
    "effort-9": ((40, 48, 3), Settings(EFFORTS[9], len(EFFORTS[9].rounds), 130, seed=6)),
    "progressive": ((40, 48, 3), Settings(PROGRESSIVE, len(PROGRESSIVE.rounds), 130, seed=4)),
    "fine": ((64, 64, 3), Settings(DEFAULT, len(DEFAULT.rounds), 70, seed=0)),
    "regions": ((24, 40, 3), Settings(REFINED, len(REFINED.rounds), 104, seed=5, regions=REGIONS)),
}
PHOTO = Path(__file__).parent.parent / "examples" / "chelsea.png"
PHOTOGRAPHS = {"photo-64": ((150, 70, 214, 134), 75.0), "photo-128": ((120, 40, 248, 168), 60.0)}
"""Corners of a photograph's crop, and the quality: the default plan whole, with the embedded prior."""
RESTORATIONS = ("mean", "sample", "preview")


def prior() -> HaarGaussian:
    return HaarGaussian(low=1.5, detail=(0.1, 0.25, 0.5))


def pixels_hash(data: bytes, restoration: str, model: Prior | None = None) -> str:
    image = psc.decode(data, restoration=restoration, prior=model or prior())
    return hashlib.sha256(f"{image.mode} {image.size}".encode() + image.tobytes()).hexdigest()


def expected() -> dict[str, dict[str, str]]:
    return json.loads((FOLDER / "pictures.json").read_text())


@pytest.mark.parametrize("name", CASES)
def test_the_encoder_still_writes_these_bytes(name: str) -> None:
    shape, chosen = CASES[name]
    assert psc.encode_with(texture(*shape), chosen, prior=prior()) == (FOLDER / f"{name}.psc").read_bytes()


@pytest.mark.parametrize("name", CASES)
def test_the_decoder_still_shows_these_pictures(name: str) -> None:
    data = (FOLDER / f"{name}.psc").read_bytes()
    assert {way: pixels_hash(data, way) for way in RESTORATIONS} == expected()[name]


def photograph(name: str, model: Prior) -> bytes:
    corners, quality = PHOTOGRAPHS[name]
    return psc.encode(read_image(PHOTO).convert("RGB").crop(corners), quality=quality, prior=model)


@pytest.mark.parametrize("name", PHOTOGRAPHS)
def test_the_default_plan_and_the_embedded_prior(embedded_prior: Prior, name: str) -> None:
    data = (FOLDER / f"{name}.psc").read_bytes()
    assert photograph(name, embedded_prior) == data
    assert pixels_hash(data, "mean", embedded_prior) == expected()[name]["mean"]


@pytest.mark.parametrize("file", sorted((FOLDER / "version-4").iterdir()), ids=lambda file: file.stem)
def test_files_of_version_4_are_refused_with_a_sentence(file: Path) -> None:
    for read in (psc.decode, psc.info, psc.verify):
        with pytest.raises(psc.PscError, match="format version 4; this program reads version 5"):
            read(file.read_bytes())


def test_the_pictures_are_of_something() -> None:
    """Hashes alone would also pin nonsense."""
    image = np.asarray(psc.decode((FOLDER / "fine.psc").read_bytes(), prior=prior()), dtype=float)
    assert np.mean((image - texture(64, 64)) ** 2) < 255**2 / 10**3.6


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    pictures = {}
    for name, (shape, chosen) in CASES.items():
        data = psc.encode_with(texture(*shape), chosen, prior=prior())
        (FOLDER / f"{name}.psc").write_bytes(data)
        pictures[name] = {way: pixels_hash(data, way) for way in RESTORATIONS}
    embedded = psc.load_prior()
    for name in PHOTOGRAPHS:
        data = photograph(name, embedded)
        (FOLDER / f"{name}.psc").write_bytes(data)
        pictures[name] = {"mean": pixels_hash(data, "mean", embedded)}
    (FOLDER / "pictures.json").write_text(json.dumps(pictures, indent=1) + "\n")


if __name__ == "__main__":
    main()
