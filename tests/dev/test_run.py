"""`make run` as a person meets it: a folder without .env, real processes, Ctrl-C."""

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from dev.processes import free_port
from dev.run import _set_aside_if_sealed_with_another_key as set_aside

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.e2e


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Return a copy of this project that nothing was run in yet."""
    shutil.copytree(ROOT / "dev", tmp_path / "dev")
    for name in ("auth_server", "mcp_server", "shared"):
        (tmp_path / name).symlink_to(ROOT / name)
    return tmp_path


@pytest.fixture
def environ() -> dict[str, str]:
    """Return an environment with free ports and no setting of this machine."""
    ports = {name: str(free_port()) for name in ("AUTH_PORT", "MCP_PORT", "SANDBOX_PORT")}
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OAUTH_", "VAL_TOWN_"))}
    return {**kept, **ports, "REDIS_URL": "", "DEBUG": ""}


@contextmanager
def _running(checkout: Path, environ: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "dev.run"], cwd=checkout, env=environ, stdout=subprocess.PIPE, text=True
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def _said_until(process: subprocess.Popen[str], end: str) -> str:
    assert process.stdout is not None
    said = ""
    for line in process.stdout:
        said += line
        if line.startswith(end):
            return said
    return pytest.fail(f"it ended before saying {end!r}:\n{said}")


def test_everything_starts_in_a_fresh_folder_and_ctrl_c_ends_it(
    checkout: Path, environ: dict[str, str]
) -> None:
    with _running(checkout, environ) as process:
        said = _said_until(process, "Logs are in")
        assert (checkout / ".env").stat().st_mode & 0o777 == 0o600
        issuer, resource = (f"http://127.0.0.1:{environ[name]}" for name in ("AUTH_PORT", "MCP_PORT"))
        assert f"claude mcp add --transport http val-town {resource}/mcp" in said
        assert "vtwn_sandbox_ada" in said
        metadata = httpx.get(f"{issuer}/.well-known/oauth-authorization-server").json()
        assert metadata["issuer"] == issuer
        assert httpx.post(f"{resource}/mcp").status_code == 401
        second = subprocess.run(
            [sys.executable, "-m", "dev.run"], cwd=checkout, env=environ, capture_output=True, text=True
        )
        assert second.returncode == 1
        assert "running already" in second.stdout
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=20) == 0
    for name in ("AUTH_PORT", "MCP_PORT", "SANDBOX_PORT"):
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", int(environ[name]))) != 0


def test_a_port_in_use_is_named_with_the_setting_that_changes_it(
    checkout: Path, environ: dict[str, str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        environ["MCP_PORT"] = str(taken.getsockname()[1])
        refused = subprocess.run(
            [sys.executable, "-m", "dev.run"], cwd=checkout, env=environ, capture_output=True, text=True
        )
    assert refused.returncode == 1
    assert environ["MCP_PORT"] in refused.stdout
    assert "MCP_PORT=" in refused.stdout


def test_a_service_that_cannot_start_is_named_with_its_own_words(
    checkout: Path, environ: dict[str, str]
) -> None:
    environ["OAUTH_ENCRYPTION_KEY"] = "base64-encoded-32-byte-key"
    refused = subprocess.run(
        [sys.executable, "-m", "dev.run"], cwd=checkout, env=environ, capture_output=True, text=True
    )
    assert refused.returncode == 1
    assert "openssl rand -base64 32" in refused.stdout


def test_a_store_is_kept_as_long_as_a_key_is_there_that_opens_it(tmp_path: Path) -> None:
    folder = tmp_path / "store"
    assert set_aside(folder, {"OAUTH_ENCRYPTION_KEY": "one"}) is None
    (folder / "data").touch()
    assert set_aside(folder, {"OAUTH_ENCRYPTION_KEY": "two", "OAUTH_DECRYPTION_KEYS": "x, one"}) is None
    assert (folder / "data").exists()
    moved = set_aside(folder, {"OAUTH_ENCRYPTION_KEY": "three"})
    assert moved is not None
    assert (moved / "data").exists()
    assert not (folder / "data").exists()
