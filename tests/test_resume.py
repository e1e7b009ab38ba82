"""Interrupted encodes: whatever ended them, the resumed one gives the same bytes; the time left is told."""

import itertools
import math
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import psc
from psc import Journal, Settings, files
from psc.cli import console, progress
from psc.plan.presets import DEFAULT
from psc.posterior import grouping
from psc.prior import HaarGaussian, Prior
from psc.session import journal
from psc.session.progress import Progress
from tests.conftest import ESTIMATES, SMALL, SMALL_PAPER, interruptible, texture

ARRAY = texture(20, 28)
PRIOR = HaarGaussian(low=1.5, detail=(0.1, 0.25, 0.5))
CHOSEN = Settings(SMALL, len(SMALL.rounds), 90, 5)
NFE = [SMALL.nfe(n + 1) - SMALL.nfe(n) for n in range(len(SMALL.rounds))]
STEPS = [int(n * SMALL.levels[r.level].scale ** 2 / 6) for n, r in zip(NFE, SMALL.rounds, strict=True)]
"""By round: network evaluations, in full-resolution equivalents and for each of the six samples."""
HEADER = 4 + 3 * 16
"""Bytes before the first record."""
Encode = Callable[..., bytes]


@pytest.fixture(autouse=True)
def _eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """Journals are written from the beginning; two particles go together at full size."""
    monkeypatch.setattr(journal, "PATIENCE", 0.0)
    monkeypatch.setattr(grouping, "LARGEST", 2 * 32 * 32)
    monkeypatch.setattr(grouping, "GROUP", 2 * 32 * 32)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.psc.resume"


class Watch:
    """Hears of an encode's progress, and interrupts it at the ``after``-th report that is no replay."""

    def __init__(self, after: float = math.inf) -> None:
        self.after, self.reports = after, 0
        self.drawn = self.replayed = self.nfe = 0.0

    def __call__(self, now: Progress) -> None:
        if now.replayed:
            self.replayed += now.nfe - self.nfe
        else:
            self.drawn += now.nfe - self.nfe
            self.reports += 1
        self.nfe = now.nfe
        if self.reports == self.after:
            raise KeyboardInterrupt


def encode(kept: Journal | None = None, watch: Watch | None = None, **changes: Any) -> bytes:
    how: dict[str, Any] = {"image": ARRAY, "chosen": CHOSEN, "prior": PRIOR} | changes
    image, chosen = how.pop("image"), how.pop("chosen")
    return psc.encode_with(image, chosen, journal=kept, progress=watch or Watch(), **how)


def in_pieces(encode: Encode, path: Path, every: int) -> tuple[bytes, int]:
    """The bytes of an encode that is interrupted and resumed all the time, and how many pieces it took."""
    for piece in itertools.count(1):
        try:
            return encode(Journal(path), Watch(every)), piece
        except KeyboardInterrupt:
            pass
    raise AssertionError


def cost(chosen: Settings = CHOSEN) -> float:
    return chosen.plan.nfe(chosen.rounds)


# The same bytes


@pytest.mark.parametrize(
    ("plan", "channels", "step"),
    [(SMALL, 3, 4), (SMALL, 1, 17), (ESTIMATES, 3, 17), (SMALL_PAPER, 3, 19)],
    ids=["colour", "grey", "estimates", "paper"],
)
def test_an_interruption_anywhere_changes_nothing(
    plan: psc.Plan, channels: int, step: int, path: Path
) -> None:
    chosen = Settings(plan, len(plan.rounds), 90, 5)
    array = texture(20, 28, channels)

    def run(kept: Journal | None, watch: Watch) -> bytes:
        return encode(kept, watch, image=array, chosen=chosen)

    watch = Watch()
    whole = run(None, watch)
    assert watch.nfe == cost(chosen)
    for after in range(1, watch.reports, step):
        with pytest.raises(KeyboardInterrupt):
            run(Journal(path), Watch(after))
        again = Watch()
        kept = Journal(path)
        assert run(kept, again) == whole
        assert again.nfe == watch.nfe
        assert again.replayed + again.drawn == pytest.approx(watch.nfe)
        kept.remove()
        assert not path.exists()
    data, pieces = in_pieces(run, path, 9)
    assert data == whole
    assert pieces > 4


