"""Races over processes, on open connections and with a barrier: the same as `make storms`, shorter."""

from collections.abc import Callable, Iterator

import pytest

from dev.replicas import Replicas, replicate
from dev.storms import assertion_storm, code_storm, refresh_storm, vanishing_clients
from tests.requirements import requirement

pytestmark = [pytest.mark.e2e, pytest.mark.anyio]


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
def replicas(database: Callable[[int], str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replicas]:
    with replicate(database(9), tmp_path_factory.mktemp("storms"), auth=4, mcp=1) as running:
        yield running


@requirement("C54", "C55", "O12")
async def test_of_64_redeemers_of_one_code_one_succeeds_and_the_grant_ends(replicas: Replicas) -> None:
    outcome = await code_storm(replicas, rounds=60)
    assert (outcome.rounds, outcome.violations) == (60, [])


@requirement("E96", "E99", "F1")
async def test_50_refreshes_at_once_get_the_same_successor_and_leave_one_live_tip(replicas: Replicas) -> None:
    outcome = await refresh_storm(replicas, rounds=60)
    assert (outcome.rounds, outcome.violations) == (60, [])


@requirement("F1")
async def test_a_client_that_vanishes_while_it_refreshes_is_not_stranded(replicas: Replicas) -> None:
    outcome = await vanishing_clients(replicas, rounds=60)
    assert (outcome.rounds, outcome.violations) == (300, [])


@requirement("D87")
async def test_an_assertion_that_arrives_16_times_at_once_authenticates_once(replicas: Replicas) -> None:
    outcome = await assertion_storm(replicas, rounds=60)
    assert (outcome.rounds, outcome.violations) == (60, [])
