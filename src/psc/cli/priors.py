"""The commands ``psc priors`` and ``psc priors fetch``."""

import dataclasses
import json
from typing import Annotated

import typer

from psc.cli import console, options
from psc.errors import PscError

app = typer.Typer(help="Diffusion models that psc can use, by name.", rich_markup_mode=None)


@app.callback(invoke_without_command=True)
def priors(context: typer.Context, as_json: options.AsJson = False) -> None:
    """List the priors that are known by name (docs/priors.md has the others)."""
    if context.invoked_subcommand is not None:
        return
    with console.reported():
        from psc.prior.pretrained import cards, download

        known = cards.cards()
        here = {name: not card.sources or download.found(card) is not None for name, card in known.items()}
        if as_json:
            typer.echo(json.dumps([dataclasses.asdict(c) | {"here": here[n]} for n, c in known.items()]))
            return
        for name, card in known.items():
            state = "ready" if here[name] else "not fetched"
            typer.echo(f"{name:25} {state:12} {card.about}\n{'':38} {card.licence}")


@app.command()
def fetch(name: Annotated[str, typer.Argument(help="One of `psc priors`.")]) -> None:
    """Download a prior's weights and check them against its model card."""
    with console.reported():
        from psc.prior.pretrained import cards, download

        card = cards.cards().get(name)
        if card is None:
            raise PscError(f"no model card is called {name!r}; expected one of: {', '.join(cards.cards())}")
        record = download.fetch(card)
        console.say(f"{name}: {record.path}, from {record.source}")
        for file in card.files:
            verdict = "as its card says" if file.sha256 else "noted: its card has none to compare with"
            console.say(f"SHA-256 {record.sha256[file.path]}  {file.path}  ({verdict})")