def test_another_number_of_threads_takes_what_is_there(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(KeyboardInterrupt):
        encode(Journal(path), Watch(sum(STEPS[:3]) + 3 + 2 * STEPS[3] + 1))
    monkeypatch.setattr(grouping, "LARGEST", 3 * 32 * 32)
    watch = Watch()
    assert encode(Journal(path), watch) == encode()
    assert watch.replayed == sum(NFE[:3]) + 4 * STEPS[3]
    assert watch.drawn == cost() - watch.replayed


def test_what_was_drawn_is_not_drawn_again(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    evaluations = itertools.count()
    denoise = HaarGaussian.denoise

    def counted(*arguments: Any) -> torch.Tensor:
        next(evaluations)
        return denoise(*arguments)

    monkeypatch.setattr(HaarGaussian, "denoise", counted)
    whole = encode()
    coarse, fine = sum(STEPS[:3]), sum(STEPS[3:])
    assert next(evaluations) == coarse + 3 * fine
    with pytest.raises(KeyboardInterrupt):  # in the third group of the fourth round, after three whole ones
        encode(Journal(path), Watch(coarse + 3 + 2 * STEPS[3] + 1))
    before = next(evaluations)
    assert encode(Journal(path)) == whole
    assert next(evaluations) - before - 1 == 3 * fine - 2 * STEPS[3]


def test_a_finished_journal_draws_nothing(path: Path) -> None:
    """The output's disk was full, for instance."""
    whole = encode(Journal(path))
    size, watch = path.stat().st_size, Watch()
    assert encode(Journal(path), watch) == whole
    assert (watch.replayed, watch.drawn) == (cost(), 0)
    assert path.stat().st_size == size


@pytest.mark.parametrize("target", [{"target_size": 300}, {"target_psnr": 27.0}], ids=["size", "psnr"])
def test_targets_in_pieces(target: dict[str, Any], path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grouping, "LARGEST", 4 * 64 * 64)

    def run(kept: Journal | None, watch: Watch) -> bytes:
        return psc.encode(ARRAY, prior=PRIOR, progress=watch, journal=kept, **target)

    watch = Watch()
    whole = run(None, watch)
    data, pieces = in_pieces(run, path, watch.reports // 3)
    assert data == whole
    assert pieces >= 3


def test_with_the_embedded_prior(embedded_prior: Prior, path: Path) -> None:
    chosen = Settings(SMALL, 3, 90, 5)
    with pytest.raises(KeyboardInterrupt):
        encode(Journal(path), Watch(9), prior=embedded_prior, chosen=chosen)
    watch = Watch()
    whole = encode(prior=embedded_prior, chosen=chosen)
    assert encode(Journal(path), watch, prior=embedded_prior, chosen=chosen) == whole
    assert watch.replayed > 0


# Damage


@pytest.fixture
def content(path: Path) -> bytes:
    """A journal of all draws: three records of the coarse rounds, then two times three."""
    encode(Journal(path))
    return path.read_bytes()


def record(level: int) -> int:
    """Bytes of a record of six particles of level 1, or two of level 0."""
    return 16 + 1 + 4 * 3 * (6 * 8 * 8 if level else 2 * 32 * 32) + 4


def test_a_journal_is_what_its_documentation_says(content: bytes) -> None:
    assert len(content) == HEADER + 3 * record(1) + 6 * record(0)


@pytest.mark.parametrize(
    "keep", [0, 3, 4, HEADER - 1, HEADER, HEADER + 5, HEADER + 17, HEADER + record(1) - 1, -1]
)
def test_a_torn_end_is_dropped(content: bytes, keep: int, path: Path) -> None:
    path.write_bytes(content[:keep])
    watch = Watch()
    assert encode(Journal(path), watch) == encode()
    whole_records = 8 if keep == -1 else max(0, (keep - HEADER) // record(1))
    last = 2 * STEPS[-1]  # two particles of the last round
    assert watch.drawn == (last if whole_records == 8 else cost())
    assert path.read_bytes() == content


def test_a_flipped_bit_ends_the_replay_where_it_is(content: bytes, path: Path) -> None:
    coarse = record(1)
    for number in range(3):
        for at in (0, 15, 16, coarse // 2, coarse - 1):
            damaged = bytearray(content)
            damaged[HEADER + number * coarse + at] ^= 1 << (at % 8)
            path.write_bytes(damaged)
            watch = Watch()
            encode(Journal(path), watch)
            assert watch.replayed == sum(NFE[:number])
            assert path.read_bytes() == content


def test_records_of_other_draws_are_not_taken(content: bytes, path: Path) -> None:
    first, second = (content[HEADER + i * record(1) :][: record(1)] for i in range(2))
    path.write_bytes(content[:HEADER] + second + first + content[HEADER + 2 * record(1) :])
    watch = Watch()
    assert encode(Journal(path), watch) == encode()
    assert watch.replayed == 0
    assert path.read_bytes() == content


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 256.0, 2.0**-17, 1 / 3])
def test_particles_that_are_none_are_not_taken(content: bytes, value: float, path: Path) -> None:
    """Their checksum is right: somebody made them."""
    body = bytearray(content[HEADER:][: record(1) - 4])
    body[117:121] = np.float32(value).tobytes()
    path.write_bytes(content[:HEADER] + body + journal._crc(bytes(body)) + content[HEADER + record(1) :])
    watch = Watch()
    assert encode(Journal(path), watch) == encode()
    assert watch.replayed == 0


# What is refused


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"image": texture(20, 28, seed=1)}, "another picture"),
        ({"image": texture(20, 28, channels=1)}, "another picture"),
        ({"prior": HaarGaussian()}, "another prior"),
        ({"chosen": Settings(SMALL, 5, 91, 5)}, "another format or setting"),
        ({"chosen": Settings(SMALL, 5, 90, 6)}, "another format or setting"),
        ({"chosen": Settings(SMALL, 4, 90, 5)}, "another format or setting"),
    ],
)
def test_a_journal_of_something_else(content: bytes, changes: Any, words: str, path: Path) -> None:
    with pytest.raises(psc.PscError, match=f"{words}: to start anew, remove it or leave out --resume"):
        encode(Journal(path), **changes)
    assert path.read_bytes() == content
    assert encode(Journal(path, resume=False), **changes) == encode(**changes)
    assert path.read_bytes()[:HEADER] != content[:HEADER]


