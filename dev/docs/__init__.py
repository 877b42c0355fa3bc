"""Documents that are made from code: `python -m dev.docs` writes them, a test fails when one is stale.

To add one: a module here with `document() -> str`, and its line in `DOCUMENTS`.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

from dev.docs import benchmark, doctor, errors, openapi, requirements, scopes, standards, tools

ROOT = Path(__file__).resolve().parent.parent.parent

DOCUMENTS: Mapping[str, Callable[[], str]] = {
    "docs/benchmark.md": benchmark.document,
    "docs/benchmark.svg": benchmark.chart,
    "docs/doctor.md": doctor.document,
    "docs/errors.md": errors.document,
    "docs/openapi.json": openapi.document,
    "docs/requirements.md": requirements.document,
    "docs/scopes.md": scopes.document,
    "docs/standards.md": standards.document,
    "docs/tools.md": tools.document,
}
