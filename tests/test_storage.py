"""Many files behind URLs, by fsspec; a cluster's workers read and write them in the same way."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from psc.cli import names as file_names
from psc.cli import ray_pool
from tests.test_cli import Psc, assert_fails
from tests.test_cli import _psc as psc_fixture
from tests.test_many import FAST, names, outcomes
from tests.test_many import folder as folder_fixture

fsspec = pytest.importorskip("fsspec")

_psc, folder = psc_fixture, folder_fixture


@pytest.fixture(autouse=True)
def memory() -> Iterator[None]:
    """fsspec's file system in this process's memory."""
    yield
    fsspec.filesystem("memory").store.clear()


def stored(folder: str) -> list[str]:
    return sorted(name.rsplit("/", 1)[-1] for name in fsspec.filesystem("memory").find(folder))


def upload(folder: Path) -> None:
    fsspec.filesystem("memory").put(f"{folder}/in/", "/in/", recursive=True)


def test_urls_give_the_files_of_folders(psc: Psc, folder: Path) -> None:
    upload(folder)
    result = psc("encode", "memory://in", "--out", "memory://out/deep", *FAST, "--json")
    assert result.code == 0, result.err
    assert sorted(line["output"] for line in outcomes(result.out)) == [
        f"memory:///out/deep/{name}.psc".replace("///", "//") for name in "abc"
    ]
    assert stored("/out/deep") == ["a.psc", "b.psc", "c.psc"]
    assert psc("encode", "in", "--out", "local", *FAST).code == 0
    for name in names("local"):
        assert fsspec.filesystem("memory").cat(f"/out/deep/{name}") == Path("local", name).read_bytes()
    result = psc("decode", "memory://out/*/[ab].psc", "--out", "shown", "--variations", 2, "--json")
    assert result.code == 0, result.err
    assert names("shown") == ["a-1.png", "a-2.png", "b-1.png", "b-2.png"]
    assert outcomes(result.out)[0]["outputs"] == ["shown/a-1.png", "shown/a-2.png"]
    result = psc("encode", "in", "--out", "memory://out/deep", *FAST)
    assert "3 were there already" in result.err


def test_what_fails_leaves_nothing_behind(psc: Psc, folder: Path) -> None:
    Path("in/b.jpg").write_bytes(b"no picture")
    upload(folder)
    result = psc("encode", "memory://in", "--out", "memory://out", *FAST)
    assert result.code == 1
    assert stored("/out") == ["a.psc", "c.psc"]
    assert result.err.count("psc: error: memory:///in/b.jpg: memory:///in/b.jpg is not a picture") == 1
    result = psc("encode", "memory://none", "--out", "out")
    assert result.err.endswith("psc: error: memory://none: there is no memory://none\n")
    assert_fails(
        psc("encode", "nonsense://in", "--out", "out"), "cannot reach nonsense://in: Protocol not known"
    )
    assert_fails(psc("encode", "memory://in/a.png", "a.psc"), "add --out DIR")


def test_names_of_urls() -> None:
    assert file_names.is_url("s3://bucket/a.png")
    assert not any(map(file_names.is_url, ("C://a.png", "a.png", "/s3://a", "-")))
    assert file_names.with_suffix("s3://bucket/Mr. A.jpg", ".psc") == "s3://bucket/Mr. A.psc"
    assert file_names.numbered("s3://bucket/a.png", 2) == ["s3://bucket/a-1.png", "s3://bucket/a-2.png"]
    assert file_names.in_folder("s3://bucket/x/", "a.psc") == "s3://bucket/x/a.psc"


def test_a_worker_tells_as_a_process_does(folder: Path) -> None:
    """What a Ray worker calls, called here: relative paths are from the command's folder."""
    import json
    from dataclasses import asdict

    from psc.cli.encode_job import EncodeJob
    from psc.cli.encode_options import Goal, PlanChanges
    from psc.cli.worker import Model

    job = EncodeJob(goal=Goal(preset="paper"), changes=PlanChanges(rows=3, steps=2, rounds=1))
    said = json.dumps({"verb": "encode", "job": asdict(job), "model": asdict(Model()), "quiet": True})
    assert ray_pool.begin(said)[1] == ""
    Path("out").mkdir()
    (event,) = ray_pool.attempt(said, "in/a.png", "out/a.psc", str(folder))
    assert (event["figures"]["output"], Path("out/a.psc").exists()) == ("out/a.psc", True)
    (event,) = ray_pool.attempt(said, "in/none.png", "out/none.psc", str(folder))
    assert event["error"].startswith("cannot read the picture in/none.png: ")
