"""The Pillow plugin, by what Pillow's own tests ask of a plugin."""

import io
import pickle
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageFile, UnidentifiedImageError

import psc
from psc import prior
from psc.bitstream.container import seal
from psc.bitstream.header import BodyField, unpack
from psc.codec import decode as decode_module
from psc.codec import encode as encode_module
from psc.images.pixels import psnr
from psc.prior import HaarGaussian
from psc.PscImagePlugin import PscImageFile
from tests.conftest import texture
from tests.pictures import CASES, CHOSEN, XMP, coded, exif, matte, tagged, wide_gamut

PRIOR = HaarGaussian(low=1.5, detail=(0.1, 0.25, 0.5))


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The Gaussian prior and a short plan in place of the embedded prior and its."""
    monkeypatch.setattr(prior, "load_prior", lambda: PRIOR)
    monkeypatch.setattr(
        encode_module, "settings", lambda quality, preset, seed, effort: replace(CHOSEN, seed=seed)
    )


@pytest.fixture(scope="module")
def picture() -> Image.Image:
    image = Image.fromarray(texture(20, 24))
    image.putalpha(matte(image.size))
    return tagged(image, icc_profile=wide_gamut(), exif=exif(), xmp=XMP)


@pytest.fixture(scope="module")
def data(picture: Image.Image) -> bytes:
    return coded(picture)


def opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


def saved(image: Image.Image, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, "PSC", **options)
    return file.getvalue()


def test_it_is_registered() -> None:
    assert Image.registered_extensions()[".psc"] == "PSC"
    assert Image.MIME["PSC"] == "image/x-psc"
    psc.register_pillow()
    assert Image.OPEN["PSC"][0] is PscImageFile


def test_opening_reads_the_header_alone(data: bytes, tmp_path: Path) -> None:
    header = psc.info(data)["header_bytes"]
    (tmp_path / "a.psc").write_bytes(data[:header])  # no body, and nothing is missed
    code = (
        "import sys, psc.PscImagePlugin; from PIL import Image; image = Image.open(sys.argv[1]);"
        "assert 'torch' not in sys.modules;"
        "print(image.format, image.size, image.mode, sorted(image.info), image.get_format_mimetype())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "a.psc"], capture_output=True, text=True, check=True
    )
    assert done.stdout == "PSC (24, 20) RGBA ['exif', 'icc_profile', 'xmp'] image/x-psc\n"


def test_pixels_are_what_psc_decodes(data: bytes, tmp_path: Path) -> None:
    expected = psc.decode(data)
    (tmp_path / "a.psc").write_bytes(data)
    with Image.open(tmp_path / "a.psc") as image:
        image.load()
        image.load()
        assert image.tobytes() == expected.tobytes()
        assert image.info == expected.info
        assert image.fp is None
    assert opened(data).convert("L").tobytes() == expected.convert("L").tobytes()
    assert pickle.loads(pickle.dumps(opened(data))) == opened(data)
    image = opened(data)
    image.thumbnail((12, 12))
    assert image.size == (12, 10)
    assert opened(data).getexif()[271] == "Camera & Sons"


def test_load_takes_the_options_of_decode(data: bytes) -> None:
    image = opened(data)
    image.load(restoration="preview", prior=PRIOR)
    assert image.tobytes() == psc.decode(data, restoration="preview").tobytes()
    with pytest.raises(OSError, match="restoration 'best' is unknown"):
        opened(data).load(restoration="best")


@pytest.mark.parametrize("name", CASES)
@pytest.mark.filterwarnings("ignore:mode")
@pytest.mark.filterwarnings("ignore:the CMYK picture has no profile")
def test_every_mode_goes_round(name: str, tmp_path: Path) -> None:
    image, expected, _ = CASES[name]
    image.save(tmp_path / "a.psc")
    with Image.open(tmp_path / "a.psc") as back:
        assert (back.format, back.mode, back.size) == ("PSC", expected.mode, expected.size)
        assert psnr(back.convert("RGB"), expected.convert("RGB")) > (20 if image.mode != "1" else 10)
        if back.mode.endswith("A"):
            assert back.getchannel("A").tobytes() == expected.getchannel("A").tobytes()


def test_save_takes_the_options_of_encode(picture: Image.Image, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = {}

    def encode(image: Image.Image, **options: object) -> bytes:
        seen.update(options)
        return b"file"

    monkeypatch.setattr(encode_module, "encode", encode)
    assert saved(picture, target_bpp=0.5, effort=9, seed=3, prior=PRIOR, optimize=True) == b"file"
    assert seen == {"target_bpp": 0.5, "effort": 9, "seed": 3, "prior": PRIOR}


def test_metadata_of_save_come_before_the_pictures_own(picture: Image.Image, data: bytes) -> None:
    assert saved(picture, seed=3) == data
    assert opened(saved(picture)).info == picture.info
    tags = Image.Exif()
    tags[271] = "Another"
    changed = opened(saved(picture, exif=tags, icc_profile=None, xmp=b"<x/>"))
    assert changed.info == {"exif": tags.tobytes(), "xmp": b"<x/>"}
    assert opened(saved(picture, strip=True)).info == {}
    assert set(picture.info) == {"icc_profile", "exif", "xmp"}


def test_what_encode_refuses_is_an_oserror_and_leaves_no_file(picture: Image.Image, tmp_path: Path) -> None:
    with pytest.raises(OSError, match="at most one of"):
        picture.save(tmp_path / "a.psc", quality=10, target_bpp=1)
    assert not (tmp_path / "a.psc").exists()
    with pytest.raises(OSError, match="no pixels"):
        saved(Image.new("RGB", (0, 5)))


def test_foreign_bytes() -> None:
    for content in (b"", b"\x89PS", b"\x89PNG\r\n\x1a\n", b"PSC"):
        with pytest.raises(SyntaxError, match="not a PSC file"):
            PscImageFile(io.BytesIO(content))
        with pytest.raises(UnidentifiedImageError):
            opened(content)


def test_damaged_headers_get_their_sentence(data: bytes) -> None:
    header = psc.info(data)["header_bytes"]
    for length in range(4, header, 97):
        with pytest.raises(UnidentifiedImageError, match="ends inside its header"):
            opened(data[:length])
    rng = np.random.default_rng(0)
    for position in range(4, header, 53):
        broken = bytearray(data)
        broken[position] ^= int(rng.integers(1, 256))
        with pytest.raises(UnidentifiedImageError, match="damaged|version|unknown|header"):
            opened(bytes(broken))
    with pytest.raises(UnidentifiedImageError, match="version 9; this program reads version 5"):
        opened(data[:4] + b"\x09" + data[5:])


def test_an_unread_file_is_closed(tmp_path: Path) -> None:
    (tmp_path / "a.psc").write_bytes(b"\x89PSC\x09")
    with warnings.catch_warnings():
        warnings.simplefilter("error", ResourceWarning)
        with pytest.raises(UnidentifiedImageError):
            Image.open(tmp_path / "a.psc")


@contextmanager
def truncated_allowed() -> Iterator[None]:
    ImageFile.LOAD_TRUNCATED_IMAGES = True
    try:
        yield
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = False


def test_truncated_files(data: bytes) -> None:
    short = data[: -psc.info(data)["body_bytes"] // 2]
    image = opened(short)
    with pytest.raises(OSError, match="the file is cut"):
        image.load()
    with truncated_allowed():
        assert image.convert("RGB").size == (24, 20)
        assert image.tobytes() == psc.decode(short, allow_partial=True).tobytes()
    broken = bytearray(data)
    broken[-5] ^= 1
    with pytest.raises(OSError, match="checksum"):
        opened(bytes(broken)).load()
    with truncated_allowed():
        opened(bytes(broken)).load()


def test_what_follows_a_file_is_not_its(data: bytes) -> None:
    assert opened(data + b"more").tobytes() == psc.decode(data).tobytes()


def test_another_priors_file_is_an_oserror(data: bytes) -> None:
    with pytest.raises(OSError, match="was made with the prior"):
        opened(data).load(prior=HaarGaussian(low=2.0))


def test_decompression_bombs(data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 24 * 20 - 1)
    with pytest.warns(Image.DecompressionBombWarning):
        opened(data)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(Image.DecompressionBombError):
        opened(data)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    header, body = unpack(coded(texture(8, 8)))
    huge = opened(seal(replace(header, width=65535, height=65535), body))
    assert huge.size == (65535, 65535)
    with pytest.raises(OSError, match="GiB"):
        huge.load()


def test_a_body_of_any_declared_length(data: bytes) -> None:
    header, body = unpack(data)
    lying = replace(header, body=BodyField(2**64 - 1)).pack() + body
    with pytest.raises(OSError, match="the file is cut"):
        opened(lying).load()


def test_the_incremental_parser(data: bytes) -> None:
    parser = ImageFile.Parser()
    for start in range(0, len(data), 500):
        parser.feed(data[start : start + 500])
    assert parser.close().tobytes() == psc.decode(data).tobytes()


def test_imageio(data: bytes, tmp_path: Path) -> None:
    imageio = pytest.importorskip("imageio.v3")
    (tmp_path / "a.psc").write_bytes(data)
    for read in (imageio.imread, partial(imageio.imread, plugin="pillow")):
        assert np.array_equal(read(tmp_path / "a.psc"), np.asarray(psc.decode(data)))


# Threads, verify, metadata of any kind


@pytest.mark.parametrize("threads", [2, 7])
def test_threads_that_share_a_picture_that_is_not_loaded(
    data: bytes, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected, decode = psc.decode(data), decode_module.decode
    calls = []

    def counted(*arguments: object, **options: object) -> Image.Image:
        calls.append(arguments)
        time.sleep(0.05)
        return decode(*arguments, **options)

    monkeypatch.setattr(decode_module, "decode", counted)
    image, start = opened(data), threading.Barrier(threads)

    def work(number: int) -> bytes:
        start.wait()
        uses = (
            image.tobytes,
            lambda: image.copy().tobytes(),
            lambda: image.crop((0, 0, *image.size)).tobytes(),
        )
        return uses[number % len(uses)]()

    with ThreadPoolExecutor(threads) as pool:
        found = list(pool.map(work, range(threads)))
    assert found == [expected.tobytes()] * threads
    assert len(calls) == 1


def test_a_thread_that_fails_does_not_stop_the_others(data: bytes) -> None:
    image = opened(data)
    with ThreadPoolExecutor(2) as pool:
        bad = pool.submit(image.load, restoration="best")
        good = pool.submit(image.tobytes)
        assert isinstance(bad.exception(), OSError | None)
        assert good.result() == psc.decode(data).tobytes()


def test_verify_passes_what_is_sound(data: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decode_module, "decode", None)  # nothing is decoded
    (tmp_path / "a.psc").write_bytes(data)
    for source in (tmp_path / "a.psc", io.BytesIO(data), io.BytesIO(data + b"more")):
        with Image.open(source) as image:
            image.verify()
    opened(psc.truncate(data, size=len(data) - 20)).verify()
    with pytest.raises(RuntimeError, match="directly after open"):
        image.verify()


def test_verify_finds_every_damage_and_every_cut(data: bytes) -> None:
    header = psc.info(data)["header_bytes"]
    for length in (header, header + 1, (header + len(data)) // 2, len(data) - 1):
        with pytest.raises(OSError, match="the file is cut"):
            opened(data[:length]).verify()
    for position in (*range(header, len(data), 37), len(data) - 1):
        for bit in (1, 128):
            broken = bytearray(data)
            broken[position] ^= bit
            with pytest.raises(OSError, match="checksum is wrong"):
                opened(bytes(broken)).verify()
    with truncated_allowed(), pytest.raises(OSError, match="the file is cut"):
        opened(data[:-1]).verify()


def test_exif_of_any_kind(picture: Image.Image) -> None:
    tags = Image.Exif()
    tags[271], tags[274] = "Another", 6
    for given in (tags, {271: "Another", 274: 6}, tags.tobytes(), bytearray(tags.tobytes()),
                  memoryview(tags.tobytes())):  # fmt: skip
        back = opened(saved(picture, exif=given))
        assert back.info["exif"] == tags.tobytes()
    profile = ImageCms.ImageCmsProfile(io.BytesIO(wide_gamut()))
    assert opened(saved(picture, icc_profile=profile)).info["icc_profile"] == profile.tobytes()
    assert opened(saved(picture, xmp="<é/>")).info["xmp"] == "<é/>".encode()
    assert opened(saved(picture, xmp=bytearray(b"<x/>"))).info["xmp"] == b"<x/>"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("exif", "Another"),
        ("exif", 5),
        ("exif", [1, 2]),
        ("exif", {271: object()}),
        ("exif", {"Make": "Another"}),
        ("xmp", {"a": 1}),
        ("icc_profile", Path("profile.icc")),
        ("icc_profile", np.zeros(3, np.float32).tolist()),
    ],
)
def test_metadata_that_are_none_are_refused(
    picture: Image.Image, name: str, value: object, tmp_path: Path
) -> None:
    with pytest.raises(OSError, match=f"^{name}=.* came"):
        picture.save(tmp_path / "a.psc", **{name: value})
    assert not (tmp_path / "a.psc").exists()


def test_a_target_size_may_be_a_float(picture: Image.Image) -> None:
    assert len(saved(picture, target_size=3000.0)) <= 3000
    for size in ("800", float("nan"), -1.0, True):
        with pytest.raises(OSError, match="target"):
            saved(picture, target_size=size)


def test_after_verify_or_close_load_says_what_to_do(data: bytes) -> None:
    verified, closed = opened(data), opened(data)
    verified.verify()
    closed.close()
    for image in (verified, closed):
        with pytest.raises(OSError, match="open the file anew"):
            image.load()
