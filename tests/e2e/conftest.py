"""Real processes on free ports over the run's store: started once, stopped by process id at the end."""

from collections.abc import Callable, Iterator

import pytest

from dev.deployment import Deployment, deploy


@pytest.fixture(scope="session")
def deployment(
    database: Callable[[int], str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Deployment]:
    """Return the sandbox and both services, each with an origin of its own."""
    with deploy(database(1), tmp_path_factory.mktemp("deployment")) as running:
        yield running
