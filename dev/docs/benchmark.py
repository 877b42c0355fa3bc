"""docs/benchmark.md and docs/benchmark.svg, from the results in docs/benchmark.json."""

from pathlib import Path
from typing import Final

from dev.bench import chart as charts
from dev.bench import report, results

_DOCS: Final = Path(__file__).resolve().parent.parent.parent / "docs"
KEPT: Final = _DOCS / "benchmark.json"


def document() -> str:
    """Return the tables."""
    return report.page(results.read(KEPT))


def chart() -> str:
    """Return the chart."""
    return charts.svg(results.read(KEPT))


def write_documents() -> list[str]:
    """Write both; return their names."""
    made = {"benchmark.md": document(), "benchmark.svg": chart()}
    for name, content in made.items():
        (_DOCS / name).write_text(content, encoding="utf-8")
    return [f"docs/{name}" for name in ("benchmark.json", *made)]
