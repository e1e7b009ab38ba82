"""Many files: psc encode and psc decode with --out, in this process and in several."""

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import psc
from psc import files, prior
from psc.cli import batch, process_pool
from psc.cli import names as file_names
from psc.cli.decode_job import DecodeJob
from psc.cli.encode_job import EncodeJob
from psc.cli.encode_options import adjusted
from psc.cli.worker import Model
from psc.images import opening, suffixes
from psc.images.pixels import psnr
from psc.plan.plan import FULL_BASIS
from psc.plan.presets import PAPER
from tests.conftest import interruptible, texture
from tests.test_cli import WITH_SMALL_PRIOR, Psc, assert_fails
from tests.test_cli import _psc as psc_fixture
from tests.test_latents import latents

_psc = psc_fixture
FAST = ["--preset", "paper", "--rounds", 2, "--rows", 3, "--round-steps", 2]
WORKER = WITH_SMALL_PRIOR.replace("app.main()", "from psc.cli import worker; worker.main()")
DYING_WORKER = """
import os
from psc.cli import worker
from psc.cli.worker import Model
from psc.images import opening, suffixes
read = opening.read_picture
opening.read_picture = lambda name: os.kill(os.getpid(), 9) if "b.jpg" in name else read(name)
"""
SLEEPING = """
import time
from psc.cli.worker import Model
from psc.images import opening, suffixes
read = opening.read_picture
opening.read_picture = lambda name: time.sleep(600) if "c.webp" in name else read(name)
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").mkdir()
    for number, name in enumerate(("a.png", "b.jpg", "c.webp")):
        Image.fromarray(texture(12, 10 + number)).save(tmp_path / "in" / name)
    (tmp_path / "in" / "notes.txt").write_text("no picture")
    (tmp_path / "in" / ".hidden.png").write_text("no picture")
    return tmp_path


@pytest.fixture
def workers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process_pool, "command", lambda: [sys.executable, "-c", WORKER])


def names(folder: str) -> list[str]:
    return sorted(path.name for path in Path(folder).iterdir())


def outcomes(out: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.splitlines()]


@pytest.mark.parametrize("jobs", [1, 2])
def test_many_files_are_those_of_single_encodes_and_decodes(
    psc: Psc, folder: Path, workers: None, jobs: int
) -> None:
    result = psc("encode", "in", "--out", "out/deep", "-j", jobs, *FAST, "--json")
    assert (result.code, len(outcomes(result.out))) == (0, 3), result.err
    assert names("out/deep") == ["a.psc", "b.psc", "c.psc"]
    assert psc("decode", "out/deep", "--out", "shown", "-j", jobs).code == 0
    assert names("shown") == ["a.png", "b.png", "c.png"]
    for name in ("a.png", "b.jpg", "c.webp"):
        stem = name[0]
        assert psc("encode", f"in/{name}", f"{stem}.psc", *FAST).code == 0
        assert psc("decode", f"{stem}.psc").code == 0
        assert Path(f"{stem}.psc").read_bytes() == Path(f"out/deep/{stem}.psc").read_bytes()
        assert Path(f"{stem}.png").read_bytes() == Path(f"shown/{stem}.png").read_bytes()


@pytest.mark.parametrize("jobs", [1, 2])
def test_the_rest_is_done_and_failures_are_listed_at_the_end(
    psc: Psc, folder: Path, workers: None, jobs: int
) -> None:
    Path("in/b.jpg").write_bytes(Path("in/b.jpg").read_bytes()[:200])
    picture = Image.fromarray(texture(9, 9, 1).astype(np.uint16) * 257)
    picture.save("in/d.png")
    result = psc("encode", "in", "none.png", "--out", "out", "-j", jobs, *FAST)
    assert (result.code, result.out) == (1, b"")
    assert names("out") == ["a.psc", "c.psc", "d.psc"]
    *lines, summary, first, second = result.err.splitlines()
    assert summary.startswith("3 of 5 files encoded; ")
    size = sum(path.stat().st_size for path in Path("out").iterdir())
    assert f"{size} bytes, {8 * size / (120 + 144 + 81):.4f} bpp" in summary
    assert summary.endswith("2 failed")
    assert sorted([first, second])[0].startswith("psc: error: in/b.jpg: cannot read the picture")
    assert sorted([first, second])[1].startswith("psc: error: none.png: cannot read")
    assert any(x.startswith("psc: warning: in/d.png: mode I;16 is converted to L, 8 bits") for x in lines)
    assert sum(line.startswith("out/") for line in lines) == 3
    result = psc("encode", "in", "--out", "new", *FAST, "--quiet", "--json")
    assert result.err.count("\n") == 1
    assert [e["input"] for e in outcomes(result.out) if "error" in e] == ["in/b.jpg"]


def test_what_is_there_stays_unless_forced(psc: Psc, folder: Path) -> None:
    Path("out").mkdir()
    Path("out/b.psc").write_bytes(b"precious")
    result = psc("encode", "in", "--out", "out", *FAST)
    assert result.code == 0
    assert "1 were there already (--force overwrites)" in result.err
    assert Path("out/b.psc").read_bytes() == b"precious"
    assert psc("encode", "in", "--out", "out", *FAST).err.startswith("0 of 0 files encoded; ")
    assert psc("encode", "in", "--out", "out", *FAST, "--force").err.count("out/") == 3
    assert Path("out/b.psc").read_bytes() != b"precious"


def test_folders_patterns_and_names(psc: Psc, folder: Path) -> None:
    job = EncodeJob()
    inside = ["in/a.png", "in/b.jpg", "in/c.webp"]
    assert batch.sources(["in"], job).names == inside
    assert batch.sources(["in/*.[pw]*", "in/a.png", "in"], job).names == ["in/a.png", "in/c.webp", "in/b.jpg"]
    assert batch.sources(["**/*.jpg"], job).names == ["in/b.jpg"]
    Path("[1].png").write_bytes(b"")
    assert batch.sources(["[1].png"], job).names == ["[1].png"]
    Path("in/z.psc").write_bytes(b"")
    assert batch.sources(["in"], job).names == inside
    assert batch.sources(["in"], DecodeJob()).names == ["in/z.psc"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["in"], ["is a folder", "--out DIR"]),
        (["in/a.png", "in/b.jpg", "in/c.webp"], ["3 names came", "--out DIR"]),
        (["in/a.png", "-j", 2], ["--jobs", "--out DIR"]),
        (["empty", "--out", "out"], ["empty holds no picture"]),
        (["in/*.gif", "--out", "out"], ["no file matches in/*.gif"]),
        (["-", "--out", "out"], ["standard input"]),
        (["in", "--out", "in/a.png"], ["cannot write to in/a.png"]),
        (["in", "same/a.webp", "--out", "out"], ["in/a.png and same/a.webp", "out/a.psc"]),
        (["in", "--out", "out", "--preset", "latent"], ["does not fit"]),
        (["in", "--out", "out", "--rows", 63], ["not a valid plan"]),
        (["in", "--out", "out", "--rows", 63, "-j", 2], ["not a valid plan"]),
        (["in", "--out", "out", "--rounds", 256, "--preset", "paper"], ["256 rounds asked for"]),
        (["in", "--out", "out", "--rounds", 2, "--target-bpp", 1], ["with a quality, not with a target"]),
        (["in", "--out", "out", "--simulate", "mean", "--resume"], ["keeps nothing to resume from"]),
        (["in", "--out", "out", "--simulate", "mean", "--keep-profile"], ["keeps what the picture carries"]),
        (["in/a.png", "-", "--simulate", "mean"], ["name an output file"]),
        (["in", "--out", "out", "--captions", "none.json"], ["cannot read none.json"]),
        (["in", "--out", "out", "--captions", "in/notes.txt"], ["not JSON"]),
        (["in", "--out", "out", "--captions", "list.json"], ["no caption of a.png"]),
    ],
)  # fmt: skip
def test_what_is_refused_before_the_work(
    psc: Psc, folder: Path, workers: None, arguments: list[object], words: list[str]
) -> None:
    for name in ("empty", "same"):
        Path(name).mkdir()
    Image.fromarray(texture(4, 4)).save("same/a.webp")
    Path("list.json").write_text('["a red house"]')
    result = psc("encode", *arguments)
    error = result.err.splitlines()[-1]
    assert result.code == 1
    assert error.startswith("psc: error: ")
    for word in words:
        assert word in error
    assert not list(folder.rglob("*.psc"))


def test_no_output_is_an_input(psc: Psc, folder: Path) -> None:
    assert_fails(psc("decode", "in/a.png", "--out", "in"), "in/a.png is an input")


def test_the_bar_tells_files_and_time(psc: Psc, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    err = psc("encode", "in", "--out", "out", *FAST).err
    assert "encode: 1 of 3 files |" in err
    assert " left" in err
    assert psc("encode", "in", "--out", "out", *FAST, "--force", "--quiet").err == ""


def test_a_process_that_is_killed_costs_one_file(
    psc: Psc, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process_pool, "command", lambda: [sys.executable, "-c", DYING_WORKER + WORKER])
    result = psc("encode", "in", "--out", "out", "-j", 2, *FAST)
    assert result.code == 1
    assert "psc: error: in/b.jpg: the process that worked on it was killed" in result.err
    assert names("out") == ["a.psc", "c.psc"]


def test_a_defect_of_psc_costs_one_file(psc: Psc, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read = opening.read_picture

    def broken(name: str) -> Image.Image:
        return 1 / 0 if "b.jpg" in name else read(name)  # type: ignore[return-value]

    monkeypatch.setattr(opening, "read_picture", broken)
    result = psc("encode", "in", "--out", "out", *FAST)
    assert "psc: error: in/b.jpg: a defect of psc: ZeroDivisionError: division by zero" in result.err
    assert names("out") == ["a.psc", "c.psc"]


def test_a_full_disk_fails_file_by_file(psc: Psc, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_space(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", no_space)
    result = psc("encode", "in", "--out", "out", *FAST)
    assert (result.code, result.err.count("No space left on device")) == (1, 3)
    assert names("out") == []


def test_resume_is_for_those_that_were_interrupted(
    psc: Psc, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("psc.session.journal.PATIENCE", 0.0)
    write, calls = files.write, iter((True, False))

    def interrupt(name: str, data: bytes) -> None:
        if not next(calls):
            raise KeyboardInterrupt
        write(name, data)

    monkeypatch.setattr(files, "write", interrupt)
    result = psc("encode", "in", "--out", "out", *FAST)
    assert result.code == 130
    assert "out/b.psc.resume holds what was drawn: add --resume" in result.err
    assert names("out") == ["a.psc", "b.psc.resume"]
    monkeypatch.setattr(files, "write", write)
    result = psc("encode", "in", "--out", "out", *FAST, "--resume")
    assert (result.code, "warning" in result.err) == (0, False)
    assert names("out") == ["a.psc", "b.psc", "c.psc"]
    assert psc("encode", "in/b.jpg", "b.psc", *FAST).code == 0
    assert Path("b.psc").read_bytes() == Path("out/b.psc").read_bytes()


@pytest.mark.parametrize("jobs", [1, 2])
def test_control_c_leaves_whole_files_and_the_next_run_goes_on(psc: Psc, folder: Path, jobs: int) -> None:
    worker = [sys.executable, "-c", SLEEPING + WORKER]
    start = SLEEPING + WITH_SMALL_PRIOR.replace(
        "app.main()", f"from psc.cli import process_pool\nprocess_pool.command = lambda: {worker}\n"
    )
    command = [sys.executable, "-c", start + "app.main()", "encode", "in", "--out", "out", "-j", jobs, *FAST]
    process = subprocess.Popen(
        list(map(str, command)), stderr=subprocess.PIPE, text=True, preexec_fn=interruptible
    )
    assert process.stderr
    for _ in range(2):
        assert process.stderr.readline().startswith("out/")
    process.send_signal(signal.SIGINT)
    rest = process.communicate()[1]
    assert process.returncode == 130
    assert rest.startswith("2 of 3 files encoded; ")
    assert rest.endswith("1 not begun or not done: the same command goes on with them\n")
    assert names("out") == ["a.psc", "b.psc"]
    again = psc("encode", "in", "--out", "out", *FAST)
    assert "1 of 1 files encoded; " in again.err
    assert "2 were there already" in again.err
    assert names("out") == ["a.psc", "b.psc", "c.psc"]


def test_processes_share_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[dict[str, str]] = []
    monkeypatch.setattr(process_pool, "cores", lambda: 8)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(process_pool.ProcessPool, "_look_after", lambda self: seen.append(self._environment))
    task = batch.FileTask("a.png", "a.psc", 1)
    for count, tasks in ((3, [task] * 9), (4, [task] * 2), (9, [task] * 20)):
        process_pool.ProcessPool(EncodeJob(), tasks, Model(), min(count, len(tasks)), True).stop()
    assert [e["OMP_NUM_THREADS"] for e in (seen[0], seen[3], seen[-1])] == ["2", "4", "1"]
    assert len(seen) == 3 + 2 + 9


# Names


def test_a_pattern_over_loops_of_links(folder: Path) -> None:
    """Two links up, at two places: followed blindly, they have more ways than there are atoms."""
    for name in ("in/deep/er", "in/other"):
        Path(name).mkdir(parents=True)
    for place in ("in", "in/deep", "in/deep/er", "in/other"):
        for link in ("x", "y"):
            Path(place, link).symlink_to(folder / "in", target_is_directory=True)
    Path("in/deep/er/self").symlink_to("self")
    Path("in/.hidden").mkdir()
    for name in ("in/deep/er/z.png", "in/other/z.png", "in/.hidden/z.png"):
        Image.new("L", (4, 4)).save(name)
    outside = folder / "outside"
    outside.mkdir()
    Image.new("L", (4, 4)).save(outside / "far.png")
    Path("in/photos").symlink_to(outside, target_is_directory=True)

    def found(pattern: str) -> list[str]:
        return batch.sources([pattern], EncodeJob()).names

    every = ["in/a.png", "in/deep/er/z.png", "in/other/z.png", "in/photos/far.png"]
    assert found("in/**/*.png") == every
    assert found("**/z.png") == ["in/deep/er/z.png", "in/other/z.png"]
    assert found("i[n]/**/er/*.png") == ["in/deep/er/z.png"]
    twice = ["in/other/x/a.png", "in/other/x/deep/er/z.png", "in/other/x/photos/far.png", "in/other/z.png"]
    assert found("in/**/other/**/*.png") == twice
    assert found(f"{folder}/in/**/z.png") == [str(folder / name) for name in every[1:3]]
    assert found("outside/**") == ["outside/far.png"]
    assert found("**/**/*.png") == [*every[:3], "outside/far.png"]
    assert found("**/in/**/**/z.png") == every[1:3]


@pytest.mark.parametrize(
    ("first", "second"),
    [("Mr. Smith.png", "Mr. Smith"), ("a.jpeg", "a.png"), ("v.1.png", "v.1.webp"), ("x/a.png", "y/a.png")],
)
def test_collisions_are_found_before_the_work(
    psc: Psc, folder: Path, first: str, second: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prior, "load_prior", None)
    for name in (first, second):
        Path(name).parent.mkdir(exist_ok=True)
        Image.fromarray(texture(8, 8)).save(name, "PNG")
    result = psc("encode", first, second, "--out", "out", *FAST)
    assert_fails(result, f"{first} and {second} would both be written to", "rename one")
    assert names("out") == []


def test_names_that_only_look_like_suffixes_do_not_collide(psc: Psc, folder: Path) -> None:
    for name in ("scan.1", "scan.2", "Mr. Smith", "Mr. Jones"):
        Image.fromarray(texture(8, 8)).save(name, "PNG")
    inputs = ["scan.1", "scan.2", "Mr. Smith", "Mr. Jones"]
    assert psc("encode", *inputs, "--out", "out", *FAST).code == 0
    assert names("out") == sorted(f"{name}.psc" for name in inputs)


@pytest.mark.parametrize(
    ("first", "second"), [("A.png", "a.jpg"), ("Strasse.png", "STRASSE.PNG"), ("e\u0301.png", "\xe9.png")]
)
@pytest.mark.parametrize("ignored", [True, False])
def test_names_that_differ_in_case_or_composition(
    psc: Psc, folder: Path, first: str, second: str, ignored: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two files or one, as the output's file system has it: it is asked, and here answers either."""
    for place, name in (("one", first), ("two", second)):
        Path(place).mkdir()
        Image.fromarray(texture(8, 8)).save(f"{place}/{name}")
    if ignored:
        monkeypatch.setattr(file_names, "are_one_file", lambda *_: True)
    elif file_names.are_one_file(folder, first, second):
        pytest.skip("they are one file here")
    result = psc("encode", f"one/{first}", f"two/{second}", "--out", "out", *FAST)
    assert (result.code, len(names("out"))) == ((1, 0) if ignored else (0, 2))
    assert ("would both be written to" in result.err) is ignored


