"""psc evaluate: what a line holds, that nothing is lost or done twice, and that the numbers are right."""

import json
import math
import sys
from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image, features

import psc
from psc import PscError
from psc.cli import app
from psc.evaluate import codecs as other_codecs
from psc.evaluate import frechet, metrics, psc_codec, report, run, setup, tasks
from psc.evaluate.bd import bd_rate
from psc.evaluate.curves import averaged, complete, described, published, summary
from psc.evaluate.results import Results, Row, merge
from psc.images.picture import Picture
from psc.images.pixels import psnr, to_tensor
from psc.plan.plan import Settings
from psc.plan.presets import finest
from psc.prior import HaarGaussian
from psc.session.context import Context
from psc.session.encoder import Encoder
from tests.conftest import SMALL, texture
from tests.pictures import PHOTO

SIDE = 48
RATES = "0.5,1.5"
CODECS = "psc,jpeg,jpeg2000"
PRIOR = HaarGaussian(detail=(0.2, 0.5))
PUBLISHED = Path(__file__).parent.parent / "docs" / "published"
encode = psc_codec.encode

needs_report = pytest.mark.skipif(
    not (find_spec("matplotlib") and find_spec("scipy")), reason="needs psc-codec[evaluate]"
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three pictures, and a file that is none."""
    path = tmp_path / "pictures"
    path.mkdir()
    for number in range(3):
        Image.fromarray(texture(60, 70, seed=number)).save(path / f"{number}.png")
    (path / "README.txt").write_text("no picture")
    return path


def small_file(image: Image.Image, preset: str, size: int, prior: Any, report: Any) -> tuple[bytes, Any]:
    """In psc_codec.encode's place: a short plan, at a step that does, cut to the size."""
    side = Encoder(Picture(to_tensor(image)), Settings(SMALL, len(SMALL.rounds), 90), Context(prior, report))
    side.session.run(len(SMALL.rounds))
    data = side.file()
    return (data if len(data) <= size else psc.truncate(data, size=size)), side.session


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A prior and a plan that take milliseconds, and of the metrics the one that needs no package."""
    monkeypatch.setattr(run, "model", lambda *_: PRIOR)
    monkeypatch.setattr(psc_codec, "encode", small_file)
    monkeypatch.setattr(run.metrics, "measure", lambda a, b: {"psnr": psnr(a, b)})


Evaluate = Callable[..., int]


@pytest.fixture(name="evaluate")
def _evaluate(monkeypatch: pytest.MonkeyPatch) -> Evaluate:
    def call(*arguments: object) -> int:
        monkeypatch.setattr(sys, "argv", ["psc", "evaluate", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            app.main()
        return int(end.value.code or 0)

    return call


def options(folder: Path, out: Path, *more: object) -> list[object]:
    return [folder, "--out", out, "--codecs", CODECS, "--rates", RATES, "--crop", SIDE, *more]


def lines(out: Path) -> list[Row]:
    return [json.loads(x) for path in sorted(out.glob("*.jsonl")) for x in path.read_text().splitlines()]


def opened(path: Path) -> Image.Image:
    with Image.open(path) as image:
        return image.copy()


def without_costs(rows: list[Row]) -> list[Row]:
    """Sorted, and without what differs from machine to machine."""
    kept = [{k: v for k, v in r.items() if not k.endswith(("seconds", "peak_mb"))} for r in rows]
    return sorted(kept, key=lambda r: (r["image"], r["codec"], r["target"]))


# Runs


@needs_report
def test_every_file_is_measured_as_it_is_on_disk(evaluate: Evaluate, folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert evaluate(*options(folder, out, "--limit", 2)) == 0
    rows = lines(out)
    assert len(rows) == 2 * 4 * 2  # pictures; PSC's mean and sample, JPEG, JPEG 2000; rates
    suffix = {"jpeg": ".jpg", "jpeg2000": ".j2k"}
    for row in rows:
        name = row["codec"] if row["codec"] in suffix else "psc-default"
        file = out / "files" / row["image"] / f"{name}-{row['target']:g}{suffix.get(name, '.psc')}"
        original = opened(Results(out).original(row["image"]))
        assert original == run.read(folder, row["image"], SIDE)
        assert row["bytes"] == file.stat().st_size
        assert row["bpp"] == pytest.approx(8 * row["bytes"] / SIDE**2)
        assert row["reached"] == (row["bytes"] <= row["target"] * SIDE**2 / 8)
        decoded = opened(Results(out).picture(row))
        assert row["metrics"]["psnr"] == pytest.approx(psnr(original, decoded))
        assert row["decoded"]
        assert min(row["encode_seconds"], row["decode_seconds"]) > 0
        if name == "psc-default":
            assert row["reached"]
            assert row["encode_nfe"] > 0
            assert row["decode_nfe"] > 0
            how = row["codec"].removeprefix("psc-default-")
            assert decoded == psc.decode(file.read_bytes(), restoration=how, prior=PRIOR)


def test_a_simulated_picture_is_the_decoded_one(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(psc_codec, "encode", encode)
    image = run.read(folder, "0.png", 32)
    size = 32 * 32 // 8
    for preset in ("default", "paper"):
        task = tasks.Task("0.png", f"psc-{preset}", 1.0, ("mean", "sample"))
        found = {}
        for simulate in (False, True):
            scratch = tmp_path / f"{preset}-{simulate}"
            chosen = tasks.Options(32, simulate=simulate)
            found[simulate] = list(run.measure(task, image, chosen, scratch))
        for (real, decoded), (row, simulated) in zip(found[False], found[True], strict=True):
            assert decoded == simulated
            assert (real["decoded"], row["decoded"]) == (True, False)
            assert (real["bytes"], real["metrics"]) == (row["bytes"], row["metrics"])
            assert 0.93 * size < row["bytes"] <= size
    written = tmp_path / "default-False" / "0.png" / "psc-default-1.psc"
    assert written.read_bytes() == psc.encode(image, target_bpp=1.0, prior=PRIOR)


@needs_report
@pytest.mark.parametrize("kept", [0, 3, 5, 15])
def test_a_run_that_was_killed_goes_on(
    evaluate: Evaluate, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept: int
) -> None:
    """Whatever is on disk after ``kept`` lines and half of the next one."""
    monkeypatch.setattr(psc_codec, "encode", lambda *_: (b"file", None))
    monkeypatch.setattr(psc_codec, "decode", lambda path, prior: SimpleNamespace(nfe=1.0))
    monkeypatch.setattr(psc_codec, "restored", lambda *_: (Image.new("RGB", (SIDE, SIDE)), 1.0))
    monkeypatch.setattr(report, "write", lambda *_: [])
    out, add, cut = tmp_path / "out", Results.add, b'{"image": "1.png", "codec": "jp'

    def dying(self: Results, row: Row, picture: Image.Image | None) -> None:
        if len(lines(out)) == kept:
            with self._lines.open("ab") as file:
                file.write(cut)
            raise KeyboardInterrupt
        add(self, row, picture)

    monkeypatch.setattr(Results, "add", dying)
    assert evaluate(*options(folder, out, "--limit", 2)) == 130
    before = (out / "results.jsonl").read_bytes()
    assert before.endswith(cut)
    monkeypatch.setattr(Results, "add", add)
    assert evaluate(*options(folder, out, "--limit", 2)) == 1  # not without being told to
    monkeypatch.setattr(run, "nearest_below", _counted(done := []))
    assert evaluate(*options(folder, out, "--limit", 2, "--resume")) == 0
    after = (out / "results.jsonl").read_bytes()
    assert after.startswith(before.removesuffix(cut))
    keys = [(r["image"], r["codec"], r["target"]) for r in lines(out)]
    assert len(keys) == len(set(keys)) == 16
    assert len(done) == sum(not r["codec"].startswith("psc") for r in lines(out)[kept:])


def _counted(done: list[str]) -> Callable[..., other_codecs.Found]:
    def search(codec: other_codecs.Codec, *arguments: Any) -> other_codecs.Found:
        done.append(codec.name)
        return other_codecs.nearest_below(codec, *arguments)

    return search


def test_an_encode_is_not_done_twice(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image, chosen = run.read(folder, "0.png", SIDE), tasks.Options(SIDE)
    task = tasks.Task("0.png", "psc-default", 1.0, ("mean", "sample"))
    work = run.measure(task, image, chosen, tmp_path)
    first = next(work)[0]
    work.close()  # killed after the first restoration
    monkeypatch.setattr(psc_codec, "encode", None)
    left = tasks.missing([task], [first])
    assert [t.restorations for t in left] == [("sample",)]
    (second, _), = run.measure(left[0], image, chosen, tmp_path)  # fmt: skip
    assert second["encode_seconds"] == first["encode_seconds"]
    assert second["codec"] == "psc-default-sample"


def test_a_line_that_cannot_be_had_says_why(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = tasks.Task("0.png", "psc-default", 0.02, ("mean", "sample"))
    monkeypatch.setattr(psc_codec, "encode", encode)
    image = run.read(folder, "0.png", SIDE)
    rows = [row for row, _ in run.measure(task, image, tasks.Options(SIDE), tmp_path)]
    assert [row["codec"] for row in rows] == ["psc-default-mean", "psc-default-sample"]
    assert all("5 bytes came as the target" in row["error"] for row in rows)
    assert tasks.missing([task], rows) == []


BROKEN: dict[str, Callable[[Path], object]] = {
    "damaged": lambda path: path.write_bytes(path.with_name("0.png").read_bytes()[:300]),
    "empty": lambda path: path.write_bytes(b""),
    "resource fork": lambda path: path.with_name("._x.png").write_bytes(b"\0\5\x16\7\0\2\0\0Mac OS X"),
    "folder": lambda path: path.mkdir(),
    "link to nothing": lambda path: path.symlink_to("nowhere"),
    "4x4": lambda path: Image.new("RGB", (4, 4)).save(path),
    "one row": lambda path: Image.new("L", (64, 1)).save(path),
}


@needs_report
@pytest.mark.parametrize("kinds", [*([kind] for kind in BROKEN), list(BROKEN)], ids=lambda kinds: kinds[0])
def test_what_cannot_be_read_costs_its_own_lines(
    evaluate: Evaluate, folder: Path, tmp_path: Path, kinds: list[str], capfd: Any, monkeypatch: Any
) -> None:
    if len(kinds) == 1:
        monkeypatch.setattr(report, "write", lambda *_: [])
    good = {path.name for path in folder.iterdir()} - {"README.txt"}
    for number, kind in enumerate(kinds):
        BROKEN[kind](folder / f"x{number}.png")
    bad = {path.name for path in folder.iterdir()} - {"README.txt"} - good
    out = tmp_path / "out"
    assert evaluate(*options(folder, out, "--restore", "mean", "--quiet")) == 1
    rows = lines(out)
    assert {row["image"] for row in rows} == good | bad
    assert all(("error" in row) == (row["image"] in bad) for row in rows)
    assert len(rows) == len(good | bad) * 3 * 2
    err = capfd.readouterr().err
    assert err.count("psc: error: ") == err.count("\n") == len(bad)
    assert all(f"psc: error: {name}: " in err for name in bad)
    assert not any((out / "pictures" / name).exists() for name in bad)
    if len(kinds) > 1:
        assert len(json.loads((out / "summaries" / "jpeg.json").read_text())["results"]["bpp"]) == 2
    again = options(folder, out, "--restore", "mean", "--quiet", "--resume")
    assert evaluate(*again) == 1
    assert len(lines(out)) == len(rows)


@needs_report
def test_pictures_that_cannot_be_read_here_are_named(
    evaluate: Evaluate, folder: Path, tmp_path: Path, capfd: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report, "write", lambda *_: [])
    (folder / "a.nef").write_bytes(b"")
    wanted = [
        folder,
        "--out",
        tmp_path / "out",
        "--codecs",
        "jpeg",
        "--rates",
        1,
        "--limit",
        1,
        "--crop",
        SIDE,
    ]
    assert evaluate(*wanted) == 0
    assert "left out: a.nef: develop it" in capfd.readouterr().err


@needs_report
def test_nothing_but_broken_pictures(evaluate: Evaluate, tmp_path: Path, capfd: Any) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.png").write_bytes(b"")
    assert evaluate(tmp_path / "in", "--out", tmp_path / "out", "--codecs", "jpeg", "--quiet") == 1
    err = capfd.readouterr().err
    assert "psc: error: a.png: " in err
    assert "Traceback" not in err


@needs_report
@pytest.mark.parametrize("where", ["encode", "decode", "metric", "psc"])
@pytest.mark.parametrize(
    "error",
    [ValueError("encoding error 5"), OSError("broken"), RuntimeError("kernel"), MemoryError(), KeyError(3)],
)
def test_whatever_fails_becomes_a_line(
    evaluate: Evaluate, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str,
    error: Exception,
) -> None:  # fmt: skip
    """As a codec that takes no side of 20000 pixels, or a metric whose window is larger than the picture."""

    def fails(*_: object) -> Any:
        raise error

    jpeg, jpeg2000 = (run.known()[name] for name in ("jpeg", "jpeg2000"))
    broken = replace(jpeg, **{where: fails}) if where in ("encode", "decode") else jpeg
    monkeypatch.setattr(run, "known", lambda: {"jpeg": broken, "jpeg2000": jpeg2000})
    if where == "metric":
        monkeypatch.setattr(run.metrics, "measure", lambda a, b: fails() if calls.pop() else {"psnr": 30.0})
    elif where == "psc":
        monkeypatch.setattr(psc_codec, "encode", fails)
    monkeypatch.setattr(report, "write", lambda *_: [])
    calls, out = [0, 0, 0, 0, 0, 1], tmp_path / "out"
    assert evaluate(*options(folder, out, "--restore", "mean", "--limit", 1, "--quiet")) == 1
    rows = lines(out)
    assert len(rows) == 6
    failed = [row for row in rows if "error" in row]
    assert len(failed) == (1 if where == "metric" else 2)
    assert all(row["error"] == " ".join(row["error"].split()) != "" for row in failed)


@pytest.mark.parametrize("name", ["webp", "jpeg", "avif"])
def test_a_picture_wider_than_a_codec_allows(name: str, tmp_path: Path) -> None:
    codec = run.known()[name]
    if codec.missing:
        pytest.skip(codec.missing)
    task, image = tasks.Task("wide.png", name, 0.5), Image.new("RGB", (65600, 11))
    rows = [row for row, _ in run.measure(task, image, tasks.Options(0), tmp_path)]
    assert len(rows) == 1
    if "error" not in rows[0]:
        pytest.skip(f"this {name} takes it")
    assert rows[0]["error"]


@needs_report
def test_shards_merge_to_the_same_run(evaluate: Evaluate, folder: Path, tmp_path: Path) -> None:
    whole, a, b, together = (tmp_path / name for name in ("whole", "a", "b", "together"))
    restore = ("--restore", "mean")
    assert evaluate(*options(folder, whole, *restore)) == 0
    for part, out in (("1/2", a), ("2/2", b)):
        assert evaluate(*options(folder, out, *restore, "--shard", part)) == 0
        assert not (out / "report.html").exists()
    assert {r["image"] for r in lines(a)} == {"0.png", "2.png"}
    assert evaluate("merge", a, b, "--out", together) == 0
    assert without_costs(lines(together)) == without_costs(lines(whole))
    assert (together / "report.html").exists()
    names = [p.relative_to(whole) for p in (whole / "pictures").rglob("*.png") if p.is_file()]
    assert all((whole / n).read_bytes() == (together / n).read_bytes() for n in names)
    assert evaluate("merge", together) == 0  # report anew
    assert len(lines(together)) == len(lines(whole))


def test_folders_that_differ_do_not_merge(tmp_path: Path) -> None:
    row = {"image": "0.png", "codec": "jpeg", "target": 0.5, "bytes": 10}
    facts = {"psc": "1", "crop": 64, "prior": "embedded", "simulate": False}
    for name, size, crop in (("a", 10, 64), ("b", 11, 64), ("c", 10, 32)):
        results = Results(tmp_path / name)
        results.begin(facts | {"crop": crop}, resume=False)
        results.add(row | {"bytes": size}, None)
    with pytest.raises(PscError, match=r"differ in 0.png jpeg 0.5"):
        merge([tmp_path / "a", tmp_path / "b"], tmp_path / "ab")
    with pytest.raises(PscError, match="crop = 64, now it is 32"):
        merge([tmp_path / "a", tmp_path / "c"], tmp_path / "ac")
    with pytest.raises(PscError, match=r"has no run.json"):
        merge([tmp_path], tmp_path / "d")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--codecs", "jpeg,vvc"], "codec 'vvc' is unknown"),
        (["--codecs", "bpg"], "BPG cannot be used here"),
        (["--codecs", ","], "no codec was named"),
        (["--rates", "0.1,good"], "--rates 0.1,good"),
        (["--rates", "0"], "above 0"),
        (["--presets", "fast"], "preset 'fast'"),
        (["--restore", "best"], "restoration 'best'"),
        (["--shard", "3/2"], "shard 3/2"),
        (["--shard", "half"], "expected I/N"),
        (["--overlay", "nothing.json"], "nothing.json"),
    ],
)
@needs_report
def test_failures_are_one_sentence(
    evaluate: Evaluate, folder: Path, tmp_path: Path, capfd: Any, monkeypatch: Any, arguments: Any, words: str
) -> None:
    monkeypatch.setattr(other_codecs.shutil, "which", lambda name: None)
    run.known.cache_clear()
    base = ["--codecs", "jpeg", "--rates", "1", "--limit", 1]
    assert evaluate(folder, "--out", tmp_path / "out", *base, *arguments, "--quiet") == 1
    err = capfd.readouterr().err
    run.known.cache_clear()
    assert err.startswith("psc: error: ")
    assert err.count("\n") == 1
    assert words in err


def test_a_folder_without_pictures(evaluate: Evaluate, tmp_path: Path, capfd: Any) -> None:
    assert evaluate(tmp_path, "--codecs", "jpeg", "--quiet") == 1
    assert evaluate(tmp_path / "none", "--codecs", "jpeg", "--quiet") == 1
    err = capfd.readouterr().err
    if find_spec("scipy"):
        assert "has no pictures" in err
        assert "is not a folder" in err


def test_help_names_both_commands(evaluate: Evaluate, capfd: Any) -> None:
    assert evaluate("--help") == 0
    assert evaluate("merge", "--help") == 0
    out = capfd.readouterr().out
    assert "psc evaluate merge" in out
    assert "--shard" in out


@pytest.mark.slow
@pytest.mark.skipif(not find_spec("ray"), reason="needs psc-codec[cluster]")
def test_a_cluster_finds_the_same(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two workers of a local Ray, with the embedded prior."""
    import ray

    from psc.evaluate import cluster

    monkeypatch.undo()
    todo = tasks.work(tasks.pictures(folder), ["psc", "jpeg"], [0.5, 1.0], ["default"], ["preview"])
    chosen, rows = tasks.Options(32), {}
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    try:
        for name, backend in (("here", run.here), ("ray", cluster.backend("local"))):
            results = Results(tmp_path / name)
            results.begin({}, resume=False)
            run.run(folder, todo, chosen, results, backend, lambda row: None)
            rows[name] = without_costs(results.rows())
    finally:
        ray.shutdown()
    assert len(rows["here"]) == 12
    assert rows["here"] == rows["ray"]
    for path in (tmp_path / "here" / "pictures").glob("*/*.png"):
        other = tmp_path / "ray" / path.relative_to(tmp_path / "here")
        assert path.read_bytes() == other.read_bytes()


# Codecs


@pytest.mark.parametrize("name", list(other_codecs.codecs()))
def test_codecs_round_trip_and_grow_with_their_level(name: str) -> None:
    codec = other_codecs.codecs()[name]
    if codec.missing:
        pytest.skip(codec.missing)
    image = Image.fromarray(texture(SIDE, 56))
    chosen = [codec.settings[i * (len(codec.settings) - 1) // 2] for i in range(3)]
    found = [codec.encode(image, level) for level in chosen]
    quality = [psnr(image, codec.decode(data)) for data in found]
    assert len(found[0]) < len(found[1]) < len(found[2])
    assert quality[0] < quality[1] < quality[2]
    assert quality[2] > 28


def test_the_search_finds_the_largest_file_that_fits() -> None:
    sizes = [5, 8, 8, 13, 20, 21, 40]
    codec = other_codecs.Codec(
        "x", "X", "", ".x", range(10, 17), lambda image, level: bytes(sizes[level - 10]), lambda data: None
    )  # type: ignore[arg-type, return-value]
    image = Image.new("RGB", (8, 8))
    for size in range(5, 45):
        found = other_codecs.nearest_below(codec, image, size)
        assert len(found.data) == max(s for s in sizes if s <= size)
        assert sizes[found.setting - 10] == len(found.data)
    assert len(other_codecs.nearest_below(codec, image, 4).data) == 5
    assert other_codecs.nearest_below(codec, image, 13).tries <= 4
    tried: dict[int, other_codecs.Found] = {}
    searches = [other_codecs.nearest_below(codec, image, size, tried) for size in (13, 13, 20)]
    assert [len(found.data) for found in searches] == [13, 13, 20]
    assert searches[1].tries == 0
    assert sum(found.tries for found in searches) == len(tried) < 7
    sizes[:] = [1, 2, 3, 9, 4, 8, 20]  # where sizes do not grow, what is met on the way counts
    assert len(other_codecs.nearest_below(codec, image, 10).data) == 9


def test_bpg_is_called_as_its_manual_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in that keeps the picture and notes the options: BPG itself is seldom at hand."""
    script = '#!/bin/sh\necho "$0 $@" >> {log}\nfor last; do :; done\n{get}\n'
    log = tmp_path / "log"
    for name, get in (("bpgenc", 'cp "$last" "$8"'), ("bpgdec", 'cp "$last" "$2"')):
        (tmp_path / name).write_text(script.format(log=log, get=get))
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    codec, image = other_codecs.codecs()["bpg"], Image.fromarray(texture(16, 16))
    assert not codec.missing
    assert codec.decode(codec.encode(image, 30)) == image
    assert "bpgenc -q 30 -m 9 -f 444 -o" in log.read_text()
    (tmp_path / "bpgenc").write_text("#!/bin/sh\necho no such picture >&2; exit 1\n")
    with pytest.raises(PscError, match="bpgenc failed: no such picture"):
        codec.encode(image, 30)


def test_the_paper_s_files_have_the_size_asked_for() -> None:
    image = Image.fromarray(texture(16, 16))
    for size in (60, 100):
        data, session = encode(image, "paper", size, PRIOR, lambda now: None)
        assert size - 12 <= len(data) <= size
        simulated, _ = psc_codec.restored(session, image.size, "mean")
        assert simulated == psc.decode(data, prior=PRIOR)
    with pytest.raises(PscError, match="takes .* at least"):
        encode(image, "paper", 20, PRIOR, lambda now: None)


def test_an_effort_is_evaluated_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[Settings] = []

    def to_size(picture: Any, size: int, start: Settings, context: Any) -> SimpleNamespace:
        started.append(start)
        return SimpleNamespace(data=b"file", session=None)

    monkeypatch.setattr(psc_codec.control, "to_size", to_size)
    for name in ("effort9", "default"):
        encode(Image.new("RGB", (16, 16)), name, 100, PRIOR, lambda now: None)
    assert started == [finest("default", effort=9), finest("default")]
    assert setup.presets("default,effort1") == ["default", "effort1"]
    assert described("psc-effort9-mean")[0] == "PSC effort9 mean"


# Metrics


def test_missing_packages_and_weights_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    found = metrics.metrics()
    assert "alexnet" in found["lpips"].missing or not find_spec("torchmetrics")
    monkeypatch.setattr(metrics.importlib.util, "find_spec", lambda name: None)
    assert all("psc-codec[evaluate]" in metrics.metrics()[n].missing for n in ("ssim", "ssimulacra2"))
    assert not metrics.metrics()["psnr"].missing


@pytest.mark.skipif(not find_spec("torchmetrics"), reason="needs psc-codec[evaluate]")
def test_metrics_of_equal_and_of_worse_pictures() -> None:
    image = Image.fromarray(texture(176, 176))
    noise = np.random.default_rng(0).normal(0, 1, (176, 176, 3))
    worse = [
        Image.fromarray(np.clip(np.asarray(image) + s * noise, 0, 255).astype(np.uint8)) for s in (4, 16)
    ]
    for name in ("ssim", "ms-ssim", "ssimulacra2"):
        metric = metrics.metrics()[name]
        if metric.missing:
            continue
        equal, near, far = (metric.measure(image, other) for other in (image, *worse))
        assert equal == pytest.approx(100 if name == "ssimulacra2" else 1, abs=1e-4)
        assert equal > near > far


@pytest.mark.skipif(not find_spec("torchmetrics"), reason="needs psc-codec[evaluate]")
def test_ssim_is_that_of_its_definition() -> None:
    """Pictures of one grey each: the structure term is 1, the luminance term known."""
    a, b = (Image.new("RGB", (32, 32), (value,) * 3) for value in (100, 150))
    c1 = (0.01 * 255) ** 2
    expected = (2 * 100 * 150 + c1) / (100**2 + 150**2 + c1)
    assert metrics.metrics()["ssim"].measure(a, b) == pytest.approx(expected, rel=3e-4)


@pytest.mark.skipif(not find_spec("torchmetrics"), reason="needs psc-codec[evaluate]")
@pytest.mark.parametrize("name", ["ssim", "ms-ssim"])
def test_single_precision_does_for_photographs(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    image = Image.open(PHOTO).convert("RGB").resize((192, 176))
    worse = image.resize((48, 44)).resize(image.size)
    single = metrics.metrics()[name].measure(image, worse)
    tensor = metrics._tensor
    monkeypatch.setattr(metrics, "_tensor", lambda picture: tensor(picture).double())
    double = metrics.metrics()[name].measure(image, worse)
    assert single != double
    assert single == pytest.approx(double, abs=2e-5)


def test_frechet_distance_of_known_normals() -> None:
    """Exact for features whose sample means and covariances are diagonal and known."""
    rng = np.random.default_rng(0)
    white = rng.normal(size=(200, 3))
    white -= white.mean(0)
    white = white @ np.linalg.inv(np.linalg.cholesky(np.cov(white.T))).T
    a, b = white * [1, 2, 3] + [0, 1, 0], white * [2, 2, 1] + [3, 1, 4]
    assert frechet.frechet(a, b) == pytest.approx(9 + 16 + 1 + 0 + 4)
    assert frechet.frechet(a, a) == pytest.approx(0, abs=1e-9)


def test_random_crops_are_the_same_places_in_every_picture() -> None:
    y, x = np.mgrid[:140, :200]
    image = Image.fromarray(np.stack([x, y, 0 * x], 2).astype(np.uint8))
    crops = frechet.random_crops(image)
    assert crops.shape == (50, 3, 128, 128)
    corners = {(int(crop[0, 0, 0]), int(crop[1, 0, 0])) for crop in crops}
    assert len(corners) > 40
    assert frechet.random_crops(image).equal(crops)
    assert frechet.random_crops(image.crop((0, 0, 50, 60))).shape == (50, 3, 60, 50)


@pytest.mark.skipif(bool(frechet.distances()["fd-efficientnet"].missing), reason="needs psc-codec[evaluate]")
def test_blurred_pictures_are_farther_than_noisy_ones() -> None:
    photo = opened(Path(__file__).parent.parent / "examples" / "chelsea.png").convert("RGB")
    photo = photo.crop((0, 0, 300, 300))
    of = [frechet.efficientnet(image) for image in (photo, photo.resize((75, 75)).resize((300, 300)))]
    noisy = np.asarray(photo) + np.random.default_rng(0).integers(-3, 4, (300, 300, 3))
    near = frechet.efficientnet(Image.fromarray(noisy.clip(0, 255).astype(np.uint8)))
    assert of[0].shape == (64, 112)
    assert 0 < frechet.frechet(of[0], near) < 0.3 * frechet.frechet(of[0], of[1])
    assert frechet.efficientnet(photo.crop((0, 0, 40, 40))).shape == (0, 112)


# BD-rate, curves and the report

ANCHOR = [(0.1, 24.0), (0.2, 26.0), (0.4, 28.5), (0.8, 31.5), (1.2, 33.0)]
TEST = [(0.08, 24.4), (0.17, 26.1), (0.33, 28.4), (0.7, 31.8)]


@pytest.mark.skipif(not find_spec("scipy"), reason="needs psc-codec[evaluate]")
@pytest.mark.parametrize("method", ["akima", "pchip"])
def test_bd_rate_of_known_curves(method: Any) -> None:
    for factor in (0.5, 1.0, 1.3):
        scaled = [(factor * rate, quality) for rate, quality in ANCHOR]
        assert bd_rate(ANCHOR, scaled, method) == pytest.approx(100 * (factor - 1))
    beaten = [*ANCHOR, (0.5, 20.0), (0.1, 23.0)]  # points that another one beats do not count
    assert bd_rate(ANCHOR, beaten[::-1], method) == pytest.approx(0, abs=1e-9)
    straight = [(math.exp(q), q) for q in (1.0, 2.0, 3.0)], [(math.exp(q / 2), q) for q in (1.5, 2.5, 4.0)]
    assert bd_rate(*straight, method) == pytest.approx(100 * math.expm1(-2.25 / 2))  # over 1.5 to 3
    assert bd_rate(ANCHOR, [(1, 40.0), (2, 41.0)], method) is None
    assert bd_rate(ANCHOR, ANCHOR[:1], method) is None


@pytest.mark.skipif(not find_spec("bjontegaard"), reason="needs the package bjontegaard")
@pytest.mark.parametrize("method", ["akima", "pchip"])
def test_bd_rate_is_the_package_bjontegaard_s(method: Any) -> None:
    from bjontegaard import bd_rate as published_bd_rate

    columns = [list(column) for points in (ANCHOR, TEST) for column in zip(*points, strict=True)]
    expected = published_bd_rate(*columns, method=method, require_matching_points=False)
    assert bd_rate(ANCHOR, TEST, method) == pytest.approx(expected, rel=1e-9)


def made_up(image: str, codec: str, target: float, **other: Any) -> Row:
    row = {"image": image, "codec": codec, "target": target, "bpp": target, "reached": True, "bytes": 9}
    return row | {"width": 64, "height": 64, "metrics": {"psnr": 30.0}} | other


def test_curves_are_means_over_the_same_pictures() -> None:
    rows = [made_up("a", "jpeg", 0.5, bpp=0.4, metrics={"psnr": 30.0, "ssim": 0.9}),
            made_up("b", "jpeg", 0.5, bpp=0.6, metrics={"psnr": 32.0, "ssim": None}, reached=False),
            made_up("a", "webp", 0.5), made_up("b", "webp", 0.5, error="no such luck"),
            made_up("a", "webp", 0.7), made_up("b", "webp", 0.7),
            made_up("c", "webp", 0.7)]  # fmt: skip
    for row in rows[:-1]:
        rows += [dict(row, codec="avif")] if row["codec"] == "jpeg" else []
    images = complete(rows)
    assert images == ["a", "b"]
    jpeg, webp, _ = averaged(rows, images)
    (point,) = jpeg.points
    assert (point.bpp, point.unreached, point.values) == (0.5, 1, {"psnr": 31.0})
    assert [p.target for p in webp.points] == [0.7]
    assert summary(jpeg)["results"] == {"bpp": [0.5], "psnr-rgb": [31.0]}


@pytest.mark.parametrize("path", sorted(PUBLISHED.glob("*.json")), ids=lambda path: path.stem)
def test_the_curves_that_come_along_rise(path: Path) -> None:
    points = published(path).of("psnr")
    assert len(points) > 1
    assert points == sorted(points)
    assert [quality for _, quality in points] == sorted(quality for _, quality in points)


def test_published_curves(tmp_path: Path) -> None:
    path = tmp_path / "vtm.json"
    content = {"name": "VTM", "results": {"psnr": [31.2, 28.5], "ms-ssim": [0.95, 0.91], "bpp": [0.25, 0.11]}}
    path.write_text(json.dumps(content))
    curve = published(path)
    assert (curve.label, curve.published) == ("VTM", True)
    assert curve.of("psnr") == [(0.11, 28.5), (0.25, 31.2)]
    assert curve.of("ms-ssim") == [(0.11, 0.91), (0.25, 0.95)]
    content["results"]["psnr-rgb"] = content["results"].pop("psnr")
    path.write_text(json.dumps(content))
    assert published(path).of("psnr") == curve.of("psnr")
    for wrong in ("[]", "{", '{"name": "x", "results": {"bpp": [1, 2], "psnr": [3]}}', '{"results": {}}'):
        path.write_text(wrong)
        with pytest.raises(PscError, match="CompressAI's form"):
            published(path)


@needs_report
def test_the_report_needs_nothing_else(evaluate: Evaluate, folder: Path, tmp_path: Path) -> None:
    overlay, out = tmp_path / "elic.json", tmp_path / "out"
    results = {"bpp": [0.4, 1.6], "psnr-rgb": [20.0, 30.0]}
    overlay.write_text(json.dumps({"name": "</script><b>ELIC", "results": results}))
    wanted = options(folder, out, "--limit", 1, "--overlay", overlay, "--anchor", "jpeg")
    assert evaluate(*wanted) == 0
    page = (out / "report.html").read_text()
    start = page.index('id="data">') + len('id="data">')
    data = json.loads(page[start : page.index("</script>", start)])
    assert data["anchor"] == "jpeg"
    assert [c["label"] for c in data["curves"]][-1] == "</script><b>ELIC"
    assert set(data["bd"]["jpeg"]) == {"psc-default-mean", "psc-default-sample", "jpeg", "jpeg2000", "elic"}
    assert data["bd"]["jpeg"]["jpeg"]["psnr"] in ([0, 0], [None, None])
    shown = data["images"][0]
    assert len(shown["decoded"]) == 8
    assert all(d["url"].startswith("data:image/webp;base64,") for d in shown["decoded"])
    for outside in ('src="http', "href=", "url(", "fetch(", "import("):
        assert outside not in page.replace("w3.org", "")
    assert {p.name for p in (out / "curves").iterdir()} >= {"psnr.png", "psnr.svg"}
    written = json.loads((out / "summaries" / "psc-default-mean.json").read_text())["results"]
    assert len(written["bpp"]) == len(written["psnr-rgb"]) == len(written["encoding_time"]) == 2
    assert features.check("webp")
    assert report.spread(list("abcdef"), 3) == ["a", "c", "e"]
