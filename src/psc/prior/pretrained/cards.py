"""Model cards: what is known about a prior without having it. The data is in cards.toml."""

import functools
import importlib.resources
import tomllib
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Source:
    """Where a model's files can be had: a repository of the Hugging Face hub at a revision, or an address."""

    repository: str = ""
    revision: str = ""
    url: str = ""

    def __str__(self) -> str:
        return self.url or f"{self.repository}, revision {self.revision or 'main (none is pinned)'}"


@dataclass(frozen=True)
class File:
    """A file of weights: its path in the source, and its SHA-256 (hex), empty if that is not known."""

    path: str
    sha256: str


@dataclass(frozen=True)
class Card:
    """What is known about a model.

    Attributes:
        name: By which it is loaded.
        about: A line for people.
        licence: Of the weights.
        native_size: Side of the training pictures in pixels.
        parametrisation: What it predicts, for people.
        files: The weights.
        sources: Where they are from: the first one, then mirrors; none if they are inside the package.
        also: Patterns of small files that belong to them.
        model: For OpenAI's checkpoints, what :func:`psc.prior.pretrained.checkpoint.load_checkpoint` must
            know.
    """

    name: str
    about: str
    licence: str
    native_size: int
    parametrisation: str
    files: tuple[File, ...]
    sources: tuple[Source, ...] = ()
    also: tuple[str, ...] = ()
    model: dict[str, Any] = field(default_factory=dict)


@functools.cache
def cards() -> dict[str, Card]:
    """All cards by name."""
    text = importlib.resources.files("psc.prior.pretrained").joinpath("cards.toml").read_text()
    return {name: _card(name, fields) for name, fields in tomllib.loads(text).items()}


def _card(name: str, fields: dict[str, Any]) -> Card:
    files = tuple(File(**file) for file in fields.pop("files"))
    sources = tuple(Source(**source) for source in fields.pop("sources", ()))
    return Card(name=name, files=files, sources=sources, also=tuple(fields.pop("also", ())), **fields)
