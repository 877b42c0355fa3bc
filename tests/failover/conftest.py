"""Stores of several servers, started for a test that breaks them, and the services over them in process."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI

from dev import local_store
from dev.local_replication import Cluster, Replication, serve_cluster, serve_replication
from dev.local_store import Binary, CannotStartError
from shared.clock import Clock
from shared.redis.client import connect
from tests.auth_server.conftest import pem, sandbox
from tests.auth_server.deployment import AuthServer, ValTown, running, settings_of

__all__ = ["pem", "sandbox"]

OpenReplica = Callable[..., AbstractAsyncContextManager[AuthServer]]


@pytest.fixture(scope="session")
def binary() -> Binary:
    """Return the server program that `make test` brings, else this computer's."""
    try:
        return local_store.bundled()
    except CannotStartError:
        return local_store.on_path()


@pytest.fixture
def replication(binary: Binary, tmp_path: Path) -> Iterator[Replication]:
    """Return a master, a replica and three sentinels, which a test may break."""
    with _or_skip(serve_replication(binary, tmp_path / "store")) as started:
        yield started


@pytest.fixture(scope="module")
def cluster(binary: Binary, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Return three primaries, whole: for tests that break nothing."""
    with _or_skip(serve_cluster(binary, tmp_path_factory.mktemp("cluster"))) as started:
        yield started


@pytest.fixture
def fragile_cluster(binary: Binary, tmp_path: Path) -> Iterator[Cluster]:
    """Return three primaries without replicas, which a test may break."""
    with _or_skip(serve_cluster(binary, tmp_path / "cluster")) as started:
        yield started


@pytest.fixture
def replicated_cluster(binary: Binary, tmp_path: Path) -> Iterator[Cluster]:
    """Return three primaries with a replica each, which a test may break."""
    with _or_skip(serve_cluster(binary, tmp_path / "cluster", replicas=1)) as started:
        yield started


class _or_skip:  # noqa: N801
    """Skips the test, with the reason, where this kind of store cannot be started."""

    def __init__(self, started: Any) -> None:
        self._started = started

    def __enter__(self) -> Any:
        try:
            return self._started.__enter__()
        except CannotStartError as error:
            pytest.skip(str(error))

    def __exit__(self, *raised: Any) -> Any:
        return self._started.__exit__(*raised)


@pytest.fixture
def open_replica(sandbox: FastAPI, pem: str, clock: Clock) -> OpenReplica:
    """Return a way to run a replica of the authorization server over a store."""

    @asynccontextmanager
    async def opened(url: str, **changes: Any) -> AsyncIterator[AuthServer]:
        settings = settings_of(oauth_jwt_private_key=pem, **changes)
        async with connect(url) as redis, running(settings, redis, clock, ValTown(sandbox)) as server:
            yield server

    return opened
