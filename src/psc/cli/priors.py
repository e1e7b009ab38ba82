"""The commands ``psc priors`` and ``psc priors fetch``."""

import dataclasses
import json
from typing import Annotated

import typer

from psc import files
from psc.errors import PscError

app = typer.Typer(help="Diffusion models that psc can use, by name.", rich_markup_mode=None)


@app.callback(invoke_without_command=True)
def priors(
    context: typer.Context, as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False
) -> None:
    """List the priors that are known by name (docs/priors.md has the others)."""
    if context.invoked_subcommand is not None:
        return
    with files.reported():
        from psc.prior.pretrained.cards import cards
        from psc.prior.pretrained.download import found

        here = {name: not card.sources or found(card) is not None for name, card in cards().items()}
        if as_json:
            typer.echo(json.dumps([dataclasses.asdict(c) | {"here": here[n]} for n, c in cards().items()]))
            return
        for name, card in cards().items():
            state = "ready" if here[name] else "not fetched"
            typer.echo(f"{name:25} {state:12} {card.about}\n{'':38} {card.licence}")


@app.command()
def fetch(name: Annotated[str, typer.Argument(help="One of `psc priors`.")]) -> None:
    """Download a prior's weights and check them against its model card."""
    with files.reported():
        from psc.prior.pretrained import download
        from psc.prior.pretrained.cards import cards

        card = cards().get(name)
        if card is None:
            raise PscError(f"no model card is called {name!r}; expected one of: {', '.join(cards())}")
        record = download.fetch(card)
        typer.echo(f"{name}: {record.path}, from {record.source}", err=True)
        for file in card.files:
            verdict = "as its card says" if file.sha256 else "noted: its card has none to compare with"
            typer.echo(f"SHA-256 {record.sha256[file.path]}  {file.path}  ({verdict})", err=True)
