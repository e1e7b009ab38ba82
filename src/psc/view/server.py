"""The page and its pictures over HTTP, for this machine's user alone.

Only GET, only paths that are known, all of them below a word that is drawn anew at each start: who does not
have the address, another user or a page of a stranger's in the same browser, gets nothing. The Host header
must be a name of this machine, so that no other name can be made to lead here (DNS rebinding).
"""

import ipaddress
import json
import re
import secrets
import socket
import sys
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from importlib.resources import files
from socketserver import TCPServer, ThreadingMixIn
from typing import Any
from urllib.parse import parse_qs, urlsplit

from psc.errors import PscError
from psc.view.comparison import Comparison
from psc.view.gallery import VIEWS
from psc.view.worker import Job, Worker

HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; img-src blob: data:; connect-src 'self'; "
    "script-src 'unsafe-inline'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
SECONDS = 30
"""A client that sends nothing for so long is left."""
Answer = tuple[str, bytes]
"""Content type and body."""


class Server(ThreadingMixIn, TCPServer):
    """Serves a worker's pictures from when it is made; ``serve_forever`` until Ctrl-C.

    Attributes:
        worker: Whose pictures are served.
        facts: What the page says of the file.
        host: That it serves at.
        word: The secret part of the page's address.
        comparison: Other codecs, if the original is known.
    """

    daemon_threads = True
    allow_reuse_address = sys.platform != "win32"

    def __init__(self, worker: Worker, facts: dict[str, Any], host: str, port: int) -> None:
        self.worker, self.facts, self.host, self.word = worker, facts, host, secrets.token_urlsafe(16)
        original = worker.decoding.gallery.original
        self.comparison = None if original is None else Comparison(original)
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            super().__init__((host, port), _Handler)
        except (OSError, OverflowError) as error:
            raise PscError(f"cannot serve at {host}, port {port}: {error}; choose another --port") from error

    @property
    def url(self) -> str:
        """Where the page is."""
        host = socket.gethostname() if self.host in ("0.0.0.0", "::") else self.host
        host = f"[{host}]" if ":" in host else host
        return f"http://{host}:{self.server_address[1]}/{self.word}/"

    def knows(self, host: str) -> bool:
        """Whether a Host header names this machine. An address always does; a name may have been made to."""
        name = ""
        try:
            name = urlsplit(f"//{host}").hostname or ""
            ipaddress.ip_address(name)
        except ValueError:
            return name in ("localhost", self.host.lower(), socket.gethostname().lower())
        return True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Pass over clients that have gone; everything else is a defect, and shown."""
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            super().handle_error(request, client_address)

    def answer(self, path: str, query: str) -> Answer | None:
        """What is at a path below the word; None if nothing is."""
        if path == "":
            return "text/html; charset=utf-8", files("psc.view").joinpath("page.html").read_bytes()
        if path == "state.json":
            self.worker.wish(_wish(query))
            return _json(self._state())
        if path == "file.psc":
            return "application/octet-stream", self.worker.decoding.data
        if path == "original.png":
            return self._original()
        if found := re.fullmatch(r"picture/(\d{1,5})/([a-z]+)\.png", path):
            return self._picture(int(found[1]), found[2])
        if found := re.fullmatch(r"other/([a-z0-9]+)/(\d{1,5})\.(json|png)", path):
            return self._other(found[1], int(found[2]), found[3])
        return None

    def _state(self) -> dict[str, Any]:
        others = self.comparison.codecs.values() if self.comparison else ()
        known = [{"name": other.name, "label": other.label} for other in others]
        return self.facts | {"original": self.comparison is not None, "others": known} | self.worker.state()

    def _original(self) -> Answer | None:
        return ("image/png", self.comparison.original) if self.comparison else None

    def _picture(self, number: int, view: str) -> Answer | None:
        pictures = self.worker.decoding.gallery.pictures
        found = next((pictures.get((number, known)) for known in VIEWS if known == view), None)
        return None if found is None else ("image/png", found.png)

    def _other(self, name: str, number: int, kind: str) -> Answer | None:
        moments = self.worker.decoding.moments
        if not self.comparison or name not in self.comparison.codecs or not 1 <= number <= len(moments):
            return None
        found = self.comparison.at(name, moments[number - 1].size)
        if kind == "png":
            return "image/png", found.png
        return _json({"size": found.size, "psnr": found.psnr, "fits": found.fits})


class _Handler(BaseHTTPRequestHandler):
    """Answers the requests of one connection."""

    server: Server
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "psc", ""
    timeout = SECONDS

    def do_GET(self) -> None:
        """Answer, or say that there is nothing."""
        if not self.server.knows(self.headers.get("Host", "")):
            self._send(HTTPStatus.MISDIRECTED_REQUEST, ("text/plain", b"not a name of this machine\n"))
            return
        path, _, query = self.path.partition("?")
        _, word, *rest = [*path.split("/", 2), ""][:3]
        known = secrets.compare_digest(word.encode(), self.server.word.encode()) and path.count("/") > 1
        try:
            answer = self.server.answer(rest[0], query) if known else None
        except (PscError, OSError, ValueError) as error:  # a codec that does not take this picture
            self._send(HTTPStatus.UNPROCESSABLE_ENTITY, ("text/plain; charset=utf-8", f"{error}\n".encode()))
            return
        if answer is None:
            self._send(HTTPStatus.NOT_FOUND, ("text/plain", b"nothing is here\n"))
        else:
            self._send(HTTPStatus.OK, answer)

    def _send(self, status: HTTPStatus, answer: Answer) -> None:
        self.send_response(status)
        for name, value in (HEADERS | {"Content-Type": answer[0]}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer[1])))
        self.end_headers()
        self.wfile.write(answer[1])

    def log_message(self, *_: object) -> None:
        """Keep requests off the terminal."""


def _json(value: object) -> Answer:
    return "application/json", json.dumps(value).encode()


def _wish(query: str) -> Job | None:
    """The restoration that the page's ?round=N&view=NAME asks for, if it is sound."""
    fields = parse_qs(query)
    number, view = fields.get("round", [""])[0], fields.get("view", [""])[0]
    if not (number.isdecimal() and number.isascii() and len(number) < 6):
        return None
    return next(((int(number), known) for known in VIEWS if known == view), None)
