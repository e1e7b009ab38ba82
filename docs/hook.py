"""A MkDocs hook: reference pages from docstrings and from the command line itself.

A line ``::: psc.encode`` becomes its signature and docstring; ``::: psc`` the commands' usage, help
and options. What is not there fails the build.
"""

import inspect
import re
from importlib import import_module
from typing import Any

import typer

from psc.cli import app

ROLE = re.compile(r":\w+:`~?(?:psc\.)?([^`]+)`")
DIRECTIVE = re.compile(r"^::: ([\w.]+)$", re.MULTILINE)


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Called by MkDocs with the source of every page."""
    return DIRECTIVE.sub(lambda found: commands() if found[1] == "psc" else documented(found[1]), markdown)


def documented(path: str) -> str:
    """A heading, the signature, and the docstring of a function or a class with its public methods."""
    module, _, name = path.rpartition(".")
    thing = getattr(import_module(module), name)
    parts = [f"### {path}", signature(name, thing), prose(thing)]
    for method, value in vars(thing).items() if inspect.isclass(thing) else ():
        function = value.fget if isinstance(value, property) else value
        if not method.startswith("_") and inspect.isfunction(function) and function.__doc__:
            parts += [f"#### {name}.{method}", signature(method, function, isinstance(value, property))]
            parts.append(prose(function))
    return "\n\n".join(parts)


def signature(name: str, thing: Any, is_property: bool = False) -> str:
    """As Python, one parameter a line if they are many; nothing for a property, an exception, a protocol."""
    if is_property or (
        inspect.isclass(thing) and (issubclass(thing, Exception) or "_is_protocol" in vars(thing))
    ):
        return ""
    found = inspect.signature(thing)
    if not inspect.isclass(thing):
        items = [p for p in found.parameters.values() if p.name != "self"]
        found = found.replace(parameters=items)
    text = re.sub(r"(?<=[:>] )'([^']+)'", r"\1", str(found))  # annotations in quotes
    if inspect.isclass(thing):
        text = text.removesuffix(" -> None")
    text = re.sub(r"<function (\w+) at \w+>", r"\1", text)
    text = re.sub(r"\b(?:psc|torch|numpy|collections|typing|PIL|pathlib)\.(?:[a-z_]+\.)*(?=[A-Z])", "", text)
    text = re.sub(
        r"numpy\.ndarray\[tuple\[Any, \.\.\.\], numpy\.dtype\[(?:numpy\.)?(\w+)\]\]", r"NDArray[\1]", text
    )
    if len(text) > 80:
        inner, _, result = text[1:].rpartition(")")
        lines = "".join(f"    {part},\n" for part in split(inner))
        text = f"(\n{lines}){result}"
    return f"```python\n{name}{text}\n```"


def split(parameters: str) -> list[str]:
    """At the commas that are not inside brackets."""
    parts, depth = [""], 0
    for character in parameters:
        depth += (character in "[(") - (character in "])")
        if character == "," and not depth:
            parts.append("")
        else:
            parts[-1] += character
    return [part.strip() for part in parts]


def prose(thing: Any) -> str:
    """A docstring as Markdown: roles as code, and a list of what is said of parameters or fields."""
    names = {*getattr(thing, "__annotations__", ())}
    if not (inspect.isclass(thing) and (issubclass(thing, Exception) or "_is_protocol" in vars(thing))):
        names |= set(inspect.signature(thing).parameters)
    text = ROLE.sub(r"`\1`", inspect.getdoc(thing) or "").replace("``", "`")
    return "\n\n".join(itemised(paragraph, names) for paragraph in text.split("\n\n"))


def itemised(paragraph: str, names: set[str]) -> str:
    """``a: this. b, c: that.`` as items; a line that begins with a capital after a stop is a paragraph."""
    if paragraph.startswith("    "):
        return paragraph
    name = "(?:" + "|".join(sorted(map(re.escape, names), reverse=True)) + ")"
    begins = re.compile(rf"({name}(?:, {name})*): ")
    lines: list[str] = []
    for part in re.split(r"(?<=\.)\n(?=[A-Z])", paragraph):
        for piece in re.split(
            rf"(?:^|(?<=\. ))(?={begins.pattern.replace('(', '(?:', 1)})", part.replace("\n", " ")
        ):
            found = begins.match(piece)
            lines.append(
                f"- `{found[1]}`: {piece[found.end() :].strip()}" if found else f"\n{piece.strip()}\n"
            )
    return "\n".join(lines)


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
