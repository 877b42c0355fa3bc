"""Keeps imports of a service from doing what it never uses: a tenth of its memory, a quarter of its start.

Not loaded is what these libraries take for one that is not installed:

- `httpx._main`: httpx's own command line.
- `rich`: structlog's console renderer; ours writes JSON.
- `greenlet`: what structlog keeps for each greenlet; it would be loaded wherever something else brought it.
- `opentelemetry.sdk.metrics`: redis-py's own telemetry, which is off. Traces need it as little.

Not built is what pydantic makes of a model or an adapter to check and write values, until it is used. MCP's
types in all their revisions are some five hundred, of which a server uses a few dozen: the first request of
each kind takes up to 3 ms more.
"""

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any, Final

from pydantic import BaseModel, TypeAdapter

_UNUSED: Final = ("greenlet", "httpx._main", "opentelemetry.sdk.metrics", "rich")


@contextmanager
def lean_imports() -> Iterator[None]:
    """Let what is imported in this block for the first time do without these; later imports do as usual."""
    with _hidden(), _built_when_used(), _young_garbage_only():
        yield


@contextmanager
def _hidden() -> Iterator[None]:
    modules: dict[str, ModuleType | None] = sys.modules  # type: ignore[assignment] # None: not to be found
    hidden = [name for name in _UNUSED if name not in modules]
    modules.update(dict.fromkeys(hidden))
    try:
        yield
    finally:
        for name in hidden:
            del modules[name]


@contextmanager
def _built_when_used() -> Iterator[None]:
    # Every model takes the configuration over from its base. An adapter of several models has none to take:
    # it asks this property, and would otherwise build all of them.
    adapters: Any = TypeAdapter
    asked = getattr(adapters, "_defer_build", None)
    BaseModel.model_config["defer_build"] = True
    if asked is not None:
        adapters._defer_build = property(lambda _: True)
    try:
        yield
    finally:
        if asked is not None:
            adapters._defer_build = asked
        del BaseModel.model_config["defer_build"]


@contextmanager
def _young_garbage_only() -> Iterator[None]:
    # What modules define stays. To look through it again and again takes a tenth of the start.
    usual = gc.get_threshold()
    gc.set_threshold(usual[0], 1_000_000, usual[2])
    try:
        yield
    finally:
        gc.set_threshold(*usual)
