"""Regions: what users say, run lengths in the header, and steps of their own in a file's blocks."""

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import ExifTags, Image

import psc
from psc.bitstream import regions
from psc.bitstream.fields import Fields
from psc.bitstream.header import crc16, unpack
from psc.cli import region
from psc.cli.encode_job import EncodeJob
from psc.cli.region import read_roi
from psc.errors import PscError
from psc.images.opening import read_image
from psc.images.orientation import turned
from psc.images.picture import Picture
from psc.images.regions import UNIMPORTANT, Roi, Seen, regions_of
from psc.plan.plan import OCTAVE, Settings, step_size
from psc.plan.presets import PAPER, PROGRESSIVE, at_step
from psc.plan.regions import MOST_OFFSET, NOTHING, Regions
from psc.prior import HaarGaussian, Prior
from tests.conftest import SMALL, texture

PHOTO = Path(__file__).parent.parent / "examples" / "chelsea.png"
OFFSETS = st.lists(st.one_of(st.integers(0, MOST_OFFSET), st.just(NOTHING)), max_size=40).map(
    lambda x: [*x, 0]
)
BOX = [(64, 0, 64, 64)]
"""The right half of a picture of 128x64."""


def photograph() -> Image.Image:
    """192x128 pixels: 3 by 2 blocks."""
    return read_image(PHOTO).convert("RGB").crop((100, 30, 292, 158))


def small() -> Image.Image:
    return Image.fromarray(texture(64, 128))


def offsets(roi: Roi, image: Image.Image, block: int = 64) -> list[int]:
    found = regions_of(roi, Picture.of(image), block)
    assert found is not None
    return [offset for count, offset in found.runs for _ in range(count)]


def error(image: Image.Image, data: bytes, prior: Prior, box: tuple[int, int, int, int]) -> float:
    """The mean square error of the mean restoration in a box (left, top, right, bottom)."""
    pair = (np.asarray(x.crop(box), dtype=float) for x in (image, psc.decode(data, prior=prior)))
    return float(np.mean(np.subtract(*pair) ** 2))


@given(OFFSETS)
def test_run_lengths_are_read_as_they_were_written(blocks: list[int]) -> None:
    found = Regions.of(blocks)
    assert found.blocks == len(blocks) == sum(found.counts().values())
    packed = regions.pack(found)
    assert regions.unpack(Fields(io.BytesIO(packed)), len(blocks)) == found
    with pytest.raises(PscError):
        regions.unpack(Fields(io.BytesIO(packed[:-1])), len(blocks))


@given(st.binary(max_size=30), st.integers(1, 2**32))
def test_whatever_bytes_come_the_blocks_are_the_pictures_or_it_is_an_error(data: bytes, blocks: int) -> None:
    try:
        found = regions.unpack(Fields(io.BytesIO(data)), blocks)
    except PscError:
        return
    assert found.blocks == blocks


@pytest.mark.parametrize(
    ("packed", "reason"),
    [
        (b"\x00\x00", "run of 0 blocks"),
        (b"\x06\x41", "offset 65"),
        (b"\x06\x08", "most important"),
        (b"\x05\x08\x02\x00", "7 blocks, the picture has 6"),
        (b"\xff\xff\xff\xff\x0f\x00", "blocks, the picture has 6"),
        (b"\x05\x08", "ends inside"),
    ],
)
def test_a_header_with_other_regions_is_refused(packed: bytes, reason: str) -> None:
    with pytest.raises(PscError, match=reason):
        regions.unpack(Fields(io.BytesIO(packed)), 6)