def test_targets_are_settings(path: Path) -> None:
    def run(**target: Any) -> None:
        psc.encode(ARRAY, prior=PRIOR, journal=Journal(path), progress=Watch(40), **target)

    with pytest.raises(KeyboardInterrupt):
        run(target_size=300)
    for other in (
        {"target_size": 301},
        {"target_psnr": 30.0},
        {"target_size": 300, "seed": 1},
        {"target_size": 300, "effort": 1},
        {},
    ):
        with pytest.raises(psc.PscError, match="another format or setting"):
            run(**other)
    with pytest.raises(KeyboardInterrupt):
        run(target_bpp=300 * 8 / (20 * 28))


def test_a_prior_that_is_not_exact_needs_the_same_machine(path: Path, monkeypatch: Any) -> None:
    prior = HaarGaussian()
    prior.exact = False
    with pytest.raises(KeyboardInterrupt):
        encode(Journal(path), Watch(9), prior=prior)
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(torch, "__version__", "1.0.0")
        with pytest.raises(psc.PscError, match="another device or release of PyTorch"):
            encode(Journal(path), prior=prior)
    assert encode(Journal(path), prior=prior) == encode(prior=prior)


@pytest.mark.parametrize("resume", [True, False])
def test_no_other_file_is_overwritten(path: Path, resume: bool) -> None:
    for content in (b"\x89PNG and more", b"PSK", bytes(100)):
        path.write_bytes(content)
        with pytest.raises(psc.PscError, match="is not a journal"):
            encode(Journal(path, resume=resume))
        assert path.read_bytes() == content


