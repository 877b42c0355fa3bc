"""Real clients through two replicas of each service; `make interop` runs all of them, here two."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from dev.interop.matrix import quick_cases
from dev.interop.packages import ClientsMissingError, Packages, install
from dev.interop.phases import Phase, Result, try_all
from dev.interop.stack import running

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def packages() -> Packages:
    """Return the installed clients; skips, with the reason, where they cannot be had."""
    try:
        return install()
    except ClientsMissingError as error:
        pytest.skip(f"the clients cannot be had here: {error}")


async def try_two(store_url: str, folder: Path, packages: Packages) -> list[Result]:
    cases = quick_cases()
    async with running(store_url, folder, {case.client for case in cases}) as stack:
        return [result async for result in try_all(cases, stack, packages)]


def test_a_client_of_each_language_and_era_goes_through_every_phase(
    database: Callable[[int], str], tmp_path: Path, packages: Packages
) -> None:
    results = asyncio.run(try_two(database(13), tmp_path, packages))
    assert {result.case.client.name for result in results} == {"python-sdk", "ts-v2"}
    assert {result.case.era for result in results} == {"2025-11-25", "2026-07-28"}
    for result in results:
        assert {phase: finding.reason for phase, finding in result.findings.items()} == dict.fromkeys(
            Phase, ""
        )
        assert result.as_it_must_be, result.replicas
