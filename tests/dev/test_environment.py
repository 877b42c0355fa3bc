"""What `make run` starts with, from .env and the environment."""

import base64
from pathlib import Path

import pytest
from dotenv import dotenv_values

from dev.environment import LIVE_URL, RefusedError, ensure_env_file, make_plan


def test_env_is_written_once_with_a_fresh_key_that_only_its_owner_can_read(tmp_path: Path) -> None:
    keys = set()
    for name in ("one", "two"):
        path = tmp_path / name
        assert ensure_env_file(path, {}) is not None
        assert path.stat().st_mode & 0o777 == 0o600
        key = dotenv_values(path)["OAUTH_ENCRYPTION_KEY"]
        assert len(base64.b64decode(key or "", validate=True)) == 32
        keys.add(key)
        text = path.read_text()
        assert ensure_env_file(path, {}) is None
        assert path.read_text() == text
    assert len(keys) == 2


def test_a_missing_key_is_added_to_an_env_that_keeps_everything_else(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text(f"VAL_TOWN_API_URL={LIVE_URL}")
    assert ensure_env_file(path, {}) is not None
    assert dotenv_values(path).keys() == {"VAL_TOWN_API_URL", "OAUTH_ENCRYPTION_KEY"}


@pytest.mark.parametrize("elsewhere", [{"OAUTH_ENCRYPTION_KEY": "given"}, {"SECRETS_DIR": "given"}])
def test_a_key_that_is_elsewhere_is_not_added(tmp_path: Path, elsewhere: dict[str, str]) -> None:
    path = tmp_path / ".env"
    path.write_text("DEBUG=*\n")
    assert ensure_env_file(path, elsewhere) is None
    assert path.read_text() == "DEBUG=*\n"


def test_addresses_follow_the_ports_unless_they_are_set(tmp_path: Path) -> None:
    plan = make_plan({"AUTH_PORT": "9001", "MCP_PORT": "8001", "SANDBOX_PORT": "9101"}, tmp_path / "none")
    assert (plan.issuer, plan.resource) == ("http://127.0.0.1:9001", "http://127.0.0.1:8001/mcp")
    assert plan.val_town == "http://127.0.0.1:9101"
    assert plan.with_sandbox
    given = {"AUTH_PORT": "9001", "OAUTH_ISSUER_URL": "https://auth.example.com"}
    plan = make_plan(given, tmp_path / "none")
    assert plan.issuer == "https://auth.example.com"
    assert plan.settings["AUTH_SERVER_INTERNAL_URL"] == "http://127.0.0.1:9001"
    assert plan.notes


@pytest.mark.parametrize("environ", [{"LIVE": "1"}, {"VAL_TOWN_API_URL": LIVE_URL}])
def test_the_real_val_town_needs_no_sandbox(tmp_path: Path, environ: dict[str, str]) -> None:
    plan = make_plan(environ, tmp_path / "none")
    assert plan.val_town == LIVE_URL
    assert "SANDBOX_PORT" not in plan.ports()


def test_the_environment_wins_over_env_and_an_empty_value_counts_as_not_set(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text("AUTH_PORT=9002\nMCP_PORT=8002\n")
    plan = make_plan({"AUTH_PORT": "9003", "MCP_PORT": ""}, path)
    assert (plan.auth_port, plan.mcp_port) == (9003, 8002)


def test_a_real_token_never_reaches_the_sandbox(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    plan = make_plan({"VAL_TOWN_API_TOKEN": "vtwn_real"}, path)
    assert "VAL_TOWN_API_TOKEN" not in plan.settings
    assert plan.notes
    path.write_text("VAL_TOWN_API_TOKEN=vtwn_real\n")
    with pytest.raises(RefusedError, match="LIVE=1"):
        make_plan({}, path)


@pytest.mark.parametrize("environ", [{"VAL_TOWN_API_TOKEN": "vtwn_real", "LIVE": "1"}])
def test_a_real_token_reaches_the_real_val_town(tmp_path: Path, environ: dict[str, str]) -> None:
    assert make_plan(environ, tmp_path / "none").settings["VAL_TOWN_API_TOKEN"] == "vtwn_real"


@pytest.mark.parametrize("port", ["0", "65536", "nine", "-1"])
def test_a_port_that_is_none_is_refused_by_name(tmp_path: Path, port: str) -> None:
    with pytest.raises(RefusedError, match="AUTH_PORT"):
        make_plan({"AUTH_PORT": port}, tmp_path / "none")
