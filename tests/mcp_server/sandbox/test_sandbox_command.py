"""python -m mcp_server.sandbox: starts, says where, stops."""

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

ROOT = Path(__file__).resolve().parents[3]

pytestmark = pytest.mark.e2e


def environment(**more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SANDBOX_")}
    return {**kept, "COLUMNS": "200", **more}


def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mcp_server.sandbox", *arguments]
    return subprocess.run(
        command,
        cwd=ROOT,
        env=environment(**variables),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


@contextmanager
def running(*arguments: str, **variables: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Start the command on a free port and yield the process and its URL once it is said."""
    command = [sys.executable, "-m", "mcp_server.sandbox", *arguments]
    variables.setdefault("SANDBOX_PORT", "0")
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment(**variables),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            said = re.search(r"http://\S+", process.stdout.readline())
            assert said is not None
            yield process, said[0]
        finally:
            process.kill()


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_when_called_bare_and_stops_cleanly(stop: signal.Signals, tmp_path: Path) -> None:
    with running(TMPDIR=str(tmp_path)) as (process, url):
        assert httpx.get(f"{url}/healthz").json() == {"status": "ok"}
        me = httpx.get(f"{url}/v1/me", headers={"Authorization": "Bearer vtwn_sandbox_ada"}).json()
        assert me["links"]["self"].startswith(f"{url}/v1/users/")
        assert len(list(tmp_path.iterdir())) == 1
        process.send_signal(stop)
        _, errors = process.communicate(timeout=10)
        assert (process.returncode, errors) == (0, "")
    assert list(tmp_path.iterdir()) == []


def test_state_stays_in_the_folder_it_is_given(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "folder"
    headers = {"Authorization": "Bearer vtwn_sandbox_ada"}
    for status in (201, 409):
        with running("--data-dir", str(folder)) as (process, url):
            body = {"name": "kept", "privacy": "public"}
            assert httpx.post(f"{url}/v2/vals", json=body, headers=headers).status_code == status
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=10)


def test_a_taken_port_is_said_in_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        result = run(SANDBOX_PORT=port)
    assert result.returncode == 1
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1
    assert port in result.stderr


def test_a_folder_that_cannot_be_is_said_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        result = run("--port", "0", "--data-dir", str(folder))
        assert result.returncode == 1
        assert result.stderr.count("\n") == 1


def test_help_names_every_option() -> None:
    result = run("--help")
    assert result.returncode == 0
    for option in ("--host", "--port", "--data-dir", "SANDBOX_PORT"):
        assert option in result.stdout


def test_a_port_that_is_none_is_a_usage_error() -> None:
    result = run(SANDBOX_PORT="99999")
    assert result.returncode == 2
    assert "Traceback" not in result.stderr
