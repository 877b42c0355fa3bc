"""What a service does not load, and what it builds only when it is used."""

import gc
import json
import subprocess
import sys

import pytest
from pydantic import BaseModel, TypeAdapter

from shared.lean_imports import lean_imports

LOADED = """
import sys
from shared.lean_imports import lean_imports
with lean_imports():
    import auth_server.serving
import httpx, structlog, redis.asyncio
loaded = {name.partition(".")[0] for name in sys.modules}
print(*sorted(loaded & {"greenlet", "rich", "auth_server", "typer"}))
print("opentelemetry.sdk.metrics" in sys.modules, "httpx._main" in sys.modules)
"""
BUILT = """
import gc, json
from pydantic import BaseModel, TypeAdapter
from shared.lean_imports import lean_imports
with lean_imports():
    import auth_server.serving
    import mcp_server.serving

def below(model):
    return {model}.union(*map(below, model.__subclasses__()))

adapters = [one for one in gc.get_objects() if isinstance(one, TypeAdapter)]
models = [one for one in below(BaseModel) if one.__module__.startswith("mcp_types.")]
waiting = sum(not one.__pydantic_complete__ for one in models)
for one in below(BaseModel) - {BaseModel}:
    one.model_rebuild()
for one in adapters:
    one.rebuild()
left = [repr(one) for one in adapters if not one.pydantic_complete]
print(json.dumps({"models": len(models), "waiting": waiting, "adapters": len(adapters), "left": left}))
"""


def test_a_service_loads_nothing_for_terminals_or_for_telemetry_that_it_does_not_send() -> None:
    assert _printed_by(LOADED).split() == ["auth_server", "False", "False"]


def test_models_wait_for_their_first_use_and_all_of_them_can_be_built_then() -> None:
    found = json.loads(_printed_by(BUILT))

    assert found["waiting"] > 0.9 * found["models"] > 300
    assert found["adapters"] > 10
    assert found["left"] == []


def test_what_was_hidden_can_be_imported_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "rich"]:
        monkeypatch.delitem(sys.modules, name)
    with lean_imports(), pytest.raises(ImportError):
        import rich.text
    import rich.text

    assert rich.text.Text("found").plain == "found"


def test_what_comes_afterwards_is_built_at_once_and_garbage_is_looked_for_everywhere() -> None:
    usual = gc.get_threshold()
    with lean_imports():

        class Within(BaseModel):
            text: str

        within = TypeAdapter(list[int])

    class After(BaseModel):
        text: str

    assert (Within.__pydantic_complete__, After.__pydantic_complete__) == (False, True)
    assert (within.pydantic_complete, TypeAdapter(list[int]).pydantic_complete) == (False, True)
    assert Within.model_validate({"text": "built now"}).text == "built now"
    assert within.validate_python(["1"]) == [1]
    assert gc.get_threshold() == usual


def _printed_by(program: str) -> str:
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return done.stdout
