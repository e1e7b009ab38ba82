"""The picture of the page in docs/view.md: at a desk, and on a telephone. Needs Chromium.

    python -m docs.view_picture

Writes docs/pictures/view.webp. Takes a few minutes on two cores.
"""

import io
import threading
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image
from tests.browser import Browser

import psc
from psc import load_prior
from psc.images.opening import read_image
from psc.view.server import Server
from psc.view.worker import Worker

HERE = Path(__file__).parent
SOURCE, BPP = HERE.parent / "examples/chelsea.png", 0.15
DESK, TELEPHONE = (1280, 800), (390, 844)
GAP = 24
READY = "state && state.ended && !state.job && beside.every(rival => rival.shown && !rival.searching)"


def screenshots(url: str) -> list[Image.Image]:
    """The page with the overlay, dark, at a desk; and without, on a telephone."""
    with TemporaryDirectory(ignore_cleanup_errors=True) as folder, Browser(Path(folder)) as browser:
        found = []
        for size, how in ((DESK, {"dark": True}), (TELEPHONE, {"mobile": True})):
            browser.resize(*size, **how)
            browser.open(url)
            browser.wait(READY, 600)
            if size == DESK:
                browser.run("at('overlay').click()")
                browser.wait("!at('map').hidden && at('map').complete")
            browser.run("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
            browser.screenshot(path := Path(folder, "page.png"))
            found.append(Image.open(io.BytesIO(path.read_bytes())).convert("RGB"))
    return found


def main() -> None:
    original = read_image(SOURCE).convert("RGB")
    data, prior = psc.encode(original, target_bpp=BPP), load_prior()
    worker = Worker(data, prior, original)
    with Server(worker, psc.info(data) | {"name": SOURCE.stem, "bytes": len(data)}, "127.0.0.1", 0) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        worker.start()
        desk, telephone = screenshots(server.url)
        server.shutdown()
        worker.close()
    telephone = telephone.resize((telephone.width * desk.height // telephone.height, desk.height))
    whole = Image.new("RGB", (desk.width + GAP + telephone.width, desk.height), "white")
    whole.paste(desk, (0, 0))
    whole.paste(telephone, (desk.width + GAP, 0))
    whole.save(HERE / "pictures/view.webp", quality=85, method=6)


if __name__ == "__main__":
    main()
