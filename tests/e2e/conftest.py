"""Real processes on free ports over the run's store: started once, stopped by process id at the end."""

from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import pytest

from dev.deployment import Deployment, deploy
from dev.local_store import client_of


@pytest.fixture(scope="session")
def database(redis_url: str) -> Callable[[int], str]:
    """Return a way to an emptied database of the run's store; 0 belongs to the tests in process."""

    def emptied(number: int) -> str:
        url = urlsplit(redis_url)._replace(path=f"/{number}").geturl()
        with client_of(url) as client:
            client.flushdb()
        return url

    return emptied


@pytest.fixture(scope="session")
def deployment(
    database: Callable[[int], str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Deployment]:
    """Return the sandbox and both services, each with an origin of its own."""
    with deploy(database(1), tmp_path_factory.mktemp("deployment")) as running:
        yield running
