"""What the benchmark prints and keeps."""

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from dev.bench.rows import Limit, Line, Row


def line(row: Line) -> str:
    """Return one line of the table."""
    verdict = "met" if row.is_met else "NOT MET"
    if isinstance(row, Limit):
        return f"  {row.name:<78}{row.value:>9,.1f} {row.unit}  (at most {row.at_most:g}: {verdict})"
    return (
        f"  {row.name:<44}{row.against:<34}{row.ours:>9,.0f} /s {row.theirs:>9,.0f} /s"
        f"{row.ratio:>8.2f}  (at least {row.wanted:g}: {verdict}; spread {row.spread:.0%})"
    )


def machine() -> str:
    """Return what the numbers were measured on."""
    system = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores"
    return f"{system}, Python {platform.python_version()}"


def write(rows: Sequence[Line], path: Path) -> None:
    """Write the JSON file."""
    content = {
        "machine": machine(),
        "rows": [_members(row) for row in rows],
    }
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def _members(row: Line) -> dict[str, object]:
    ratio = {"ratio": round(row.ratio, 3)} if isinstance(row, Row) else {}
    return {**asdict(row), **ratio, "met": row.is_met}