def test_what_would_fail_again_is_not_kept(path: Path) -> None:
    with pytest.raises(psc.PscError, match="the most that this picture takes"):
        psc.encode(ARRAY[:16, :16], target_size=10**6, prior=PRIOR, journal=Journal(path))
    assert not path.exists()


# When it is written


def test_quick_encodes_write_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = itertools.count()
    monkeypatch.setattr(journal.time, "monotonic", lambda: float(next(clock)))
    monkeypatch.setattr(journal, "PATIENCE", 10.0)
    seen = []

    def watch(now: Progress) -> None:
        seen.append((now.rounds, path.exists()))

    psc.encode_with(ARRAY, CHOSEN, prior=PRIOR, journal=Journal(path), progress=watch)
    assert not path.exists()
    monkeypatch.setattr(journal, "PATIENCE", 3.0)
    psc.encode_with(ARRAY, CHOSEN, prior=PRIOR, journal=Journal(path), progress=watch)
    assert next(rounds for rounds, there in seen if there) == 3
    assert path.stat().st_size == HEADER + 3 * record(1) + 6 * record(0)
    path.unlink()
    monkeypatch.setattr(journal, "PATIENCE", 1e6)
    monkeypatch.setattr(journal, "PENDING_BYTES", 2 * record(1))
    psc.encode_with(ARRAY, CHOSEN, prior=PRIOR, journal=Journal(path))
    assert path.stat().st_size == HEADER + 3 * record(1) + 6 * record(0)


def test_a_full_disk_does_not_end_the_encode(path: Path) -> None:
    whole, limits = encode(), resource.getrlimit(resource.RLIMIT_FSIZE)
    kept = Journal(path)
    resource.setrlimit(resource.RLIMIT_FSIZE, (HEADER + 2 * record(1) + 100, limits[1]))
    try:
        with pytest.warns(UserWarning, match="File too large.*cannot go on") as warned:
            assert encode(kept) == whole
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert len(warned) == 1
    assert not kept.kept
    assert not path.exists()


def test_a_folder_that_is_not_there(path: Path) -> None:
    with pytest.warns(UserWarning, match="No such file.*cannot go on"):
        assert encode(Journal(path / "a" / "b")) == encode()


# The command

CHILD = """
from psc import prior
from psc.cli import app
from psc.session import journal
journal.PATIENCE = 0.1
prior.load_prior = lambda name, **how: prior.HaarGaussian(detail=(0.2, 0.5))
app.main()
"""


def start(*arguments: object) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", CHILD, "encode", *map(str, arguments)]
    return subprocess.Popen(command, stderr=subprocess.PIPE, preexec_fn=interruptible)


def test_killed_interrupted_resumed(tmp_path: Path) -> None:
    source, kept = tmp_path / "a.png", tmp_path / "a.psc.resume"
    array = texture(128, 128)
    Image.fromarray(array).save(source)
    for number, by in enumerate((signal.SIGKILL, signal.SIGINT)):
        process, before = start(source, *["--resume"] * number), size(kept)
        while size(kept) <= before:
            assert process.poll() is None, process.communicate()[1]
            time.sleep(0.01)
        process.send_signal(by)
        said = process.communicate()[1].decode()
        hint = f"psc: {kept} holds what was drawn: add --resume to go on from there\n"
        assert (process.returncode, said) == ((-9, ""), (130, hint))[number]
        assert not (tmp_path / "a.psc").exists()
    process = start(source, "--resume", "--quiet")
    assert process.communicate()[1] == b""
    assert process.returncode == 0
    expected = psc.encode(array, prior=HaarGaussian(detail=(0.2, 0.5)))
    assert (tmp_path / "a.psc").read_bytes() == expected
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.png", "a.psc"]


def size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsysbinary: Any, tmp_path: Path) -> Any:
    """psc encode, in this process and folder, with a prior that takes milliseconds: exit code and stderr."""
    from psc import prior
    from psc.cli import app

    Image.fromarray(ARRAY).save(tmp_path / "a.png")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(grouping, "LARGEST", 2**17)
    monkeypatch.setattr(prior, "load_prior", lambda name, **how: PRIOR)

    def run(*arguments: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["psc", "encode", "a.png", "--preset=paper", "-q20", *arguments])
        with pytest.raises(SystemExit) as end:
            app.main()
        out, err = capsysbinary.readouterr()
        assert out == b""
        return end.value.code or 0, err.decode()

    return run


