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


def write(measured: results.Results) -> list[str]:
    """Keep these results and write both documents; return what was written."""
    KEPT.write_text(results.to_json(measured), encoding="utf-8")
    made = {"benchmark.md": document(), "benchmark.svg": chart()}
    for name, content in made.items():
        (_DOCS / name).write_text(content, encoding="utf-8")
    return [f"docs/{name}" for name in (KEPT.name, *made)]
