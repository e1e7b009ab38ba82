"""psc encode and decode over a Ray cluster: a local one of two workers, one of which is killed at work."""

import json
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from psc.cli import ray_pool
from tests import cluster_worker
from tests.conftest import texture
from tests.test_cli import Psc, assert_fails
from tests.test_cli import _psc as psc_fixture
from tests.test_many import FAST, names, outcomes
from tests.test_many import folder as folder_fixture

ray = pytest.importorskip("ray", reason="needs psc-codec[cluster]")

_psc, folder = psc_fixture, folder_fixture
pytestmark = pytest.mark.filterwarnings("ignore")  # Ray's own


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a cluster that has two workers at a time."""
    from ray.cluster_utils import Cluster

    paths = str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join(paths))  # so that workers find this folder
        made = Cluster(initialize_head=True, head_node_args={"num_cpus": 2, "include_dashboard": False})
        yield made.address
        made.shutdown()


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("begin", "attempt"):
        monkeypatch.setattr(ray_pool, name, getattr(cluster_worker, name))


def log() -> Counter[str]:
    return Counter(Path("log").read_text().splitlines())


def test_a_worker_that_is_killed_costs_nothing(psc: Psc, folder: Path, cluster: str, watched: None) -> None:
    """Nothing is lost, nothing is done twice: another worker goes on from the draws that it has kept."""
    for name in "defgh":
        Image.fromarray(texture(12, 10)).save(f"in/{name}.png")
    Path("in/x.png").write_bytes(b"no picture")
    result = psc("encode", "in", "--out", "out", *FAST, "--ray", cluster)
    assert result.code == 1
    assert names("out") == sorted(f"{name}.psc" for name in "abcdefgh")
    assert "psc: warning: in/b.jpg: the worker that worked on it was lost" in result.err
    *_, summary, failure = result.err.splitlines()
    assert summary.startswith("8 of 9 files encoded; ")
    assert summary.endswith("; 1 failed")
    assert failure.startswith("psc: error: in/x.png: in/x.png is not a picture")
    assert result.err.count("warning") == 1
    done = log()
    inputs = [f"in/{name}" for name in names("in") if name not in ("notes.txt", ".hidden.png")]
    known = [f"{what} {name}" for what in ("begins", "ends") for name in inputs]
    assert done == Counter([*known, "goes on in/b.jpg"])
    result = psc("encode", "in", "--out", "out", *FAST, "--ray", cluster)
    assert "0 of 1 files encoded; " in result.err
    assert "8 were there already" in result.err
    assert log() == done + Counter(["begins in/x.png", "ends in/x.png"])
    for name in ("a.png", "b.jpg", "c.webp"):
        assert psc("encode", f"in/{name}", f"{name}.psc", *FAST).code == 0
        assert Path(f"{name}.psc").read_bytes() == Path("out", f"{name[0]}.psc").read_bytes()


def test_decoding_and_its_figures_are_those_of_one_machine(
    psc: Psc, folder: Path, cluster: str, watched: None
) -> None:
    Path("killed").touch()
    assert psc("encode", "in", "--out", "out", *FAST).code == 0
    shown = psc("decode", "out", "--out", "shown", "--ray", cluster, "-j", 2, "--variations", 2, "--json")
    known = psc("decode", "out", "--out", "known", "--variations", 2, "--json")
    assert names("shown") == names("known") == [f"{name}-{n}.png" for name in "abc" for n in (1, 2)]
    for name in names("known"):
        assert Path("known", name).read_bytes() == Path("shown", name).read_bytes()
    text = json.dumps(sorted(without_seconds(shown.out), key=str)).replace("shown/", "known/")
    assert json.loads(text) == sorted(without_seconds(known.out), key=str)


def without_seconds(out: bytes) -> list[dict[str, object]]:
    return [{key: value for key, value in line.items() if key != "seconds"} for line in outcomes(out)]


def test_a_file_that_kills_its_workers_fails(
    psc: Psc, folder: Path, cluster: str, watched: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray_pool, "TRIES", 1)
    result = psc("encode", "in", "--out", "out", *FAST, "--ray", cluster)
    assert result.code == 1
    assert "psc: error: in/b.jpg: the worker that worked on it was lost" in result.err
    assert names("out") == ["a.psc", "b.psc.resume", "c.psc"]


def test_an_interruption_leaves_whole_files_and_the_next_run_goes_on(
    psc: Psc, folder: Path, cluster: str, watched: None
) -> None:
    """Ctrl-C while c.webp is at work on a worker: it stops there, too."""
    Path("killed").touch()
    Path("sleep").touch()
    interrupted: list[float] = []

    def interrupt() -> None:
        while not (Path("log").exists() and log()["sleeps in/c.webp"] and log()["ends in/b.jpg"]):
            time.sleep(0.1)
        interrupted.append(time.monotonic())
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt, daemon=True)
    thread.start()
    result = psc("encode", "in", "--out", "out", *FAST, "--ray", cluster)
    thread.join()
    assert (result.code, time.monotonic() - interrupted[0] < ray_pool.PATIENCE) == (130, True)
    assert "not begun or not done: the same command goes on with them" in result.err
    assert names("out") == ["a.psc", "b.psc", "c.psc.resume"]  # nothing is half-written
    assert not log()["ends in/c.webp"]
    Path("sleep").unlink()
    result = psc("encode", "in", "--out", "out", *FAST, "--ray", cluster, "--resume")
    assert (result.code, names("out")) == (0, ["a.psc", "b.psc", "c.psc"])
    assert "warning" not in result.err
    assert log()["goes on in/c.webp"] == 1


def test_what_is_refused(psc: Psc, folder: Path, cluster: str, watched: None) -> None:
    assert_fails(psc("encode", "in/a.png", "--ray", cluster), "--ray is for many files")
    refused = psc("encode", "in", "--out", "out", "--ray", cluster, "--preset", "latent")
    assert refused.err.splitlines()[-1].startswith("psc: error: preset 'latent' does not fit the prior")
    refused = psc("decode", "in/*.png", "--out", "out", "--ray", cluster, "--device", "cuda")
    assert refused.err.splitlines()[-1].startswith("psc: error: the cluster has no GPU")
    assert (refused.code, names("out")) == (1, [])
