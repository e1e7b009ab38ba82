"""Bad input: more than 20,000 files that are none, each refused by a PscError with a sentence, or survived.

fuzz/ searches on from here, guided by coverage.
"""

import ast
import io
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
from fuzz import seeds, targets
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

import psc
from psc.bitstream.container import info, seal, seal_cut
from psc.bitstream.header import Condition, Header, crc16, unpack
from psc.plan.presets import DEFAULT
from psc.prior import HaarGaussian
from tests.headers import header_of
from tests.test_cli import Psc, assert_fails
from tests.test_cli import _psc as psc_fixture

_psc = psc_fixture
PRIOR = targets.PRIOR
SENTENCE = 400
"""Characters that an error may have."""
SOURCES = sorted(Path(psc.__file__).parent.rglob("*.py"))
COUNTS: dict[str, int] = {}


def small_files() -> list[bytes]:
    """One by a pyramid's plan, in colours; one by the paper's, grey, cut."""
    from psc.codec.encode import encode_with
    from psc.plan.plan import Settings

    y, x = np.mgrid[:7, :10]
    grey = (128 + 90 * np.sin(x / 5 + y / 7)).astype(np.uint8)
    colours = np.stack([grey, grey // 2, grey], 2)
    first = encode_with(colours, Settings(targets.PYRAMID, 4, 96, 3), prior=PRIOR)
    second = encode_with(grey, Settings(targets.WHOLE, 4, 0, 3), prior=PRIOR)
    return [first, psc.truncate(second, size=len(second) - 1)]


@pytest.fixture(scope="module", name="files")
def _files() -> list[bytes]:
    return small_files()


def refused(read: Callable[[], object]) -> None:
    """It is a PscError with a sentence, not a book."""
    with pytest.raises(psc.PscError) as caught:
        read()
    assert 10 < len(str(caught.value)) < SENTENCE


def survived(read: Callable[[], object]) -> None:
    """It is a PscError, or nothing at all."""
    with suppress(psc.PscError):
        read()


def count(name: str, some: int) -> None:
    COUNTS[name] = COUNTS.get(name, 0) + some


def decoded(data: bytes, **how: Any) -> Image.Image:
    return psc.decode(data, restoration="preview", prior=PRIOR, **how)


def test_every_prefix(files: list[bytes]) -> None:
    for data in files:
        header = info(data)["header_bytes"]
        for length in range(len(data)):
            part = data[:length]
            refused(lambda part=part: decoded(part))
            (survived if length >= header else refused)(lambda part=part: info(part))
            survived(lambda part=part: psc.truncate(part, size=len(part) - 3))
            refused(lambda part=part: psc.keep_rounds(part, 9, prior=PRIOR))
            count("prefixes", 4)


def test_every_byte_changed_to_every_other(files: list[bytes]) -> None:
    for data in files:
        for position in range(len(data)):
            for value in set(range(256)) - {data[position]}:
                broken = data[:position] + bytes([value]) + data[position + 1 :]
                refused(lambda broken=broken: decoded(broken))
                count("changed bytes", 1)


def test_every_header_byte_changed_behind_sound_checksums() -> None:
    for data in list(seeds.parse())[1:9:3]:  # without captions, which take long to decode
        for position in set(range(len(data))) - {0}:
            for value in range(0, 256, 5):
                targets.parse(data[:position] + bytes([value]) + data[position + 1 :])
                count("header bytes behind sound checksums", 1)


def test_every_body_byte_changed_behind_sound_checksums() -> None:
    for data in list(seeds.decode())[::9]:
        for position in range(targets.PARAMETERS, len(data)):
            targets.decode(data[:position] + bytes([data[position] ^ 0x55]) + data[position + 1 :])
            count("body bytes behind sound checksums", 1)


@pytest.mark.parametrize("given", ["a.psc", Path("a.psc"), None, 5, [1], io.BytesIO(b"a"), np.zeros(9, "u1")])
def test_what_is_no_bytes_gets_a_sentence(given: Any) -> None:
    for read in (info, decoded, psc.verify, psc.open, lambda data: psc.truncate(data, size=40)):
        with pytest.raises(psc.PscError, match="expected the bytes of a .psc file"):
            read(given)


@pytest.mark.parametrize("kind", [bytearray, memoryview])
def test_bytes_of_any_kind(files: list[bytes], kind: Callable[[bytes], Any]) -> None:
    data = files[0]
    assert decoded(kind(data)) == decoded(data)
    for size in (len(data), len(data) - 3):
        assert psc.truncate(kind(data), size=size) == psc.truncate(data, size=size)


@pytest.mark.parametrize(
    "option", [{"quality": "x"}, {"quality": 0, "seed": 1.5}, {"quality": 0, "seed": "1"}]
)
def test_options_that_are_no_numbers(option: dict[str, Any]) -> None:
    refused(lambda: psc.encode(np.zeros((4, 4), np.uint8), preset="paper", prior=PRIOR, **option))


@pytest.mark.parametrize("number", ["x", None, 1.5])
def test_cuts_that_are_no_numbers(files: list[bytes], number: Any) -> None:
    refused(lambda: psc.truncate(files[0], size=number))
    refused(lambda: psc.keep_rounds(files[0], number, prior=PRIOR))


def test_noise() -> None:
    rng = np.random.default_rng(7)
    for _ in range(500):
        noise = rng.bytes(int(rng.integers(0, 300)))
        refused(lambda noise=noise: decoded(noise))
        refused(lambda noise=noise: decoded(b"\x89PSC\x05" + noise, allow_partial=True))
        targets.parse(noise)
        count("noise", 3)


@given(st.binary(max_size=200))
@hypothesis_settings(max_examples=150, deadline=None)
def test_bytes_that_hypothesis_thinks_of(data: bytes) -> None:
    targets.parse(data)
    with mock.patch.object(targets, "STEPS", 8):
        targets.decode(data)
    count("hypothesis", 2)


def test_there_were_many() -> None:
    """The number that docs/robustness.md tells (after all tests of this file)."""
    print(COUNTS, sum(COUNTS.values()))  # noqa: T201
    assert len(COUNTS) < 6 or sum(COUNTS.values()) > 20_000


# What is declared


def with_fields(**changes: Any) -> bytes:
    fields = {
        "width": 24, "height": 24, "grey": False, "plan": DEFAULT, "rounds": 5, "step_index": 96, "seed": 0,
        "fingerprint": PRIOR.fingerprint[:4], "exact": True, "body_length": 4, "body_crc": crc16(b"abcd"),
    } | changes  # fmt: skip
    return header_of(**fields).pack() + b"abcd"


def test_a_picture_larger_than_memory_is_refused_before_it_is_allocated(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("psc.session.setup.os.sysconf", lambda name: 2**29 if name == "SC_PHYS_PAGES" else 1)
    for side in (5000, 65535):
        data = with_fields(width=side, height=side)
        assert info(data)["width"] == side
        with pytest.raises(psc.PscError, match=r"need about \d+ GiB .* the limit here is 0 GiB"):
            decoded(data, allow_partial=True)


def test_a_body_longer_than_any_disk() -> None:
    data = with_fields(body_length=2**63)
    assert "the file is cut: 4 of" in info(data)["defect"]
    with pytest.raises(psc.PscError, match="the file is cut"):
        decoded(data)


def test_a_plan_of_65025_rounds_is_refused_in_a_sentence() -> None:
    groups = bytes([255, 0, 1, 2]) * 255
    fields = b"\x89PSC\x05\x00\x18\x18" + bytes([0, 0, 1, 1, 8, 4, 74, 32, 1, 255]) + groups + bytes(20)
    refused(lambda: info(fields))


def test_the_work_that_a_header_asks_for_is_told() -> None:
    assert info(with_fields(rounds=1))["nfe"] == DEFAULT.nfe(1)


def test_cutting_a_file_with_a_caption_is_no_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """Found by fuzzing: the header, caption and all, was packed anew for each byte that it has."""
    header = unpack(with_fields())[0]
    header = replace(header, condition=Condition("a red house " * 20), latents=True)
    whole = seal(header, bytes(range(256)) * 8)
    packs = []
    pack = Header.pack
    monkeypatch.setattr(Header, "pack", lambda self: packs.append(self) or pack(self))
    for size in (1000, 1500, len(whole) - 1):
        assert size - 2 <= len(seal_cut(header, bytes(range(256)) * 8, size)) <= size
    assert len(packs) <= 3 * 4


# Pictures


@given(
    arrays.arrays(
        st.sampled_from([np.dtype(n) for n in ("u1", "i2", "f4", "f8", "?", "c8", "S3", "M8[s]")]),
        arrays.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=6),
    )
)
@hypothesis_settings(max_examples=150, deadline=None)
def test_arrays_of_any_kind(array: np.ndarray) -> None:
    from psc.images.pixels import to_tensor

    survived(lambda: to_tensor(array))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_none(psc: Psc, tmp_path: Path, value: float) -> None:
    array = np.full((8, 8), 100, np.float32)
    array[3, 4] = value
    Image.fromarray(array).save(tmp_path / "a.tiff")
    result = psc("encode", tmp_path / "a.tiff", "-q0")
    assert result.code == 1
    assert result.err.splitlines()[-1].startswith("psc: error: the picture holds numbers that are none")
    assert not (tmp_path / "a.psc").exists()


def pictures() -> Iterator[bytes]:
    """Small sound ones, of several formats."""
    for name in ("PNG", "JPEG", "WEBP", "TIFF", "GIF", "BMP"):
        buffer = io.BytesIO()
        Image.fromarray(np.arange(300, dtype=np.uint8).reshape(10, 10, 3)).save(buffer, name)
        yield buffer.getvalue()


@pytest.mark.filterwarnings("ignore")  # Pillow's own, of what it could read all the same
def test_pictures_damaged_anyhow(tmp_path: Path) -> None:
    from psc.images.opening import read_image

    rng = np.random.default_rng(3)
    for data in pictures():
        for length in range(0, len(data), 3):
            survived(lambda part=data[:length]: read_image(io.BytesIO(part)))
            broken = bytearray(data)
            broken[length] ^= int(rng.integers(1, 256))
            survived(lambda broken=bytes(broken): read_image(io.BytesIO(broken)))


# The command: no output but a whole one


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["encode", "nothing.png"], ["is not a picture"]),
        (["encode", "text.png"], ["is not a picture"]),
        (["encode", "loop.png"], ["loop.png"]),
        (["encode", "nothing.png/a.png"], ["nothing.png does not exist"]),
        (["encode", "folder.png"], ["is a folder"]),
        (["encode", "picture.png", "/dev/full", "-fq0"], ["/dev/full", "No space left"]),
        (["decode", "nothing.png", "c.png"], ["not a PSC file"]),
        (["decode", "folder.png"], ["is a folder"]),
        (["decode", "picture.psc", "/dev/full"], ["cannot write /dev/full"]),
        (["info", "folder.png"], ["Is a directory"]),
        (["info", "loop.png"], ["loop.png"]),
        (["truncate", "nothing.png", "--size", "9"], ["not a PSC file"]),
        (["verify", "nothing.png"], ["not a PSC file"]),
    ],
)
def test_paths_that_lead_nowhere(
    psc: Psc, tmp_path: Path, files: list[bytes], arguments: list[str], words: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    Path("nothing.png").write_bytes(b"")
    Path("text.png").write_text("no picture")
    Path("loop.png").symlink_to("loop.png")
    Path("folder.png").mkdir()
    Image.new("RGB", (8, 8)).save("picture.png")
    Path("picture.psc").write_bytes(files[0])
    before = sorted(tmp_path.iterdir())
    assert_fails(psc(*arguments), *words)
    assert sorted(tmp_path.iterdir()) == before


def test_a_journal_that_is_none(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    array = np.zeros((8, 8), np.uint8)
    whole = psc.encode(array, quality=0, preset="paper", prior=HaarGaussian())
    path = tmp_path / "a.psc.resume"
    for length in (0, 1, 3, 4, 40, 400):
        for start in (b"", b"PSJ1"):
            path.write_bytes(start + rng.bytes(length))
            found: list[bytes] = []
            survived(
                lambda found=found: found.append(
                    psc.encode(
                        array, quality=0, preset="paper", prior=HaarGaussian(), journal=psc.Journal(path)
                    )
                )
            )
            assert found in ([], [whole])


# Nothing is unpickled


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_no_source_unpickles(path: Path) -> None:
    """torch.load reads nothing but tensors if told so; pickle is imported for the name of its error."""
    unpicklers = {"_pickle", "cloudpickle", "dill", "joblib", "marshal", "multiprocessing", "shelve"}
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import | ast.ImportFrom):
            home = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            modules = {name.split(".")[0] for name in [*home, *(alias.name for alias in node.names)]}
            assert not modules & unpicklers
            assert not (home and "pickle" in modules), "from pickle import ... hides what is used of it"
        elif isinstance(node, ast.Attribute) and ast.unparse(node.value) == "pickle":
            assert node.attr == "UnpicklingError"
        elif isinstance(node, ast.Call):
            options = {k.arg: ast.unparse(k.value) for k in node.keywords}
            name = ast.unparse(node.func)
            assert name not in ("eval", "exec", "np.load", "numpy.load")
            assert name != "torch.load" or options["weights_only"] == "True"


def test_the_fuzzers_seeds_are_what_they_should_be() -> None:
    for data in seeds.parse():
        targets.parse(data)
    for data in list(seeds.decode())[::7]:
        targets.decode(data)
    assert sum(1 for _ in seeds.decode()) == 40
    assert "atheris" not in sys.modules
