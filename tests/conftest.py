"""One real store per process of a run, emptied before each test that uses it; a clock that tests move."""

import os
from collections.abc import AsyncIterator, Callable
from urllib.parse import urlsplit

import pytest
from redis.asyncio import Redis

from dev.local_store import client_of
from dev.store import TEST_URL, Store, open_test_store
from shared.clock import Clock
from shared.redis.client import connect
from tests.browser.chromium import MISSING, find_chromium
from tests.requirements.proofs import find_proofs, summarise

_STORE = pytest.StashKey[Store]()


def pytest_configure(config: pytest.Config) -> None:
    """Choose and start the store once, before anything is printed about the run.

    Each process of a run in several has a store of its own.
    """
    if TEST_URL in os.environ and (config.getoption("numprocesses", None) or 1) > 1:
        raise pytest.UsageError(f"Tests at the same time would empty each other's store: {TEST_URL} is one.")
    opened = open_test_store()
    config.stash[_STORE] = opened.__enter__()
    config.add_cleanup(lambda: opened.__exit__(None, None, None))


def pytest_report_header(config: pytest.Config) -> list[str]:
    """Say which store the tests run against, and how many requirements the whole suite decides."""
    browser = find_chromium() or MISSING
    return [f"store: {config.stash[_STORE].description}", f"browser: {browser}", summarise(find_proofs())]


@pytest.fixture
def anyio_backend() -> str:
    """Run async tests on asyncio, as the services do."""
    return "asyncio"


@pytest.fixture(scope="session")
def redis_url(request: pytest.FixtureRequest) -> str:
    """Return the URL of the run's store."""
    return request.config.stash[_STORE].url


@pytest.fixture(scope="session")
def database(redis_url: str) -> Callable[[int], str]:
    """Return a way to an emptied database of the run's store; 0 belongs to the tests in process."""

    def emptied(number: int) -> str:
        url = urlsplit(redis_url)._replace(path=f"/{number}").geturl()
        with client_of(url) as client:
            client.flushdb()
        return url

    return emptied


@pytest.fixture
async def redis(redis_url: str, anyio_backend: str) -> AsyncIterator[Redis]:
    """Return a client of an emptied store."""
    client = connect(redis_url)
    await client.flushdb()
    yield client
    await client.aclose()


@pytest.fixture
def clock() -> Clock:
    """Return a clock that tests move with `advance`."""
    return Clock()
