"""What a service does not load."""

import subprocess
import sys

import pytest

from shared.lean_imports import lean_imports

LOADED = """
import sys
from shared.lean_imports import lean_imports
with lean_imports():
    import auth_server.serving
import httpx, structlog, redis.asyncio
print(*sorted({name.partition(".")[0] for name in sys.modules} & {"rich", "auth_server", "typer"}))
print("opentelemetry.sdk.metrics" in sys.modules, "httpx._main" in sys.modules)
"""


def test_a_service_loads_nothing_for_terminals_or_for_telemetry_that_it_does_not_send() -> None:
    loaded = subprocess.run([sys.executable, "-c", LOADED], capture_output=True, text=True, check=True)
    assert loaded.stdout.split() == ["auth_server", "False", "False"]


def test_what_was_hidden_can_be_imported_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "rich"]:
        monkeypatch.delitem(sys.modules, name)
    with lean_imports(), pytest.raises(ImportError):
        import rich.text
    import rich.text

    assert rich.text.Text("found").plain == "found"
