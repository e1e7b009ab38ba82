"""psc view: what the page is told, that its pictures are the decoder's, and who is turned away."""

import http.client
import io
import json
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import psc
from psc import PscError, prior
from psc.cli import app
from psc.evaluate.codecs import nearest_below
from psc.images import uncertainty
from psc.prior import HaarGaussian
from psc.view import comparison
from psc.view.comparison import Comparison
from psc.view.server import Server
from psc.view.worker import Worker
from tests.browser import PROGRAM, Browser
from tests.conftest import SMALL, interruptible, texture

PRIOR = HaarGaussian(low=1.5, detail=(0.1, 0.25, 0.5))
ROUNDS = len(SMALL.rounds)
NAME = '<b>"a"</b>'


@pytest.fixture(scope="module")
def original() -> Image.Image:
    return Image.fromarray(texture(40, 50))


@pytest.fixture(scope="module")
def data(original: Image.Image) -> bytes:
    return psc.encode_with(original, psc.Settings(SMALL, ROUNDS, 96, seed=3), prior=PRIOR)


class Client:
    """Asks the server, as a page of its own would: with the word, and the right host."""

    def __init__(self, server: Server) -> None:
        self.port, self.word = server.server_address[1], f"/{server.word}/"

    def ask(self, path: str, *, method: str = "GET", host: str = "127.0.0.1") -> tuple[int, Any, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        connection.putrequest(method, path, skip_host=True)
        connection.putheader("Host", host)
        connection.endheaders()
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        return answer.status, answer.headers, body

    def get(self, path: str) -> bytes:
        status, _, body = self.ask(self.word + path)
        assert status == 200, (path, status, body)
        return body

    def json(self, path: str) -> Any:
        return json.loads(self.get(path))

    def state(
        self, query: str = "", until: Callable[[Any], bool] = lambda s: s["ended"] and not s["job"]
    ) -> Any:
        end = time.monotonic() + 60
        while not until(state := self.json(f"state.json{query}")):
            assert time.monotonic() < end, state
            time.sleep(0.01)
        return state

    def picture(self, path: str) -> Image.Image:
        return Image.open(io.BytesIO(self.get(path)))


@contextmanager
def served(data: bytes, original: Image.Image | None = None, model: prior.Prior = PRIOR) -> Iterator[Client]:
    worker = Worker(data, model, original)
    with Server(worker, psc.info(data) | {"name": NAME, "bytes": len(data)}, "127.0.0.1", 0) as server:
        loop = threading.Thread(target=server.serve_forever, args=(0.01,))
        loop.start()
        worker.start()
        try:
            yield Client(server)
        finally:
            server.shutdown()
            worker.close()
            loop.join()


@pytest.fixture(scope="module")
def client(data: bytes, original: Image.Image) -> Iterator[Client]:
    """Of a file with its original; what a test asks for stays there."""
    with served(data, original) as found:
        found.state()
        yield found


def same(a: Image.Image, b: Image.Image) -> bool:
    return a.mode == b.mode and np.array_equal(np.asarray(a), np.asarray(b))


# Pictures


def test_every_round_is_shown_as_it_is_decoded(client: Client, data: bytes, original: Image.Image) -> None:
    moments = client.state()["moments"]
    steps = list(psc.decode_progressively(data, prior=PRIOR))
    assert [m["number"] for m in moments] == [1, 2, 3, 4, 5]
    assert [m["symbols"] for m in moments] == [step.symbols for step in steps]
    assert [m["scale"] for m in moments] == [4, 4, 4, 1, 1]
    for moment, step in zip(moments, steps, strict=True):
        shown = client.picture(f"picture/{moment['number']}/preview.png")
        assert same(shown, step.image)
        error = np.asarray(shown, float) - np.asarray(original, float)
        assert moment["views"]["preview"] == pytest.approx(10 * np.log10(255**2 / np.mean(error**2)))


def test_sizes_are_those_of_the_shorter_files(client: Client, data: bytes) -> None:
    for moment in client.state()["moments"]:
        shorter = len(psc.keep_rounds(data, moment["number"], prior=PRIOR))
        assert shorter - 1 <= moment["size"] <= shorter + 1
    assert client.state()["moments"][-1]["size"] == len(data)


def test_the_last_round_is_restored_unasked(client: Client, data: bytes) -> None:
    assert set(client.state()["moments"][-1]["views"]) == {"preview", "mean", "sample", "uncertainty"}
    for view in ("mean", "sample"):
        assert same(client.picture(f"picture/5/{view}.png"), psc.decode(data, restoration=view, prior=PRIOR))
    found = psc.decode_details(data, uncertainty=True, prior=PRIOR)
    assert found.deviation is not None
    assert same(client.picture("picture/5/uncertainty.png"), uncertainty.coloured(found.deviation))
    top = client.state()["moments"][-1]["views"]["uncertainty"]
    assert top == pytest.approx(max(1, np.percentile(found.deviation, 99.8)))


@pytest.mark.parametrize("view", ["mean", "sample", "uncertainty"])
@pytest.mark.parametrize("number", [1, 3, 4])
def test_a_wish_is_drawn_as_the_shorter_file_decodes(
    client: Client, data: bytes, number: int, view: str
) -> None:
    query = f"?round={number}&view={view}"
    client.state(query, until=lambda s: view in s["moments"][number - 1]["views"])
    shorter = psc.keep_rounds(data, number, prior=PRIOR)
    if view == "uncertainty":
        found = psc.decode_details(shorter, uncertainty=True, prior=PRIOR)
        assert found.deviation is not None
        expected = uncertainty.coloured(found.deviation)
    else:
        expected = psc.decode(shorter, restoration="mean" if view == "mean" else "sample", prior=PRIOR)
    assert same(client.picture(f"picture/{number}/{view}.png"), expected)


def test_other_codecs_are_as_small_or_say_that_they_cannot(client: Client, original: Image.Image) -> None:
    sizes = [moment["size"] for moment in client.state()["moments"]]
    assert client.state()["others"][0] == {"name": "jpeg", "label": "JPEG"}
    smallest = io.BytesIO()
    original.save(smallest, "JPEG", quality=1, progressive=True, optimize=True, subsampling="4:2:0")
    first, last = (client.json(f"other/jpeg/{number}.json") for number in (1, 5))
    assert (first["size"], first["fits"]) == (len(smallest.getvalue()), False)
    assert last["fits"] == (last["size"] <= sizes[-1])
    assert same(client.picture("other/jpeg/1.png"), Image.open(smallest).convert("RGB"))
    assert same(client.picture("original.png"), original)


@pytest.mark.parametrize("name", ["jpeg", "jpeg2000", "webp", "avif"])
@pytest.mark.parametrize("size", [100, 600, 10_000])
def test_a_file_is_found_without_much_larger_ones(original: Image.Image, name: str, size: int) -> None:
    made, tried = Comparison(original), set()

    def encode(image: Image.Image, setting: int) -> bytes:
        tried.add(setting)
        return codec.encode(image, setting)

    codec = made.codecs[name]
    made.codecs[name] = replace(codec, encode=encode)
    expected = nearest_below(codec, original, size)
    assert made.at(name, size).size == len(expected.data)
    assert max(tried) - codec.settings[0] <= 2 * max(1, expected.setting - codec.settings[0])


def test_no_two_saves_share_a_picture(original: Image.Image, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pillow keeps a save's options on the picture, where another codec's save would find them."""
    seen = []

    def encode(image: Image.Image, setting: int) -> bytes:
        seen.append(image)
        return known["jpeg"].encode(image, setting)

    known = comparison.codecs()
    monkeypatch.setattr(
        comparison, "codecs", lambda: {n: replace(c, encode=encode) for n, c in known.items()}
    )
    made = Comparison(original)
    for name in ("jpeg", "webp"):
        made.at(name, 600)
    assert len({id(image) for image in seen}) == len(seen) > 4
    assert all(np.array_equal(image, original) for image in seen)


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_every_codec_takes_grey_and_colours_without_their_profile(original: Image.Image, mode: str) -> None:
    picture = original.convert(mode)
    made = Comparison(picture)
    profiled = picture.copy()
    profiled.info["icc_profile"] = bytes(5000)
    for name in made.codecs:
        found = made.at(name, 10)
        assert not found.fits
        assert found.size == Comparison(profiled).at(name, 10).size < 5000
        assert (Image.open(io.BytesIO(found.png)).mode, found.psnr > 5) == (mode, True)


def test_a_scale_is_dark_at_zero_and_bright_at_its_top() -> None:
    ramp = np.linspace(0, 50, 1001, dtype=np.float32)[None]
    colours = np.asarray(uncertainty.coloured(ramp)).astype(int)
    assert tuple(colours[0, 0]) == uncertainty.STOPS[0]
    assert tuple(colours[0, -1]) == uncertainty.STOPS[-1]
    assert tuple(colours[0, 499]) == pytest.approx(uncertainty.STOPS[2], abs=2)
    assert (np.diff(colours.sum(2)) >= -1).all()
    assert uncertainty.top_of(np.zeros((4, 4), np.float32)) == 1


# Files that are not whole, and what cannot be shown


def test_a_cut_file_ends_with_what_is_certain(data: bytes) -> None:
    cut = psc.truncate(data, size=len(data) * 2 // 3)
    steps = list(psc.decode_progressively(cut, prior=PRIOR))
    with served(cut) as client:
        state = client.state()
        assert [m["symbols"] for m in state["moments"]] == [step.symbols for step in steps]
        assert not state["moments"][-1]["whole"]
        assert state["moments"][-1]["size"] == len(cut)
        assert same(client.picture(f"picture/{len(steps)}/mean.png"), psc.decode(cut, prior=PRIOR))


def test_a_damaged_file_is_shown_as_far_as_it_goes(data: bytes) -> None:
    body = bytearray(data)
    body[-len(data) // 3] ^= 255
    with served(bytes(body)) as client:
        state = client.state()
        assert "checksum" in state["note"]
        assert state["moments"]
        assert client.picture("picture/1/preview.png").size == (50, 40)


def test_without_an_original_there_is_nothing_to_compare(data: bytes) -> None:
    with served(data) as client:
        state = client.state()
        assert (state["original"], state["others"]) == (False, [])
        assert state["moments"][0]["views"] == {"preview": None}
        for path in ("original.png", "other/jpeg/1.json"):
            assert client.ask(client.word + path)[0] == 404


def test_what_cannot_be_shown_is_refused_at_once(data: bytes) -> None:
    with pytest.raises(PscError, match="60x40.*50x40"):
        Worker(data, PRIOR, Image.fromarray(texture(40, 60)))
    with pytest.raises(PscError, match="prior"):
        Worker(data, HaarGaussian())
    worker = Worker(data, PRIOR)
    with (
        Server(worker, {}, "127.0.0.1", 0) as server,
        pytest.raises(PscError, match=f"port {server.server_address[1]}.*choose another"),
    ):
        Server(worker, {}, "127.0.0.1", server.server_address[1])
    with pytest.raises(PscError, match="cannot serve"):
        Server(worker, {}, "256.0.0.1", 0)


# Strangers


def test_the_page_is_one_file_and_lets_nobody_in(client: Client) -> None:
    status, headers, body = client.ask(client.word)
    assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert headers["Access-Control-Allow-Origin"] is None
    assert headers["Referrer-Policy"] == "no-referrer"
    for word in (b"http:", b"https:", b"//cdn", b"innerHTML", b"eval(", b"@import", b"<script src"):
        assert word not in body, word


@pytest.mark.parametrize("path", ["/", "*", "//", "/state.json", "/wrong/", "/wrong/state.json", "/%C3%A9/"])
def test_who_does_not_know_the_word_gets_nothing(client: Client, path: str) -> None:
    status, _, body = client.ask(path)
    assert status == 404
    assert client.word.encode() not in body


@pytest.mark.parametrize("path", [b"/\xe9/", b"/\0/\xff", b"http://127.0.0.1/", b"/ /"])
def test_bytes_that_are_no_path(client: Client, path: bytes, capfd: pytest.CaptureFixture[str]) -> None:
    with socket.create_connection(("127.0.0.1", client.port), timeout=30) as connection:
        connection.sendall(b"GET " + path + b" HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
        assert connection.recv(1000).split()[1] in (b"400", b"404")
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    "path",
    [
        "../page.html", "page.html", "%2e%2e/%2e%2e/etc/passwd", "picture/../../server.py", "/etc/passwd",
        "picture/1/preview.png/", "picture/0/preview.png", "picture/99999/mean.png", "picture/1/psnr.png",
        "picture/-1/mean.png", "picture/999999999999/mean.png", "other/jpeg/0.json", "other/jpeg/6.json",
        "other/heic/1.json", "other/__class__/1.png", "state.json/", "\\\\", "file.psc\0",
    ],
)  # fmt: skip
def test_only_known_paths_lead_somewhere(client: Client, path: str) -> None:
    quoted = path.replace("\0", "%00")
    assert client.ask(client.word + quoted)[0] == 404


@pytest.mark.parametrize(
    "query", ["?round=1", "?round=x&view=mean", "?round=9&view=mean", "?view=%00", "?&&="]
)
def test_a_strange_wish_is_no_wish(client: Client, query: str) -> None:
    assert client.state(query)["ended"]


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:8000", 200), ("localhost", 200), ("LOCALHOST:80", 200), ("[::1]:8000", 200),
        ("192.168.1.5", 200), ("example.org", 421), ("127.0.0.1.example.org:80", 421), ("", 421),
        ("localhost.example.org", 421), ("[", 421),
    ],
)  # fmt: skip
def test_other_names_for_this_machine_are_turned_away(client: Client, host: str, status: int) -> None:
    assert client.ask(client.word, host=host)[0] == status


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "HEAD"])
def test_there_is_nothing_but_get(client: Client, method: str) -> None:
    assert client.ask(client.word, method=method)[0] == 501


def test_the_file_itself(client: Client, data: bytes) -> None:
    assert client.get("file.psc") == data


# The thread


class Slow(HaarGaussian):
    """Waits before every evaluation at full resolution."""

    def denoise(self, x: torch.Tensor, sigma: float, scale: int = 1) -> torch.Tensor:
        time.sleep(0.02 if scale == 1 else 0)
        return super().denoise(x, sigma, scale)


def test_the_page_is_there_before_the_pictures(data: bytes) -> None:
    with served(data, model=Slow(PRIOR.low, PRIOR.detail)) as client:
        assert client.get("").startswith(b"<!doctype html>")
        state = client.state(until=lambda s: len(s["moments"]) >= 3)
        assert not state["ended"]
        assert (state["job"]["number"], state["job"]["view"]) == (len(state["moments"]) + 1, "preview")


def test_a_wish_comes_before_the_next_round_and_is_dropped_for_another(data: bytes) -> None:
    worker = Worker(data, Slow(PRIOR.low, PRIOR.detail))
    decoding = worker.decoding
    for _ in range(3):
        decoding.step()
    worker.wish((2, "mean"))
    assert worker._next() == (2, "mean")
    worker._follow(0.1)
    worker.wish((2, "uncertainty"))  # comes with the mean
    worker._follow(0.2)
    worker.wish((1, "sample"))
    worker._do((2, "mean"))
    assert (2, "mean") not in decoding.gallery.pictures
    assert worker._next() == (1, "sample")
    worker._do((1, "sample"))
    assert (1, "sample") in decoding.gallery.pictures
    assert worker._next() == (4, "preview")


def test_closing_does_not_wait_for_the_rest(data: bytes) -> None:
    worker = Worker(data, Slow(PRIOR.low, PRIOR.detail))
    worker.start()
    while len(worker.decoding.moments) < 3:
        time.sleep(0.01)
    worker.close()
    assert not worker.decoding.ended
    assert worker.failure is None


def test_a_defect_ends_the_thread_and_is_told(data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    with served(data) as client:
        client.state()
    worker = Worker(data, PRIOR)
    monkeypatch.setattr(worker.decoding, "step", lambda: 1 / 0)
    worker.start()
    worker._thread.join()
    assert isinstance(worker.failure, ZeroDivisionError)
    assert "ZeroDivisionError" in worker.state()["note"]
    assert worker.state()["ended"]


# The command


SCRIPT = """
from psc import prior
from psc.cli import app
prior.load_prior = lambda name, **how: prior.HaarGaussian(1.5, (0.1, 0.25, 0.5))
app.main()
"""


@contextmanager
def command(*arguments: object) -> Iterator[tuple["subprocess.Popen[str]", str]]:
    """The command in a process of its own, and the address that it prints."""
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, "view", *map(str, arguments), "--no-browser"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        preexec_fn=interruptible,
    )  # fmt: skip
    try:
        assert process.stdout
        yield process, process.stdout.readline().strip()
    finally:
        process.kill()
        process.communicate()


def test_a_file_on_the_command_line_until_ctrl_c(tmp_path: Path, data: bytes, original: Image.Image) -> None:
    (tmp_path / "a.psc").write_bytes(data)
    original.save(tmp_path / "a.png")
    with command(tmp_path / "a.psc", "--original", tmp_path / "a.png") as (process, url):
        assert url.startswith("http://127.0.0.1:")
        assert len(url.split("/")[3]) >= 20
        connection = http.client.HTTPConnection(url.split("/")[2], timeout=30)
        connection.request("GET", "/" + url.split("/", 3)[3] + "state.json")
        state = json.loads(connection.getresponse().read())
        connection.close()
        assert (state["name"], state["bytes"], state["original"]) == ("a", len(data), True)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
        assert (process.returncode, out, err) == (0, "", "")


def test_a_picture_is_encoded_first(tmp_path: Path, original: Image.Image) -> None:
    original.save(tmp_path / "a.png")
    with command(tmp_path / "a.png", "-q", "5", "--host", "0.0.0.0") as (process, url):
        assert url.endswith("/")
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
        assert process.returncode == 0
        assert "psc: warning: whoever can reach 0.0.0.0" in err
        assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["a.psc", "-q", "50"], "encoded already"),
        (["a.png", "--original", "a.png"], "a picture is its own"),
        (["b.png"], "cannot read b.png"),
        (["a.txt"], "not a picture"),
        (["a.psc", "--original", "other.png"], "not of one picture"),
        (["a.png", "-q", "5", "--target-size", "100"], "at most one of"),
    ],
)
def test_what_is_wrong_is_one_line(
    arguments: list[str], words: str, tmp_path: Path, data: bytes, original: Image.Image,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(prior, "load_prior", lambda name, **how: PRIOR)
    Path("a.psc").write_bytes(data)
    Path("a.txt").write_text("no picture")
    original.save("a.png")
    original.crop((0, 0, 20, 20)).save("other.png")
    monkeypatch.setattr(sys, "argv", ["psc", "view", *arguments, "--no-browser"])
    with pytest.raises(SystemExit) as end:
        app.main()
    out, err = capsys.readouterr()
    assert (end.value.code, out, err.count("\n")) == (1, "", 1)
    assert words in err


# The page


FIGURES = "[...document.querySelectorAll('figure')].filter(f => f.offsetParent)"
SETTLED = "beside.length === 2 && beside.every(rival => rival.shown && !rival.searching)"


def test_everything_that_can_be_moved_has_a_name() -> None:
    page = files("psc.view").joinpath("page.html").read_text()
    found = re.findall(r"(<label[^>]*>)?<(input|select|button|progress)\b([^>]*)>", page)
    assert len(found) >= 7
    for label, kind, attributes in found:
        assert label or re.search(r'aria-label="[a-zA-Z ]+"', attributes), (kind, attributes)


class Page:
    """The page of the client's file, in Chromium, as it is when everything is drawn."""

    def __init__(self, browser: Browser, client: Client) -> None:
        self.browser, self.run, self.wait = browser, browser.run, browser.wait
        browser.open(f"http://127.0.0.1:{client.port}{client.word}")
        self.wait("state && state.ended && !state.job && at('name-of-ours').textContent === 'PSC: mean'")
        self.wait(f"{SETTLED} && at('left').naturalWidth === 50")

    def text(self, name: str) -> str:
        return str(self.run(f"at('{name}').textContent"))

    def choose(self, group: str, value: str) -> None:
        self.run(f"document.querySelector('#{group} input[value=\"{value}\"]').click()")


@pytest.fixture
def page(tmp_path: Path, client: Client) -> Iterator[Page]:
    if PROGRAM is None:
        pytest.skip("there is no Chromium")
    with Browser(tmp_path) as browser:
        found = Page(browser, client)
        yield found
        assert browser.errors == []


@pytest.mark.slow
def test_the_page_goes_through_the_rounds(page: Page, data: bytes) -> None:
    assert page.text("name") == NAME, "a name is text"
    assert page.text("size") == f"{len(data):,} bytes"
    last = page.run("at('left').src")
    page.run("go(2)")  # the slider's handler
    page.wait(f"at('left').src !== {json.dumps(last)} && current().views.mean !== undefined")
    assert "round 2 of 5" in page.text("rate")
    page.run("go(1); at('play').click()")
    page.wait("current().number === 5 && !ui.playing")


@pytest.mark.slow
def test_the_page_has_four_beside_each_other(page: Page, client: Client, data: bytes) -> None:
    def caption(name: str) -> str:
        found = client.json(f"other/{name}/5.json")
        return f"{found['size']:,} bytes{found['psnr']:.2f} dB"

    ours = f"{len(data):,} bytes{client.state()['moments'][-1]['views']['mean']:.2f} dB"
    captions = f"{FIGURES}.map(f => f.querySelector('figcaption').textContent.trim())"
    assert page.run(captions)[1:] == [ours, caption("avif"), caption("jpeg")]
    assert page.run(f"{FIGURES}.every(f => f.querySelector('img:not([hidden])').naturalWidth === 50)")
    page.run("beside[1].choice.value = 'webp'; beside[1].choice.onchange()")
    page.wait(f"{SETTLED} && beside[1].shown === 'other/webp/5'")
    assert page.run(captions)[3] == caption("webp")
    page.run("beside[1].choice.value = 'jpeg'; go(2)")
    page.wait(f"{SETTLED} && beside[1].shown === 'other/jpeg/2'")
    assert "JPEG cannot go this low" in page.run(f"{FIGURES}[3].querySelector('.note').textContent")


@pytest.mark.slow
def test_the_page_lays_over_where_samples_differ(page: Page) -> None:
    assert page.run("at('map').hidden && at('legend').hidden")
    page.run("at('overlay').click()")
    page.wait("!at('map').hidden && !at('legend').hidden && at('map').naturalWidth === 50")
    assert page.text("name-of-ours") == "PSC: mean"
    over = "getComputedStyle(at('map'))"
    assert page.run(f"{over}.maskMode === 'luminance' && {over}.maskImage.includes(at('map').src)")
    page.run("go(4)")  # it is drawn for a sample, too
    page.choose("views", "sample")
    page.wait("'uncertainty' in current().views && at('name-of-ours').textContent === 'PSC: sample'")
    page.wait("!at('map').hidden")
    page.choose("views", "uncertainty")  # the map itself
    page.wait("at('map').hidden && at('name-of-ours').textContent === 'PSC: uncertainty'")
    assert not page.run("at('legend').hidden")


@pytest.mark.slow
def test_the_page_has_one_over_the_other_and_zooms(page: Page) -> None:
    page.choose("layouts", "split")
    page.wait("at('psc').querySelector('img.other').naturalWidth === 50")
    assert page.run(f"{FIGURES}.length") == 1
    page.run("at('split').value = 20; at('split').oninput()")
    assert page.run("at('ours').style.clipPath") == "inset(0px 80% 0px 0px)"
    page.choose("layouts", "alone")
    assert page.run("at('bar').offsetParent === null && at('ours').style.clipPath === ''")
    page.choose("layouts", "beside")
    page.browser.resize(800, 800)
    page.choose("zooms", "4")
    page.wait("at('original').querySelector('.stage').offsetWidth === 200")
    page.run("at('psc').querySelector('.scroll').scrollTo(15, 0)")
    page.wait(f"{FIGURES}.every(f => f.querySelector('.scroll').scrollLeft === 15)")


@pytest.mark.slow
def test_the_page_fits_desks_and_telephones(page: Page) -> None:
    def places() -> tuple[int, int]:
        """Columns and rows of pictures."""
        at = page.run(f"{FIGURES}.map(f => [f.offsetLeft, f.querySelector('.scroll').offsetTop])")
        return len({left for left, _ in at}), len({top for _, top in at})

    assert places() == (4, 1)
    page.browser.resize(390, 600, mobile=True)
    assert places() == (2, 2)
    assert page.run("scrollY === 0 && at('bytes').getBoundingClientRect().bottom < innerHeight")
    assert page.run("at('bytes').offsetHeight >= 44")
    for layout in ("beside", "split", "alone"):
        page.choose("layouts", layout)
        for width in (320, 390, 701, 800, 1600):
            page.browser.resize(width, 800, mobile=width < 500)
            page.run("fit()")
            assert page.run("document.documentElement.scrollWidth") <= width
    colours = []
    for dark in (False, True):
        page.browser.resize(1280, 860, dark=dark)
        colours.append(page.run("getComputedStyle(document.body).backgroundColor"))
    assert colours[0] != colours[1]