def test_resuming_from_nothing_begins(command: Any) -> None:
    code, said = command("--resume")
    assert code == 0
    assert said.startswith("psc: warning: there is no a.psc.resume to go on from: starting from the begin")
    assert sorted(p.name for p in Path().iterdir()) == ["a.png", "a.psc"]


def test_a_journal_that_is_not_asked_for(command: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise psc.PscError("cannot write a.psc: No space left on device")

    with monkeypatch.context() as disk:
        disk.setattr(files, "write", full)
        code, said = command()
    assert code == 1
    assert said.splitlines() == [
        "psc: a.psc.resume holds what was drawn: add --resume to go on from there",
        "psc: error: cannot write a.psc: No space left on device",
    ]
    code, said = command("-q30", "--resume")
    assert (code, said.count("\n")) == (1, 1)
    assert "a.psc.resume is of another format or setting" in said
    code, said = command()
    assert code == 0
    assert "a.psc.resume is of an interrupted encode, and will be overwritten: --resume goes on" in said
    assert not Path("a.psc.resume").exists()


def test_what_is_no_file_has_no_journal(command: Any) -> None:
    code, said = command("-", "--resume")
    assert code == 1
    assert "--resume needs an output that is a file" in said
    assert console.choose_journal("-", resume=False) is None
    assert console.choose_journal("/dev/null", resume=False) is None
    assert console.choose_journal("x" * 250, resume=False) is None


# The time left


def test_the_whole_cost_is_known_from_the_beginning(path: Path) -> None:
    reports: list[Progress] = []
    psc.encode_with(ARRAY, CHOSEN, prior=PRIOR, progress=reports.append)
    assert {now.total for now in reports} == {cost()}
    assert reports[-1].nfe == cost()


def test_the_cost_of_a_target_is_foreseen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grouping, "LARGEST", 2**17)
    reports: list[Progress] = []
    psc.encode(ARRAY, target_size=300, prior=PRIOR, progress=reports.append)
    assert all(now.nfe <= now.total for now in reports)
    assert reports[0].total == DEFAULT.nfe(99) > reports[0].nfe
    assert {now.planned for now in reports} == {len(DEFAULT.rounds)}


def told(monkeypatch: pytest.MonkeyPatch, capsys: Any, *steps: tuple[float, bool]) -> list[str]:
    """Lines of a progress bar that hears of 10 NFE of a hundred after so many seconds, replayed or not."""
    now = 0.0
    monkeypatch.setattr(progress.time, "perf_counter", lambda: now)
    with progress.ProgressBar("encode", quiet=False, verbose=True) as shown:
        for done, (seconds, replayed) in enumerate(steps, start=1):
            now += seconds
            shown(Progress(done, 10, 10.0 * done, 80, 100.0, replayed))
    lines: list[str] = capsys.readouterr().err.splitlines()
    return lines


def test_the_time_left(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    lines = told(monkeypatch, capsys, *[(2.0, False)] * 10)
    assert lines[0] == "round 1 of 10: 10 NFE, 10 bytes"
    assert lines[1] == "round 2 of 10: 20 NFE, 10 bytes, about 00:16 left"
    assert lines[8] == "round 9 of 10: 90 NFE, 10 bytes, about 00:02 left"
    assert lines[9] == "round 10 of 10: 100 NFE, 10 bytes"


def test_replayed_draws_do_not_count(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    lines = told(monkeypatch, capsys, *[(0.1, True)] * 5, *[(60.0, False)] * 2)
    assert not any("left" in line for line in lines[:5])
    assert lines[5].endswith("about 04:00 left")


def test_the_pace_is_the_present_one(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    lines = told(monkeypatch, capsys, *[(600.0, False)] * 2, *[(50.0, False)] * 5)
    assert lines[1].endswith("about 1:20:00 left")
    minutes, seconds = map(int, lines[-1].split()[-2].split(":"))
    assert 150 <= 60 * minutes + seconds < 160
