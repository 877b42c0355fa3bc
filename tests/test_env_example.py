""".env.example names every setting, with the default it really has."""

import re
from pathlib import Path

from pydantic import SecretStr

from auth_server.settings import AuthSettings
from mcp_server.settings import McpSettings
from shared import tracing
from shared.settings import KNOWN_NAMES

ROOT = Path(__file__).resolve().parent.parent
EXAMPLE = ROOT / ".env.example"
# Fixed by how the containers hang together.
SET_BY_COMPOSE = {"AUTH_HOST", "AUTH_PORT", "MCP_HOST", "MCP_PORT", "SECRETS_DIR", "REDIS_URL"}
NOT_OF_THE_SERVICES = {
    "HTTP_HOST",
    "HTTP_PORT",
    "SANDBOX_DATA_DIR",
    "SANDBOX_HOST",
    "SANDBOX_PORT",
    "TEST_REDIS_URL",
}


def _examples() -> dict[str, str]:
    return dict(re.findall(r"^# ([A-Z][A-Z_]+)=(.*)$", EXAMPLE.read_text(encoding="utf-8"), re.MULTILINE))


def test_every_setting_is_there_and_nothing_else() -> None:
    assert set(_examples()) == KNOWN_NAMES | {*tracing.SETTINGS} | NOT_OF_THE_SERVICES


def test_nothing_is_set_by_copying_it() -> None:
    lines = EXAMPLE.read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if line and not line.startswith("#")] == []


def test_the_defaults_are_the_real_ones() -> None:
    fields = {**AuthSettings.model_fields, **McpSettings.model_fields}
    real = {name.upper(): _written(field.default) for name, field in fields.items()}
    examples = _examples()
    assert {name: examples[name] for name in real} == real


def test_every_setting_reaches_the_containers() -> None:
    compose = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    passed = set(re.findall(r"\$\{([A-Z_]+)", compose))
    assert (KNOWN_NAMES | {*tracing.SETTINGS}) - SET_BY_COMPOSE - passed == set()


def _written(default: object) -> str:
    if default is None:
        return ""
    if isinstance(default, SecretStr):
        return default.get_secret_value()
    return str(default).lower() if isinstance(default, bool) else str(default)