@given(st.integers(1, 5), st.integers(1, 5), st.sampled_from([1, 2, 4, 8]), st.data())
def test_windows_have_the_offsets_of_their_blocks(
    rows: int, columns: int, side: int, data: st.DataObject
) -> None:
    blocks = np.array(
        data.draw(st.lists(st.integers(0, 9), min_size=rows * columns, max_size=rows * columns))
    )
    blocks[0] = 0
    windows = rows * columns * side * side
    found = regions.window_offsets(Regions.of(blocks.tolist()), windows, columns * side)
    for y, x in np.ndindex(rows * side, columns * side):
        assert found[y * columns * side + x] == blocks[y // side * columns + x // side]


def test_steps_are_the_files_times_what_the_offset_says() -> None:
    chosen = replace(at_step(250), regions=Regions(((1, 0), (1, 4), (1, 16), (1, NOTHING))))
    steps = regions.window_steps(chosen, 16, 8)[:, 0].tolist()
    assert steps[:2] == [step_size(250)] * 2
    assert steps[2:4] == [step_size(254)] * 2
    assert steps[4:6] == [step_size(255)] * 2  # there is none coarser
    assert steps[6] > 2**60
    assert steps[8:] == steps[:8]


def test_a_mask_says_how_important_each_block_is() -> None:
    mask = np.zeros((128, 192), dtype=np.uint8)
    mask[5, 70], mask[127, 191], mask[64:, :64] = 255, 128, 64
    expected = [UNIMPORTANT, 0, UNIMPORTANT, 24, UNIMPORTANT, 16]
    assert offsets(mask, photograph()) == expected
    assert offsets(Image.fromarray(mask), photograph()) == expected
    assert offsets(mask // 2, photograph())[1] == 0  # the brightest is what counts, however bright
    assert regions_of(np.full((128, 192), 9, dtype=np.uint8), Picture.of(photograph()), 64) is None


def test_boxes_are_important_where_they_touch() -> None:
    assert offsets([(60, 60, 8, 8)], photograph()) == [0, 0, UNIMPORTANT, 0, 0, UNIMPORTANT]
    weighted = [(0, 0, 64, 64, 0.5), (0, 0, 10, 10), (128, 64, 64, 64, 0.5)]
    assert offsets(weighted, photograph()) == [0, *[UNIMPORTANT] * 4, UNIMPORTANT // 2]


def test_where_alpha_is_clear_nothing_is_measured() -> None:
    image = photograph()
    image.putalpha(Image.fromarray(np.pad(np.full((65, 64), 1, np.uint8), ((0, 63), (64, 64)))))
    assert offsets("alpha", image) == [NOTHING, 0, NOTHING, NOTHING, 0, NOTHING]


@pytest.mark.parametrize(
    ("roi", "reason"),
    [
        ("beta", "'beta' came"),
        ("alpha", "opaque everywhere"),
        (np.zeros((128, 192), dtype=np.uint8), "nothing is important"),
        ([], "nothing is important"),
        (np.ones((192, 128), dtype=np.uint8), "expected 8-bit grey levels, 128 rows of 192"),
        (np.ones((128, 192)), "float64"),
        ([(0, 0, 193, 10)], "inside the picture of 192x128"),
        ([(-1, 0, 9, 10)], "inside the picture"),
        ([(0, 0, 0, 10)], "inside the picture"),
        ([(0, 0, 9.5, 10)], "whole pixels"),
        ([(0, 0, 9, 10, 1.5)], "up to 1"),
        ([(0, 0, 9)], r"the box \(0, 0, 9\)"),
        ((0, 0, 9, 10), "the box 0 came"),
        ([None], "the box None"),
        ([(0, 0, "x", 5)], "the box"),
        (["1234"], "the box '1234'"),
        (5, "the region 5 came"),
        (True, "the region True came"),
        (b"alpha", "the region b'alpha' came"),
    ],
)
def test_what_says_nothing_of_this_picture_is_refused(roi: Roi, reason: str) -> None:
    with pytest.raises(PscError, match=reason):
        psc.encode(photograph(), roi=roi)


def test_plans_and_priors_without_blocks_are_refused(gaussian_prior: HaarGaussian) -> None:
    with pytest.raises(PscError, match="preset paper"):
        psc.encode(small(), preset="paper", roi=BOX, prior=gaussian_prior)
    with pytest.raises(PscError, match="preset paper"):
        Settings(PAPER, 1, 0, regions=Regions(((1, 0), (1, 8))))
    chosen = replace(at_step(120), regions=Regions(((1, 0), (2, 8))))
    with pytest.raises(PscError, match="regions of 3 blocks came; the picture has 2"):
        psc.encode_with(small(), chosen, prior=gaussian_prior)


def test_the_command_line_says_the_same() -> None:
    assert read_roi([]) is None
    assert read_roi(["alpha"]) == "alpha"
    assert read_roi(["1,2,3,4", "5, 6, 7, 8, .5"]) == Seen([[1, 2, 3, 4], [5, 6, 7, 8, 0.5]])
    mask = read_roi([str(PHOTO)])
    assert isinstance(mask, Seen)
    assert isinstance(mask.region, Image.Image)
    with pytest.raises(PscError, match="boxes alone"):
        read_roi(["alpha", "1,2,3,4"])
    with pytest.raises(PscError, match="the box 1,2,3 came; expected x,y,width,height"):
        read_roi(["1,2,3"])


@pytest.mark.parametrize("number", range(1, 9))
def test_the_command_line_means_the_picture_as_it_is_seen(number: int, tmp_path: Path) -> None:
    image = photograph()
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = number
    image.info["exif"] = exif.tobytes()
    upright = turned(image, number)
    mask = Image.new("L", upright.size)
    mask.paste(255, (3, 5, 30, 40))
    mask.paste(128, (100, 70, 120, 90))
    mask.save(tmp_path / "mask.png")
    boxes = ["3,5,27,35", "100,70,20,20,.5"]
    stripped = Picture.of(image, strip=True)
    for said in (boxes, [str(tmp_path / "mask.png")]):
        roi = read_roi(said)
        assert roi is not None
        # block by block of the pixels as they are stored: a side of 1 shows every pixel
        found = np.reshape(offsets(roi, image, 1), (128, 192))
        shown = np.asarray(turned(Image.fromarray(found.astype(np.int32)), number))
        assert shown[5:40, 3:30].max() == 0
        assert (shown == 0).sum() == 27 * 35
        assert (shown[70:90, 100:120] == UNIMPORTANT // 2).all()
        regions = regions_of(roi, stripped, 1)
        assert regions is not None
        assert [offset for count, offset in regions.runs for _ in range(count)] == shown.ravel().tolist()


def test_a_mask_of_16_bits_is_scaled_to_its_depth(tmp_path: Path) -> None:
    levels = np.zeros((128, 192), dtype=np.uint16)
    levels[5, 70], levels[127, 191], levels[64:, :64] = 65535, 32896, 16448
    Image.fromarray(levels).save(tmp_path / "mask.png")
    expected = [UNIMPORTANT, 0, UNIMPORTANT, 24, UNIMPORTANT, 16]
    with pytest.warns(UserWarning, match="65535 becomes 255"):
        roi = read_roi([str(tmp_path / "mask.png")])
    assert roi is not None
    assert offsets(roi, photograph()) == expected
    with pytest.warns(UserWarning, match="65535 becomes 255"):
        assert offsets(Image.fromarray(levels), photograph()) == expected


def test_a_mask_that_can_be_read_once_is_for_one_picture() -> None:
    region.check_mask(["-"], ["a.png"], many=False)
    region.check_mask(["alpha"], ["a.png", "b.png"], many=True)
    with pytest.raises(PscError, match="cannot both be standard input"):
        region.check_mask(["-"], ["-"], many=False)
    with pytest.raises(PscError, match="the mask - can be read only once"):
        EncodeJob(roi=("-",)).prepared(["a.png"], many=True)
    with pytest.raises(PscError, match="can be read only once"):
        region.check_mask(["/dev/null"], ["a.png"], many=True)


def test_pillow_saves_with_a_region(gaussian_prior: HaarGaussian) -> None:
    psc.register_pillow()
    file = io.BytesIO()
    small().save(file, "PSC", quality=5, roi=BOX, prior=gaussian_prior)
    assert psc.info(file.getvalue())["regions"] == {"+0": 1, "+32": 1}


def test_on_a_photograph_the_region_keeps_its_quality_and_the_rest_costs_less(
    gaussian_prior: HaarGaussian,
) -> None:
    image, inside, outside = photograph(), (64, 64, 192, 128), (0, 0, 192, 64)
    plain = psc.encode(image, quality=70, effort=1, prior=gaussian_prior)
    data = psc.encode(image, quality=70, effort=1, roi=[(64, 64, 128, 64)], prior=gaussian_prior)
    assert len(data) < 0.7 * len(plain)
    assert error(image, data, gaussian_prior, inside) < 1.3 * error(image, plain, gaussian_prior, inside)
    assert error(image, data, gaussian_prior, outside) > 2 * error(image, plain, gaussian_prior, outside)


def test_at_equal_size_the_region_is_better(gaussian_prior: HaarGaussian) -> None:
    image, inside, box = photograph(), (64, 64, 128, 128), [(64, 64, 64, 64)]
    plain = psc.encode(image, quality=55, effort=1, prior=gaussian_prior)
    data = psc.encode(image, target_size=len(plain), effort=1, roi=box, prior=gaussian_prior)
    assert 0.95 * len(plain) < len(data) <= len(plain)
    before, after = (error(image, file, gaussian_prior, inside) for file in (plain, data))
    assert after < before / 10**0.2  # 2 dB


@pytest.mark.parametrize("preset", ["default", "progressive"])
def test_a_psnr_is_the_regions(gaussian_prior: HaarGaussian, preset: str) -> None:
    image, box = small(), (64, 0, 128, 64)
    data = psc.encode(image, target_psnr=30, roi=BOX, preset=preset, prior=gaussian_prior)
    psnr = 10 * np.log10(255**2 / error(image, data, gaussian_prior, box))
    assert 30 <= psnr < 31.5
    assert error(image, data, gaussian_prior, (0, 0, 64, 64)) > 2 * error(image, data, gaussian_prior, box)


def test_where_nothing_is_measured_it_costs_nothing(gaussian_prior: HaarGaussian) -> None:
    half = replace(at_step(110), regions=Regions(((1, 0), (1, NOTHING))))
    left = psc.encode_with(small().crop((0, 0, 64, 64)), at_step(110), prior=gaussian_prior)
    data = psc.encode_with(small(), half, prior=gaussian_prior)
    assert abs(len(data) / len(left) - 1) < 0.05


def test_refined_numbers_keep_their_blocks_steps(gaussian_prior: HaarGaussian) -> None:
    chosen = Settings(PROGRESSIVE, len(PROGRESSIVE.rounds), 110 + OCTAVE, regions=Regions(((1, 32), (1, 0))))
    data = psc.encode_with(small(), chosen, prior=gaussian_prior)
    right = error(small(), data, gaussian_prior, (64, 0, 128, 64))
    assert right < step_size(110) ** 2 / 12 * 127.5**2 * 1.5
    assert error(small(), data, gaussian_prior, (0, 0, 64, 64)) > 3 * right


def test_cut_verified_and_told_of(gaussian_prior: HaarGaussian) -> None:
    data = psc.encode(small(), quality=60, roi=BOX, prior=gaussian_prior)
    assert psc.info(data)["regions"] == {"+0": 1, f"+{UNIMPORTANT}": 1}
    assert psc.info(psc.encode(small(), quality=0, prior=gaussian_prior))["regions"] is None
    assert psc.verify(data, prior=gaussian_prior).ok
    for shorter in (
        psc.truncate(data, size=len(data) * 2 // 3),
        psc.keep_rounds(data, 20, prior=gaussian_prior),
    ):
        assert len(shorter) < len(data)
        assert unpack(shorter)[0].settings.regions == unpack(data)[0].settings.regions
        assert psc.decode(shorter, prior=gaussian_prior).size == (128, 64)


def test_a_journal_of_other_regions_is_refused(
    gaussian_prior: HaarGaussian, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("psc.session.journal.PATIENCE", 0.0)
    journal = psc.Journal(tmp_path / "journal")
    data = psc.encode(small(), quality=40, roi=BOX, prior=gaussian_prior, journal=journal)
    again = psc.Journal(tmp_path / "journal", resume=True)
    assert psc.encode(small(), quality=40, roi=BOX, prior=gaussian_prior, journal=again) == data
    other = psc.Journal(tmp_path / "journal", resume=True)
    with pytest.raises(PscError, match="setting"):
        psc.encode(small(), quality=40, roi=[(0, 0, 64, 64)], prior=gaussian_prior, journal=other)


def test_a_forged_header_is_an_error(gaussian_prior: HaarGaussian) -> None:
    data = psc.encode(small(), quality=20, roi=BOX, prior=gaussian_prior)
    packed = regions.pack(Regions(((1, UNIMPORTANT), (1, 0))))
    at = data.index(packed)
    end = len(data) - len(unpack(data)[1])
    for forged in (b"\x01\x20\x02\x00", b"\x01\x41\x01\x00", b"\x01\x20\x01\x01"):
        head = data[:at] + forged + data[at + 4 : end - 2]
        with pytest.raises(PscError, match="damaged or forged"):
            psc.info(head + crc16(head).to_bytes(2, "big"))


def test_small_plans_have_small_blocks(gaussian_prior: HaarGaussian) -> None:
    chosen = Settings(SMALL, 5, 96, regions=Regions(((3, 24), (1, 0), (2, NOTHING))))
    data = psc.encode_with(texture(24, 40), chosen, prior=gaussian_prior)
    assert not regions.pixels_of(chosen, 24, 40)[:, 20].any()
    assert psc.verify(data, prior=gaussian_prior).ok


@pytest.mark.slow
def test_with_the_embedded_prior(embedded_prior: Prior) -> None:
    image = photograph().crop((0, 0, 128, 64))
    plain = psc.encode(image, quality=50, prior=embedded_prior)
    data = psc.encode(image, quality=50, roi=BOX, prior=embedded_prior)
    assert len(data) < len(plain)
    box = (64, 0, 128, 64)
    assert error(image, data, embedded_prior, box) < 1.3 * error(image, plain, embedded_prior, box)
