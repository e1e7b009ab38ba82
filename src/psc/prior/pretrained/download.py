"""Fetched models: downloaded, checked against their cards, and noted in a record.

A record (NAME.json in the cache folder) is written last, and in one step, when every file has been checked:
a model is there if its record and its files are. Hub models stay in the hub's own cache, shared with other
programs; what has a plain address goes into the cache folder.
"""

import hashlib
import json
import os
import secrets
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from psc.errors import PscError
from psc.files import cache_folder
from psc.prior.pretrained.cards import Card, Source
from psc.prior.pretrained.hub import needed

PIECE = 2**22
"""Bytes that are fetched at once."""
OFFLINE = "HF_HUB_OFFLINE"


@dataclass(frozen=True)
class Record:
    """What was fetched.

    Attributes:
        path: The folder or the checkpoint.
        source: Where it is from, for people.
        sha256: Hex digest of each file, by its name, as seen.
    """

    path: Path
    source: str
    sha256: dict[str, str]


def found(card: Card) -> Path | None:
    """The model's folder or checkpoint, if it has been fetched and is still there."""
    record = _read(card)
    if record is None:
        return None
    folder = record.path if record.path.is_dir() else record.path.parent
    return record.path if all((folder / file.path).is_file() for file in card.files) else None


def fetch(card: Card) -> Record:
    """Download a model from the first of its sources that has it, and check it; PscError if none has."""
    if not card.sources:
        raise PscError(f"the prior {card.name} ships inside the package: there is nothing to fetch")
    before, reasons = _read(card), []
    for source in card.sources:
        try:
            folder = _from_hub(source, card) if source.repository else _from_url(source, card)
            return _checked(card, source, folder, before)
        except (PscError, OSError) as error:
            reasons.append(f"{source}: {' '.join(str(error).split())}")
    raise PscError(f"the prior {card.name} could not be fetched: {'; '.join(reasons)}")


def _from_hub(source: Source, card: Card) -> Path:
    wanted = [file.path for file in card.files] + list(card.also)
    hub = needed("huggingface_hub")
    try:
        return Path(hub.snapshot_download(source.repository, revision=source.revision or None,
                                          allow_patterns=wanted))  # fmt: skip
    except OSError:
        raise
    except Exception as error:  # the hub's client lets its transport's errors through
        raise PscError(str(error)) from error


def _from_url(source: Source, card: Card) -> Path:
    folder = cache_folder() / card.name
    folder.mkdir(parents=True, exist_ok=True)
    for file in card.files:
        path = folder / file.path
        if not path.is_file() or (file.sha256 and _sha256(path) != file.sha256):
            if os.environ.get(OFFLINE, "").lower() in ("1", "true", "yes", "on"):
                raise PscError(f"{OFFLINE} is set, and {file.path} is not here")
            _download(f"{source.url}/{file.path}", path, file.sha256)
    return folder


def _download(url: str, target: Path, sha256: str) -> None:
    """Download a file, which appears whole and with the right digest, or not at all."""
    temporary = target.with_name(f".{target.name}-{secrets.token_hex(4)}.tmp")
    digest = hashlib.sha256()
    try:
        with urllib.request.urlopen(url) as remote, temporary.open("xb") as local:
            size = int(remote.headers.get("Content-Length") or 0) or None
            with tqdm(total=size, unit="B", unit_scale=True, desc=target.name, disable=None) as bar:
                while chunk := remote.read(PIECE):
                    digest.update(chunk)
                    local.write(chunk)
                    bar.update(len(chunk))
        _compare(target.name, digest.hexdigest(), sha256, "its card says")
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def _checked(card: Card, source: Source, folder: Path, before: Record | None) -> Record:
    """The record of files that are what the card, or an earlier fetch, says; written to disk."""
    seen = {}
    for file in card.files:
        if not (folder / file.path).is_file():
            raise PscError(f"{file.path} is not among the files")
        seen[file.path] = _sha256(folder / file.path)
        _compare(file.path, seen[file.path], file.sha256, "its card says")
        _compare(file.path, seen[file.path], before.sha256.get(file.path, "") if before else "",
                 "an earlier fetch saw")  # fmt: skip
    path = folder / card.files[0].path if card.model else folder
    record = Record(path.absolute(), str(source), seen)
    _write(card, record)
    return record


def _compare(name: str, seen: str, expected: str, who: str) -> None:
    if expected and seen != expected:
        raise PscError(f"{name} has the SHA-256 {seen}, but {who} {expected}: it is not used")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read(card: Card) -> Record | None:
    try:
        fields = json.loads((cache_folder() / f"{card.name}.json").read_text())
        return Record(Path(fields["path"]), fields["source"], dict(fields["sha256"]))
    except (OSError, ValueError, KeyError, TypeError, PscError):
        return None  # none, or one that cannot be read: fetch writes it anew


def _write(card: Card, record: Record) -> None:
    fields = {"path": str(record.path), "source": record.source, "sha256": record.sha256}
    cache_folder().mkdir(parents=True, exist_ok=True)
    temporary = cache_folder() / f".{card.name}-{secrets.token_hex(4)}.tmp"
    temporary.write_text(json.dumps(fields, indent=1) + "\n")
    temporary.replace(cache_folder() / f"{card.name}.json")
