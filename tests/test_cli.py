"""The command line: what a user types, sees and finds on disk afterwards."""

import io
import json
import os
import signal
import socket
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from PIL import Image, ImageCms

import psc
from psc import PscError, files, prior
from psc.bitstream.container import seal
from psc.bitstream.header import Condition, unpack
from psc.cli import app, console
from psc.cli import names as file_names
from psc.codec import decode as decode_module
from psc.codec import encode as encode_module
from psc.images import opening
from psc.plan.presets import PRESETS
from psc.session.restorations import RESTORATIONS
from tests.conftest import interruptible

SIZE = (40, 30)
ROUNDS = psc.settings(5).rounds
CONSOLE_SCRIPT = str(Path(sys.executable).with_name("psc"))
WITH_SMALL_PRIOR = """
from psc import prior
from psc.cli import app
from psc.session import journal
journal.PATIENCE = 1e6  # however slow the machine is
prior.load_prior = lambda name, **how: prior.HaarGaussian(detail=(0.2, 0.5))
app.main()
"""


def small_prior(name: str = "embedded", *, device: str = "cpu", half: bool = False) -> prior.Prior:
    return prior.HaarGaussian(detail=(0.2, 0.5))


def picture(width: int, height: int) -> Image.Image:
    """A colour gradient with some texture."""
    y, x = np.mgrid[:height, :width]
    planes = np.stack([x * 255 // width, y * 255 // height, x * y % 50 + 100], 2)
    return Image.fromarray(planes.astype(np.uint8))


class Result(NamedTuple):
    code: int
    out: bytes
    err: str


Psc = Callable[..., Result]


@pytest.fixture(name="psc")
def _psc(monkeypatch: pytest.MonkeyPatch, capsysbinary: Any) -> Psc:
    """The command in this process, with a prior that takes milliseconds."""
    monkeypatch.setattr(prior, "load_prior", small_prior)

    def run(*arguments: object, stdin: bytes = b"") -> Result:
        monkeypatch.setattr(sys, "argv", ["psc", *map(str, arguments)])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        with pytest.raises(SystemExit) as end:
            app.main()
        out, err = capsysbinary.readouterr()
        return Result(end.value.code or 0, out, err.decode())

    return run


@pytest.fixture(scope="module")
def encoded() -> bytes:
    return psc.encode(picture(*SIZE), quality=5, prior=small_prior())


@pytest.fixture
def folder(tmp_path: Path, encoded: bytes) -> Iterator[Path]:
    """A folder with a picture and a .psc file; no test may leave a temporary file there."""
    picture(*SIZE).save(tmp_path / "a.png")
    (tmp_path / "b.psc").write_bytes(encoded)
    yield tmp_path
    assert not list(tmp_path.glob(".*"))


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def assert_fails(result: Result, *words: str) -> None:
    """Exit code 1, nothing on stdout, and one line on stderr that has all the words."""
    assert (result.code, result.out) == (1, b"")
    assert result.err.startswith("psc: error: ")
    assert result.err.count("\n") == 1
    for word in words:
        assert word in result.err


# Round trips


def test_round_trip_through_files(psc: Psc, folder: Path, encoded: bytes) -> None:
    result = psc("encode", folder / "a.png", "-q", 5)
    assert (result.code, result.out) == (0, b"")
    assert (folder / "a.psc").read_bytes() == encoded
    assert f"{len(encoded)} bytes, " in result.err
    assert result.err.count("\n") == 1
    result = psc("decode", folder / "a.psc", folder / "c.png")
    assert (result.code, result.out) == (0, b"")
    assert f"40x30, {ROUNDS} rounds, " in result.err
    with Image.open(folder / "c.png") as image:
        assert (image.format, image.size, image.mode) == ("PNG", SIZE, "RGB")
        assert image.tobytes() == decode_module.decode(encoded, prior=small_prior()).tobytes()


def test_round_trip_through_streams(psc: Psc, folder: Path, encoded: bytes) -> None:
    result = psc("encode", "-", "-q", "5", "--quiet", stdin=(folder / "a.png").read_bytes())
    assert result == (0, encoded, "")
    result = psc("decode", "-", "-", "--restore", "preview", "--quiet", stdin=encoded)
    assert (result.code, result.err) == (0, "")
    assert psc("decode", folder / "b.psc", "--restore", "preview").code == 0
    assert result.out == (folder / "b.png").read_bytes()
    assert names(folder) == ["a.png", "b.png", "b.psc"]


def test_the_installed_command_with_the_embedded_prior(folder: Path) -> None:
    source = io.BytesIO()
    picture(*SIZE).save(source, "PNG")
    encode = [CONSOLE_SCRIPT, "encode", "-q0", "--preset=paper", "-", "-"]
    middle = subprocess.run(encode, input=source.getvalue(), capture_output=True, check=True)
    assert middle.stderr.startswith(b"-: %d bytes" % len(middle.stdout))
    assert b"\r" not in middle.stderr, "a bar without a terminal"
    decode = [CONSOLE_SCRIPT, "decode", "--restore=preview", "--json", "-"]
    end = subprocess.run(decode, input=middle.stdout, capture_output=True, check=True)
    assert json.loads(end.stderr)["complete"] is True
    with Image.open(io.BytesIO(end.stdout)) as image:
        assert (image.format, image.size) == ("PNG", SIZE)


def test_the_output_format_follows_the_extension(psc: Psc, folder: Path) -> None:
    for name, expected in (("c.JPG", "JPEG"), ("c.webp", "WEBP"), ("c.tif", "TIFF")):
        assert psc("decode", folder / "b.psc", folder / name, "--restore", "preview").code == 0
        with Image.open(folder / name) as image:
            assert (image.format, image.size) == (expected, SIZE)


def test_effort_reaches_the_file(psc: Psc, folder: Path) -> None:
    assert psc("encode", folder / "a.png", "-q", 5, "-e", 1).code == 0
    data = (folder / "a.psc").read_bytes()
    assert data == encode_module.encode(picture(*SIZE), quality=5, effort=1, prior=small_prior())
    assert "effort 1" in psc("info", folder / "a.psc").out.decode()


def test_grey_and_seed_reach_the_file(psc: Psc, folder: Path) -> None:
    picture(*SIZE).convert("L").save(folder / "a.png")
    assert psc("encode", folder / "a.png", "-q0", "--seed", "7").code == 0
    header = json.loads(psc("info", folder / "a.psc", "--json").out)
    assert (header["mode"], header["seed"]) == ("L", 7)


def test_choices_are_those_of_the_library(psc: Psc) -> None:
    assert "|".join(RESTORATIONS) in "".join(psc("decode", "--help").out.decode().split())
    assert "|".join(PRESETS) in "".join(psc("encode", "--help").out.decode().split())


def test_variations_are_files_of_their_own(psc: Psc, folder: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(folder)
    result = psc("decode", "b.psc", "c.png", "--variations", "2", "--json")
    figures = json.loads(result.out)
    assert figures["outputs"] == ["c-1.png", "c-2.png"]
    assert (figures["restoration"], figures["nfe_restoration"] > 0) == ("sample", True)
    assert psc("decode", "b.psc", "one.png", "--restore", "sample").code == 0
    assert Path("c-1.png").read_bytes() == Path("one.png").read_bytes() != Path("c-2.png").read_bytes()
    assert names(folder) == ["a.png", "b.psc", "c-1.png", "c-2.png", "one.png"]
    kept = Path("c-2.png").read_bytes()
    Path("c-1.png").unlink()
    assert_fails(psc("decode", "b.psc", "c.png", "--variations", "2"), "c-2.png exists", "--force")
    assert not Path("c-1.png").exists()
    result = psc("decode", "b.psc", "c.png", "--variations", "10", "-f")
    assert "c-01.png to c-10.png: 40x30, " in result.err
    assert Path("c-02.png").read_bytes() == kept


def test_the_uncertainty_map_is_a_picture_of_its_own(psc: Psc, folder: Path) -> None:
    result = psc("decode", folder / "b.psc", folder / "c.png", "--uncertainty", folder / "map.webp")
    assert result.code == 0
    with Image.open(folder / "map.webp") as image:
        assert image.format == "WEBP"
        assert min(image.size) > 300
    assert psc("decode", folder / "b.psc", folder / "d.png").code == 0
    assert (folder / "c.png").read_bytes() == (folder / "d.png").read_bytes()


@pytest.mark.parametrize("way", ["ddrm", "pigdm"])
def test_published_restorations_by_name(psc: Psc, folder: Path, way: str) -> None:
    result = psc("decode", folder / "b.psc", "--restore", way, "--steps", 6, "--json")
    figures = json.loads(result.out)
    assert (figures["restoration"], figures["nfe_restoration"]) == (way, pytest.approx(6))


# What is printed


def test_json_of_encode_and_decode(psc: Psc, folder: Path, encoded: bytes) -> None:
    result = psc("encode", folder / "a.png", "-q5", "--json")
    figures = json.loads(result.out)
    assert result.err == ""
    assert figures.pop("seconds") > 0
    nfe = figures.pop("nfe")
    assert nfe > 0
    assert figures == {
        "input": str(folder / "a.png"),
        "output": str(folder / "a.psc"),
        "width": 40,
        "height": 30,
        "bytes": len(encoded),
        "bpp": 8 * len(encoded) / 1200,
        "caption": "",
        "rounds": ROUNDS,
    }
    figures = json.loads(psc("decode", folder / "b.psc", "--json").out)
    assert (figures["complete"], figures["note"], figures["rounds"]) == (True, "", ROUNDS)
    assert figures["nfe_rounds"] == nfe
    assert figures["nfe_restoration"] == figures["nfe"] - nfe > 0
    result = psc("encode", folder / "a.png", "-", "-q5", "--json")
    assert result.out == encoded
    assert json.loads(result.err)["output"] == "-"


def test_verbose_prints_a_line_per_round(psc: Psc, folder: Path) -> None:
    lines = psc("encode", folder / "a.png", "-q5", "-v").err.splitlines()
    assert len(lines) == ROUNDS + 1
    assert lines[1].startswith(f"round 2 of {ROUNDS}: ")


def test_a_bar_only_on_a_terminal(psc: Psc, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert "rounds |" in psc("encode", folder / "a.png", "-q5").err
    assert psc("encode", folder / "a.png", "-q5", "-f", "--quiet").err == ""


def test_warnings_are_one_line(psc: Psc, folder: Path) -> None:
    Image.fromarray(np.full(SIZE[::-1], 40000, np.uint16)).save(folder / "a.png")
    err = psc("encode", folder / "a.png", "-q0").err
    assert err.splitlines()[0].startswith("psc: warning: mode I;16 is converted to L, 8 bits per sample")
    assert psc("encode", folder / "a.png", "-q0", "-f", "--quiet").err == ""


def test_what_a_photograph_carries(psc: Psc, folder: Path) -> None:
    tags = Image.Exif()
    tags[274] = 6
    info = {"exif": tags.tobytes(), "xmp": b"<x:xmpmeta/>", "icc_profile": b"profile" * 20}
    picture(*SIZE).save(folder / "a.jpg", **info)
    psc("encode", folder / "a.jpg", "-q0")
    assert psc("decode", folder / "a.psc", folder / "b.png").err.count("warning") == 0
    with Image.open(folder / "b.png") as image:
        assert image.size == SIZE
        assert {name: image.info[name] for name in info} == info
    header = json.loads(psc("info", folder / "a.psc", "--json").out)
    assert set(header["carries"]) == set(info)
    line = next(x for x in psc("info", folder / "a.psc").out.decode().splitlines() if x.startswith("carries"))
    assert line.split()[1::3] == ["icc_profile", "exif", "xmp"]
    assert psc("decode", folder / "a.psc", folder / "b.bmp").err.count("it is left out") == 3
    psc("encode", folder / "a.jpg", folder / "c.psc", "-q0", "--strip")
    header = json.loads(psc("info", folder / "c.psc", "--json").out)
    assert (header["width"], header["height"], header["carries"]) == (*SIZE[::-1], {})
    assert "carries       none" in psc("info", folder / "c.psc").out.decode()


def test_alpha_needs_a_format_that_has_it(psc: Psc, folder: Path) -> None:
    image = picture(*SIZE)
    image.putalpha(100)
    image.save(folder / "a.png")
    psc("encode", folder / "a.png", "-q0")
    assert_fails(psc("decode", folder / "a.psc", folder / "b.jpg"), "RGBA", "JPEG")
    psc("decode", folder / "a.psc", folder / "b.webp")
    with Image.open(folder / "b.webp") as back:
        assert back.getchannel("A").getextrema() == (100, 100)


def test_info_reads_the_header_only(psc: Psc, folder: Path, encoded: bytes, monkeypatch: Any) -> None:
    monkeypatch.setattr(prior, "load_prior", None)
    result = psc("info", folder / "b.psc", "--json")
    header = json.loads(result.out)
    assert (result.code, result.err) == (0, "")
    assert (header["width"], header["height"], header["plan"]) == (40, 30, "default")
    assert header["header_bytes"] + header["body_bytes"] == len(encoded)
    text = psc("info", "-", stdin=encoded[:-1]).out.decode()
    assert f"seed {'0':>10}" in text
    assert "the file is cut" in text


def test_verify_prints_a_line_per_round_and_the_picture(psc: Psc, folder: Path) -> None:
    result = psc("verify", folder / "b.psc")
    lines = result.out.decode().splitlines()
    assert (result.code, len(lines)) == (0, ROUNDS + 1)
    assert all(line.endswith("agrees") for line in lines[:-1])
    figures = json.loads(psc("verify", folder / "b.psc", "--json").out)
    assert figures["ok"]
    assert figures["picture"] in lines[-1]
    (folder / "b.psc").write_bytes((folder / "b.psc").read_bytes()[:-5])
    cut = psc("verify", folder / "b.psc")
    assert cut.code == 1
    assert f"of {ROUNDS} rounds agree: the file is cut" in cut.err
    assert lines[0] in cut.out.decode()


def test_version_and_help_come_without_pytorch() -> None:
    code = "import sys; from psc.cli import app; assert 'torch' not in sys.modules; app.main()"
    done = subprocess.run([sys.executable, "-c", code, "-V"], capture_output=True, text=True, check=True)
    assert done.stdout == f"psc {psc.__version__}\n"
    assert set(psc.__all__) <= set(dir(psc))
    with pytest.raises(AttributeError, match="attribute nothing"):
        psc.nothing  # noqa: B018


# Wrong usage and wrong inputs


@pytest.mark.parametrize(
    "arguments",
    [
        ["encode", "a.png", "-q", "101"],
        ["encode", "a.png", "-q", "good"],
        ["encode", "a.png", "--preset", "fast"],
        ["encode", "a.png", "--seed", "-1"],
        ["encode", "a.png", "-e", "0"],
        ["encode", "a.png", "--effort", "10"],
        ["decode", "b.psc", "--restore", "best"],
        ["decode", "b.psc", "--steps", "1"],
        ["decode", "b.psc", "--variations", "0"],
        ["decode", "b.psc", "--variations", "2", "--uncertainty", "c.png"],
        ["decode"],
        ["transcode", "a.png"],
    ],
)
def test_wrong_usage_exits_with_2(psc: Psc, folder: Path, arguments: list[str], monkeypatch: Any) -> None:
    monkeypatch.chdir(folder)
    result = psc(*arguments)
    assert (result.code, result.out) == (2, b"")
    assert "Error" in result.err
    assert names(folder) == ["a.png", "b.psc"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["encode", "missing.png"], ["missing.png", "No such file"]),
        (["decode", "missing.psc"], ["missing.psc", "No such file"]),
        (["info", "missing.psc"], ["missing.psc", "No such file"]),
        (["encode", "b.psc", "c.psc"], ["b.psc is not a picture"]),
        (["decode", "a.png", "c.png"], ["not a PSC file"]),
        (["info", "a.png"], ["not a PSC file"]),
        (["encode", "-"], ["standard input is not a picture"]),
        (["decode", "-"], ["not a PSC file"]),
        (["encode", "."], ["is a folder"]),
        (["encode", "a.png", "."], ["is a folder"]),
        (["encode", "a.png", "loop.psc"], ["cannot write loop.psc"]),
        (["encode", "a.png", "none/a.psc"], ["none does not exist"]),
        (["decode", "b.psc", "none/b.png"], ["none does not exist"]),
        (["decode", "b.psc", "b.xyz"], ["'.xyz'"]),
        (["decode", "b.psc", "b"], ["''"]),
        (["decode", "b.psc", "b.xbm"], ["cannot be written as XBM"]),
        (["decode", "b.psc", "x" * 300 + ".png"], ["too long"]),
        (["encode", "a.png", "a.png", "-f"], ["is the input"]),
        (["encode", "a.png", "--seed", str(2**64)], ["seed 18446744073709551616"]),
        (["encode", "a.png", "-e", "3", "--preset", "paper"], ["'paper' has no efforts"]),
        (["decode", "b.psc", "--steps", "5", "--restore", "preview"], ["evaluates nothing"]),
        (["decode", "b.psc", "--steps", "999"], ["999 steps", "expected 2 to"]),
        (["decode", "b.psc", "--variations", "2", "--restore", "mean"], ["single picture"]),
        (["decode", "b.psc", "-", "--variations", "2"], ["name an output file"]),
        (["decode", "b.psc", "none/b.png", "--variations", "2"], ["none does not exist"]),
        (["decode", "b.psc", ".", "--variations", "2"], ["is a folder"]),
        (["decode", "b.psc", "--uncertainty", "-"], ["a file of its own"]),
        (["decode", "b.psc", "c.png", "--uncertainty", "./c.png"], ["a file of its own"]),
        (["decode", "b.psc", "--uncertainty", "a.png"], ["exists", "--force"]),
        (["decode", "b.psc", "--uncertainty", "c.xyz"], ["'.xyz'"]),
    ],
)
def test_failures_are_one_sentence(
    psc: Psc, folder: Path, arguments: list[str], words: list[str], monkeypatch: Any
) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setattr(psc_session(), "step", None)  # each must be found before the long run
    monkeypatch.setattr(Image, "ID", [name for name in Image.ID if name != "PSC"])  # other tests register it
    if "loop.psc" in arguments:
        Path("loop.psc").symlink_to("loop.psc")
    assert_fails(psc(*arguments), *words)
    assert {"a.png", "b.psc"} <= set(names(folder)) <= {"a.png", "b.psc", "loop.psc"}


def psc_session() -> type:
    from psc.session.session import Session

    return Session


def test_whatever_a_decoder_raises_is_one_sentence(psc: Psc, folder: Path, monkeypatch: Any) -> None:
    data = (folder / "a.png").read_bytes()
    assert_fails(psc("encode", "-", stdin=data[:500]), "cannot read the picture standard input")

    def lost(*_: object) -> None:
        raise IndexError("no such frame")

    monkeypatch.setattr(opening, "loaded", lost)
    assert_fails(psc("encode", folder / "a.png"), "a.png: no such frame")


@pytest.mark.parametrize(
    "command", [["encode", "a.png", "c"], ["decode", "b.psc", "c.png", "--restore=preview"]]
)
def test_an_output_is_overwritten_by_force_only(
    psc: Psc, folder: Path, command: list[str], monkeypatch: Any
) -> None:
    monkeypatch.chdir(folder)
    target = folder / command[2]
    target.write_bytes(b"precious")
    target.chmod(0o640)
    assert_fails(psc(*command), "exists", "--force")
    assert target.read_bytes() == b"precious"
    assert psc(*command, "--force", *(["-q5"] if command[0] == "encode" else [])).code == 0
    assert len(target.read_bytes()) > 8
    assert target.stat().st_mode & 0o777 == 0o640


def test_an_output_that_is_a_link_stays_one(psc: Psc, folder: Path, encoded: bytes) -> None:
    (folder / "link.psc").symlink_to(folder / "behind.psc")
    assert psc("encode", folder / "a.png", folder / "link.psc", "-q5").code == 0
    assert (folder / "link.psc").is_symlink()
    assert (folder / "behind.psc").read_bytes() == encoded
    assert psc("encode", folder / "a.png", os.devnull, "-q5").code == 0
    assert not Path(os.devnull).is_file()


def test_a_folder_without_write_permission(psc: Psc, folder: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(files.os, "access", lambda *_: False)  # root may write everywhere
    assert_fails(psc("encode", folder / "a.png"), "is not writable")


def test_no_binary_data_on_a_terminal(psc: Psc, folder: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert_fails(psc("encode", folder / "a.png", "-"), "standard output is a terminal")


# Cut, damaged and oversized files


def test_a_cut_file(psc: Psc, folder: Path, encoded: bytes) -> None:
    (folder / "b.psc").write_bytes(encoded[:-8])
    assert_fails(psc("decode", folder / "b.psc"), "the file is cut", "--allow-partial")
    assert names(folder) == ["a.png", "b.psc"]
    result = psc("decode", folder / "b.psc", "--allow-partial", "--json", "--restore=preview")
    figures = json.loads(result.out)
    assert result.code == 0
    assert result.err.startswith("psc: warning: the file is cut")
    assert figures["rounds"] < ROUNDS
    assert not figures["complete"]
    assert figures["note"].startswith("the file is cut")
    with Image.open(folder / "b.png") as image:
        assert image.size == SIZE


def test_every_way_to_cut_gives_a_picture_or_a_sentence(psc: Psc, folder: Path, encoded: bytes) -> None:
    size = json.loads(psc("info", "-", "--json", stdin=encoded).out)["header_bytes"]
    for length in (0, 3, 4, 5, 12, size - 1):
        assert_fails(psc("decode", "-", "--allow-partial", stdin=encoded[:length]))
    for length in (size, size + 1, len(encoded) - 1):
        result = psc("decode", "-", "--allow-partial", "--restore=preview", stdin=encoded[:length])
        assert result.code == 0
        assert result.out.startswith(b"\x89PNG")


def test_a_damaged_file(psc: Psc, folder: Path, encoded: bytes) -> None:
    assert_fails(psc("decode", "-", stdin=encoded[:6] + b"\x7f" + encoded[7:]), "header's checksum")
    assert_fails(psc("decode", "-", stdin=encoded[:-4] + b"????"), "checksum", "damaged")
    assert_fails(psc("decode", "-", stdin=encoded + b"more"), "4 bytes follow")


def test_a_file_of_another_prior(psc: Psc, folder: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(prior, "load_prior", lambda name, **how: prior.HaarGaussian(low=1))
    assert_fails(psc("decode", folder / "b.psc"), "made with the prior")


@pytest.mark.parametrize("command", ["decode", "info"])
def test_an_oversized_file_is_refused(psc: Psc, folder: Path, encoded: bytes, command: str) -> None:
    with (folder / "b.psc").open("r+b") as file:
        file.truncate(files.READ_LIMIT + 1)  # sparse
    assert_fails(psc(command, folder / "b.psc"), "more than 1 GiB")


def test_an_endless_stream_is_refused(psc: Psc, encoded: bytes, monkeypatch: Any) -> None:
    monkeypatch.setattr(files, "READ_LIMIT", len(encoded) - 1)
    assert_fails(psc("info", "-", stdin=encoded), "standard input has more than")


# Failures half way


def no_space(*_: object) -> None:
    raise OSError(28, "No space left on device")


def no_memory(*_: object) -> None:
    raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes")


def interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def test_a_full_disk_leaves_nothing(psc: Psc, folder: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(files.os, "fsync", no_space)
    (folder / "a.psc").write_bytes(b"precious")
    assert_fails(psc("encode", folder / "a.png", "-fq5"), "cannot write", "No space left")
    assert (folder / "a.psc").read_bytes() == b"precious"
    assert names(folder) == ["a.png", "a.psc", "b.psc"]


def test_an_interrupt_while_writing_leaves_nothing(psc: Psc, folder: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(files.os, "fsync", interrupt)
    assert psc("decode", folder / "b.psc", "--restore=preview") == (130, b"", "")
    assert names(folder) == ["a.png", "b.psc"]


def test_too_little_memory_is_an_error(psc: Psc, folder: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(psc_session(), "step", no_memory)
    assert_fails(psc("encode", folder / "a.png"), "not enough memory")


def test_a_warning_filter_of_the_caller_stays(psc: Psc, folder: Path) -> None:
    before = warnings.filters[:], warnings.showwarning
    psc("encode", "missing.png")
    assert (warnings.filters, warnings.showwarning) == before


def start(*arguments: object, **how: Any) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", WITH_SMALL_PRIOR, *map(str, arguments)]
    return subprocess.Popen(command, stderr=subprocess.PIPE, preexec_fn=interruptible, **how)


def test_control_c(folder: Path) -> None:
    picture(512, 512).save(folder / "a.png")
    process = start("encode", "-v", folder / "a.png")
    assert process.stderr
    assert process.stderr.readline().startswith(b"round 1 of")
    process.send_signal(signal.SIGINT)
    rest = process.communicate()[1]
    assert process.returncode == 130
    assert all(line.startswith(b"round") for line in rest.splitlines())
    assert names(folder) == ["a.png", "b.psc"]


def test_standard_output_that_takes_nothing(folder: Path) -> None:
    with Path("/dev/full").open("wb") as full:
        disk = start("info", folder / "b.psc", stdout=full)
    pipe = start("info", folder / "b.psc", stdout=subprocess.PIPE)
    assert pipe.stdout
    pipe.stdout.close()
    assert disk.communicate()[1] == b"psc: error: [Errno 28] No space left on device\n"
    assert pipe.communicate()[1] == b""
    assert (disk.returncode, pipe.returncode) == (1, 1)


@pytest.mark.parametrize("argument", ["--version", "--help"])
def test_standard_output_that_takes_no_help(argument: str) -> None:
    with Path("/dev/full").open("wb") as full:
        process = start(argument, stdout=full)
    said = process.communicate()[1]
    assert said == b"psc: error: cannot write standard output: No space left on device\n"
    assert process.returncode == 1


# Surroundings that differ from machine to machine

RUN = [sys.executable, "-P", "-c", WITH_SMALL_PRIOR]


@pytest.mark.parametrize("closed", [(0,), (1,), (2,), (0, 1, 2)])
def test_standard_streams_that_are_closed(folder: Path, encoded: bytes, closed: tuple[int, ...]) -> None:
    """As ``2>&-`` has it, or pythonw: what is written must not get into the files that take their numbers."""

    def close() -> None:
        for number in closed:
            os.close(number)

    Image.fromarray(np.full(SIZE[::-1], 40000, np.uint16)).save(folder / "wide.png")  # it warns
    for name, arguments in (("a", ["-q5", "-v"]), ("wide", ["-q0"])):
        done = subprocess.run(
            [*RUN, "encode", folder / f"{name}.png", *arguments], preexec_fn=close, capture_output=True,
            check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert done.stdout == b""
    assert (folder / "a.psc").read_bytes() == encoded
    assert psc.info((folder / "wide.psc").read_bytes())["defect"] == ""


def test_a_closed_standard_output_takes_nothing(folder: Path) -> None:
    for arguments in (["info", folder / "b.psc"], ["truncate", folder / "b.psc", "-", "--size", "100"]):
        done = subprocess.run(
            [*RUN, *arguments], preexec_fn=lambda: os.close(1), stderr=subprocess.PIPE, check=False
        )
        assert done.returncode == 1
        assert done.stderr.startswith(b"psc: error: ")
        assert done.stderr.count(b"\n") == 1


@pytest.mark.parametrize("name", ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"])
def test_standard_output_by_its_other_names(folder: Path, encoded: bytes, name: str) -> None:
    if not Path(name).exists():
        pytest.skip(f"there is no {name} here")
    command = [*RUN, "encode", folder / "a.png", name, "-q5", "--quiet"]
    assert subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout == encoded
    with (folder / "to").open("wb") as file:
        file.write(b"before")
        file.flush()
        subprocess.run(command, stdout=file, check=True)
    assert (folder / "to").read_bytes() == b"before" + encoded


def test_named_pipes(psc: Psc, folder: Path, encoded: bytes) -> None:
    pipe = folder / "pipe"
    os.mkfifo(pipe)
    with subprocess.Popen(["cat", pipe], stdout=subprocess.PIPE) as reader:
        assert psc("encode", folder / "a.png", pipe, "-q5").code == 0
        assert reader.communicate()[0] == encoded
    with subprocess.Popen(f"cat {folder}/b.psc > {pipe}", shell=True):
        assert "40" in psc("info", pipe).out.decode()
    with subprocess.Popen(f"cat {folder}/a.png > {pipe}", shell=True):
        assert psc("encode", pipe, folder / "c.psc", "-q5").code == 0
    assert (folder / "c.psc").read_bytes() == encoded
    with subprocess.Popen(["cat", pipe], stdout=subprocess.PIPE) as reader:
        assert psc("decode", folder / "c.psc", pipe, "--restore", "preview").code == 0
        assert reader.communicate()[0].startswith(b"\x89PNG")  # as standard output gets
    assert pipe.is_fifo()


@pytest.mark.parametrize("kind", ["socket", "read-only pipe"])
def test_what_cannot_be_written_is_known_before_the_work(
    psc: Psc, folder: Path, kind: str, monkeypatch: Any
) -> None:
    monkeypatch.setattr(psc_session(), "step", None)
    target = folder / "there"
    if kind == "socket":
        with socket.socket(socket.AF_UNIX) as made:
            monkeypatch.chdir(folder)  # its name may have a hundred bytes
            made.bind("there")
        assert_fails(psc("encode", "a.png", "there"), "is a socket")
    else:
        os.mkfifo(target, 0o400)
        monkeypatch.setattr(console.os, "access", lambda path, mode: False)  # root may write everywhere
        assert_fails(psc("encode", folder / "a.png", target), "is not writable")


def test_no_home_folder(psc: Psc, folder: Path, monkeypatch: Any) -> None:
    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", homeless)
    for name in ("PSC_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    assert psc("encode", folder / "a.png", "-q5").code == 0
    assert psc("priors").code == 0
    with pytest.raises(PscError, match="set PSC_CACHE"):
        files.cache_folder()
    monkeypatch.setenv("PSC_CACHE", str(folder / "cache"))
    assert files.cache_folder() == folder / "cache"


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("a.png", "a.psc"),
        ("Mr. Smith", "Mr. Smith.psc"),
        ("Mr. Smith.jpg", "Mr. Smith.psc"),
        ("scan.1", "scan.1.psc"),
        ("v1.2 final", "v1.2 final.psc"),
        ("photo.JPEG", "photo.psc"),
        ("photo.heic", "photo.psc"),
        ("photo.tar.gz", "photo.tar.gz.psc"),
        (".hidden", ".hidden.psc"),
        ("folder.png/a", "folder.png/a.psc"),
    ],
)
def test_only_the_suffix_of_a_picture_is_replaced(source: str, target: str) -> None:
    assert file_names.with_suffix(source, ".psc") == target


def test_names_without_a_known_suffix(psc: Psc, folder: Path, encoded: bytes, monkeypatch: Any) -> None:
    monkeypatch.chdir(folder)
    for name in ("Mr. Smith", "scan.1"):
        picture(*SIZE).save(name, "PNG")
        assert psc("encode", name, "-q5").code == 0
        assert Path(f"{name}.psc").read_bytes() == encoded
        assert psc("decode", f"{name}.psc", "--restore=preview").code == 0
        assert psc("truncate", f"{name}.psc", "--size", 100).code == 0
        assert {f"{name}.png", f"{name}.cut.psc"} <= set(names(folder))


ESCAPES = ["\x1b[2J\x1b[31mred", "two\nlines", "back\rover", "bell\a", "\u202eturned", "\x9b2J", "\u2028"]


@pytest.mark.parametrize("text", ESCAPES)
def test_nothing_that_moves_a_terminal_is_printed(
    psc: Psc, folder: Path, encoded: bytes, text: str, monkeypatch: Any
) -> None:
    header, body = unpack(encoded)
    (folder / "b.psc").write_bytes(seal(replace(header, condition=Condition(text + " é 猫")), body))
    result = psc("info", folder / "b.psc").out.decode()
    fields = json.loads(psc("info", folder / "b.psc", "--json").out)
    assert fields["condition"] == text + " é 猫"
    assert len(result.splitlines()) == len(fields)
    assert all(line.isprintable() for line in result.splitlines())
    assert " é 猫" in result
    monkeypatch.chdir(folder)
    error = psc("encode", text + ".png").err
    assert error.startswith("psc: error: ")
    assert error.count("\n") == 1
    assert error.rstrip("\n").isprintable()


def test_a_caption_that_the_terminal_has_no_letters_for(folder: Path, encoded: bytes) -> None:
    header, body = unpack(encoded)
    (folder / "b.psc").write_bytes(seal(replace(header, condition=Condition("猫")), body))
    environment = {**os.environ, "PYTHONIOENCODING": "latin-1"}
    done = subprocess.run([*RUN, "info", folder / "b.psc"], env=environment, capture_output=True, check=True)
    assert b"\\u732b" in done.stdout


def test_keep_profile_keeps_every_byte(psc: Psc, folder: Path) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    picture(*SIZE).save(folder / "a.jpg", icc_profile=profile)
    assert psc("encode", folder / "a.jpg", folder / "short.psc", "-q5").code == 0
    assert psc("encode", folder / "a.jpg", folder / "long.psc", "-q5", "--keep-profile").code == 0
    assert psc("decode", folder / "long.psc", "--restore=preview").code == 0
    with Image.open(folder / "long.png") as image:
        assert image.info["icc_profile"] == profile
    short, long = ((folder / f"{name}.psc").stat().st_size for name in ("short", "long"))
    assert short < long
    assert_fails(psc("encode", folder / "a.jpg", "-q5", "--keep-profile", "--strip"), "--keep-profile")


HOSTILE = (
    "numpy",
    "json",
    "torch",
    "PIL",
    "queue",
    "psc",
    "typer",
    "dataclasses",
    "sitecustomize",
    "multiprocessing",
)


@pytest.mark.parametrize("start", [["-P", "-c", "from psc.cli.app import main; main()"], ["-m", "psc"]])
def test_nothing_of_the_current_folder_is_imported(folder: Path, start: list[str], monkeypatch: Any) -> None:
    """Python files beside the pictures, in the names of what psc uses."""
    monkeypatch.chdir(folder)
    quick = ["--preset=paper", "--rounds=2", "--rows=3", "--round-steps=2", "-q0"]
    for name in HOSTILE:
        if start[0] == "-P" or name not in ("psc", "dataclasses", "sitecustomize"):  # -m finds these itself
            (folder / f"{name}.py").write_text(f"open('ran-{name}', 'w').write('')")
    for name in ("a", "c"):
        picture(8, 8).save(f"{name}.png")
    command = [sys.executable, *start, "encode", "a.png", "c.png", "--out", "out", "-j", "2", *quick]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert not list(folder.glob("ran-*"))
    assert done.returncode == 0, done.stderr
    assert names(folder / "out") == ["a.psc", "c.psc"]
