"""Tables in Markdown."""

from collections.abc import Iterable, Sequence

NOTICE = "<!-- Made by `make docs` from {source}. Change it there. -->"


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; a bar in a cell stays a bar."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
