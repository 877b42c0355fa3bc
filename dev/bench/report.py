"""What the benchmark prints and keeps."""

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from dev.bench.rows import Row


def line(row: Row) -> str:
    """Return one line of the table."""
    verdict = "met" if row.is_met else "NOT MET"
    return (
        f"  {row.name:<44}{row.against:<34}{row.ours:>9,.0f} /s {row.theirs:>9,.0f} /s"
        f"{row.ratio:>8.2f}  (at least {row.wanted:g}: {verdict}; spread {row.spread:.0%})"
    )


def machine() -> str:
    """Return what the numbers were measured on."""
    system = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores"
    return f"{system}, Python {platform.python_version()}"


def write(rows: Sequence[Row], path: Path) -> None:
    """Write the JSON file."""
    content = {
        "machine": machine(),
        "rows": [{**asdict(row), "ratio": round(row.ratio, 3), "met": row.is_met} for row in rows],
    }
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
