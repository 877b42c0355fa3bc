"""What commands print: aligned columns for people, JSON for scripts."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Final

import typer

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
"""The option that every command has."""

ANY_ID: Final = {"ignore_unknown_options": True}
"""`context_settings` of a command that takes an id: one made at random may begin with a hyphen."""


def print_json(value: object) -> None:
    """Print a value as JSON; what is not ASCII is escaped."""
    typer.echo(json.dumps(value, indent=2))


def print_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print headings and rows, each column as wide as its longest cell: nothing is cut off or wrapped."""
    lines = [headings, *([printable(cell) for cell in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        padded = (f"{cell:{width}}" for cell, width in zip(line, widths, strict=True))
        typer.echo("  ".join(padded).rstrip())


def print_members(members: Mapping[str, object], *, as_json: bool) -> None:
    """Print names and values, one on a line; lists with spaces between."""
    if as_json:
        print_json(members)
        return
    width = max(map(len, members)) + 2
    for name, value in members.items():
        text = " ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
        typer.echo(f"{name:{width}}{printable(text)}".rstrip())


def instant(seconds: float | None) -> str:
    """Return seconds since the epoch as a UTC time (RFC 3339), or nothing for None."""
    if seconds is None:
        return ""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def printable(text: str) -> str:
    """Return a text without what is not printable."""
    # Names come from clients: they must not move the cursor of the operator's terminal.
    return "".join(character if character.isprintable() else "?" for character in text)
