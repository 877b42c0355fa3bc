"""Keeps libraries from loading others that a service never uses: a tenth of its memory, and of its start.

- `httpx._main`: httpx's own command line.
- `rich`: structlog's console renderer; ours writes JSON.
- `opentelemetry.sdk.metrics`: redis-py's own telemetry, which is off. Traces need it as little.

Each of these libraries takes one that is missing for one that is not installed.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Final

_UNUSED: Final = ("httpx._main", "opentelemetry.sdk.metrics", "rich")


@contextmanager
def lean_imports() -> Iterator[None]:
    """Let what is imported in this block for the first time find none of these; later imports do again."""
    modules: dict[str, ModuleType | None] = sys.modules  # type: ignore[assignment] # None: not to be found
    hidden = [name for name in _UNUSED if name not in modules]
    modules.update(dict.fromkeys(hidden))
    try:
        yield
    finally:
        for name in hidden:
            del modules[name]
