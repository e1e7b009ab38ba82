"""A MkDocs hook: the command-line reference, from the commands themselves, and tidy docstrings.

A line ``::: psc`` becomes all commands' usage, help and options. Python's reference is mkdocstrings'; of its
pages, roles such as ``:func:`psc.encode` `` lose what is not for readers.
"""

import re
from typing import Any

import typer

from psc.cli import app

COMMANDS = re.compile(r"^::: psc$", re.MULTILINE)
ROLE = re.compile(r":(?:attr|class|data|exc|func|meth|mod):(?=<code>)(<code>)~?")


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Called by MkDocs with the source of every page."""
    return COMMANDS.sub(lambda _: commands(), markdown)


def on_page_content(html: str, **_: Any) -> str:
    """Called by MkDocs with every page's HTML."""
    return ROLE.sub(r"\1", html).replace(">open_decoder<", ">open<")  # its name inside is not the public one


def commands() -> str:
    """All commands, in the order of their help."""
    group = typer.main.get_command(app.app)
    return "\n\n".join(
        part for name, command in group.commands.items() for part in one(f"psc {name}", command)
    )


def one(name: str, command: Any) -> list[str]:
    """A command's heading, usage, help and options; then those of its own commands."""
    context = typer.Context(command, info_name=name)
    rows = [parameter.get_help_record(context) for parameter in command.params]
    table = [f"| `{left}` | {escaped(right)} |" for left, right in filter(None, rows)]
    parts = [f"## {name}", f"```text\n{command.get_usage(context).removeprefix('Usage: ')}\n```"]
    parts.append(escaped(command.help or ""))
    if table:
        parts.append("\n".join(["| | |", "| --- | --- |", *table]))
    for inner, child in getattr(command, "commands", {}).items():
        parts += one(f"{name} {inner}", child)
    return parts


def escaped(text: str) -> str:
    """Plain text in Markdown."""
    return re.sub(r"([*_|\[\]])", r"\\\1", text).replace("<", "&lt;")