def test_an_input_by_another_name_is_no_output(psc: Psc, folder: Path) -> None:
    Path("other").symlink_to("in", target_is_directory=True)
    for place in ("in", "other"):
        result = psc("encode", "in/a.png", "--out", place, *FAST, "--simulate", "mean", "--force")
        assert_fails(result, "in/a.png is an input")


@pytest.mark.parametrize("more", [0, 2])
def test_pictures_that_cannot_be_read_here_are_named(
    psc: Psc, folder: Path, more: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    unreadable = set(suffixes.REMEDIES)
    monkeypatch.setattr(batch, "register_heic", lambda: False)
    read = suffixes.is_readable
    monkeypatch.setattr(suffixes, "is_readable", lambda suffix: suffix not in unreadable and read(suffix))
    for name in ("phone.HEIC", "raw.nef", "drawing.svg")[: 1 + more]:
        Path("in", name).write_bytes(b"what psc cannot read")
    result = psc("encode", "in", "--out", "out", *FAST)
    assert result.code == 0
    warning = next(line for line in result.err.splitlines() if "left out: " in line)
    assert warning.startswith(f"psc: warning: left out: {1 + more} picture")
    assert "in/phone.HEIC" in warning
    assert "pip install psc-codec[heic]" in warning
    assert ("in/raw.nef" in warning) == ("in/drawing.svg" in warning) == bool(more)
    summary = result.err.splitlines()[-1]
    assert summary.startswith("3 of 3 files encoded; ")
    assert f"; {1 + more} left out: " in summary
    assert "notes.txt" not in result.err
    Path("phones").mkdir()
    Path("phones/a.heic").write_bytes(b"")
    result = psc("encode", "phones", "--out", "out", *FAST)
    assert_fails(result, "phones holds no picture", "phones/a.heic (pip install psc-codec[heic])")


# What the published evaluation command does


def test_simulated_pictures_are_those_of_the_files(psc: Psc, folder: Path) -> None:
    result = psc("encode", "in", "--out", "out", *FAST, "--simulate", "mean", "--json")
    assert result.code == 0, result.err
    assert names("out") == sorted(f"{n}.{s}" for n in "abc" for s in ("png", "psc"))
    assert psc("decode", "out/*.psc", "--out", "shown").code == 0
    for found in outcomes(result.out):
        name = Path(found["output"]).with_suffix(".png").name
        assert Path("out", name).read_bytes() == Path("shown", name).read_bytes()
        with Image.open(found["input"]) as image, Image.open(Path("shown", name)) as shown:
            assert found["psnr"] == psnr(image.convert("RGB"), shown)


def test_variations_of_many(psc: Psc, folder: Path) -> None:
    assert psc("encode", "in/a.png", "in/b.jpg", "--out", "out", *FAST).code == 0
    assert psc("decode", "out", "--out", "shown", "--variations", 2, "--steps", 2).code == 0
    assert names("shown") == ["a-1.png", "a-2.png", "b-1.png", "b-2.png"]
    Path("shown/b-2.png").unlink()
    result = psc("decode", "out", "--out", "shown", "--variations", 2, "--steps", 2)
    assert result.err.startswith("shown/b-1.png to shown/b-2.png: ")
    assert "1 were there already" in result.err


def test_captions_by_picture(psc: Psc, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prior, "load_prior", lambda *a, **k: latents())
    texts = {"a.png": "a red house", "b.jpg": "", "c.webp": "two parrots"}
    Path("captions.json").write_text(json.dumps(texts))
    result = psc(
        "encode", "in", "--out", "out", *FAST, "--captions", "captions.json", "--guidance", 2, "--json"
    )
    assert result.code == 0, result.err
    for found in outcomes(result.out):
        header = json.loads(psc("info", found["output"], "--json").out)
        caption = texts[Path(found["input"]).name]
        assert (found["caption"], header["condition"]) == (caption, caption)
        assert header["guidance"] == (2 if caption else 1)
        assert header["latents"]
    monkeypatch.setattr("psc.cli.captioner.describe", lambda image, device: f"{image.width} pixels")
    result = psc("encode", "in", "--out", "auto", *FAST, "--caption", "auto", "--json")
    assert [found["caption"] for found in outcomes(result.out)] == ["10 pixels", "11 pixels", "12 pixels"]


def test_the_published_numbers() -> None:
    given = psc.settings(50, "paper")
    assert adjusted(given, rows=12, steps=20) == given
    changed = adjusted(given, rows=24, rounds=7)
    assert (changed.rounds, changed.plan.levels[0].samples, changed.plan.paper) == (7, 32, True)
    assert {item.rows for item in changed.plan.rounds} == {24}
    assert adjusted(given, samples=20).plan.rounds == PAPER.rounds
    full = adjusted(psc.settings(50, "latent"), rows=4)
    assert [item.rows for item in full.plan.rounds] == [4] * 6 + [FULL_BASIS]
    with pytest.raises(psc.PscError, match="not a valid plan"):
        adjusted(given, samples=12)
