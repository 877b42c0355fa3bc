"""The audit log of real processes: how it ends when they stop, and when they are killed."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from dev.deployment import AUTH, new_encryption_key
from shared.audit.reading import Keys, Report, State, check, check_together, files_in
from shared.settings import ServiceSettings
from tests.e2e.test_processes import refused, running
from tests.support.audit_files import told

pytestmark = pytest.mark.e2e


def settings_for(folder: Path, redis_url: str) -> dict[str, str]:
    """Return the settings of a process whose log is in this folder."""
    return {
        "AUDIT_LOG_DIR": str(folder),
        "OAUTH_ENCRYPTION_KEY": new_encryption_key(),
        "REDIS_URL": redis_url,
    }


def checked(folder: Path, key: str) -> Report:
    """Return what verification finds of the one file."""
    sealer = ServiceSettings.load(env_file=None, environ={"OAUTH_ENCRYPTION_KEY": key}).sealer
    (path,) = files_in(folder)
    report = check(path, Keys(sealer))
    assert [*report.problems, *check_together([report], {}, whole=True)] == []
    return report


def register(port: str) -> int:
    """Try to register an app that no one may have; return the HTTP status."""
    url = f"http://127.0.0.1:{port}/oauth/register"
    return httpx.post(url, json={"redirect_uris": ["http://elsewhere.test/x"]}).status_code


def until_told(folder: Path, count: int) -> None:
    """Wait until so many records are on the disk."""
    deadline = time.monotonic() + 10
    while len(told(folder)) < count:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_stop_is_told_and_loses_nothing(tmp_path: Path, database: Callable[[int], str]) -> None:
    settings = settings_for(tmp_path / "audit", database(10))
    with running(AUTH, tmp_path, "/readyz", 200, **settings) as child:
        port = child_port(tmp_path / "audit")
        assert [register(port) for _ in range(5)] == [400] * 5
        # At once, before the thread has written them by itself.
        os.kill(child.process.pid, signal.SIGTERM)
        child.process.wait(20)
    report = checked(tmp_path / "audit", settings["OAUTH_ENCRYPTION_KEY"])
    assert (report.state, report.records) == (State.CLOSED, 7)
    assert told(tmp_path / "audit") == [("client_registered", "denied", "invalid_redirect_uri")] * 5


def test_a_killed_process_leaves_a_file_that_verifies(tmp_path: Path, database: Callable[[int], str]) -> None:
    settings = settings_for(tmp_path / "audit", database(10))
    with running(AUTH, tmp_path, "/readyz", 200, **settings) as child:
        register(child_port(tmp_path / "audit"))
        until_told(tmp_path / "audit", 1)
        os.kill(child.process.pid, signal.SIGKILL)
        child.process.wait(20)
    assert checked(tmp_path / "audit", settings["OAUTH_ENCRYPTION_KEY"]).state is State.OPEN


def child_port(folder: Path) -> str:
    """Return the port of the one process: its name is in the name of its file."""
    (path,) = files_in(folder)
    return path.name.split("_")[-1].split("-")[0]


def test_a_folder_that_cannot_be_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    settings = settings_for(tmp_path / "file", "redis://127.0.0.1:9/0")
    ended = refused(AUTH, tmp_path, **settings)
    assert ended.returncode != 0
    assert f"AUDIT_LOG_DIR cannot be a folder, because {tmp_path / 'file'} is none." in ended.stderr
