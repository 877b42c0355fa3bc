"""Who the master is, when sentinels differ, are slow or are gone."""

import asyncio
from typing import Any, cast

import pytest
from redis.asyncio.sentinel import Sentinel
from redis.exceptions import ConnectionError as StoreConnectionError

from shared.redis.master import Master
from shared.redis.unsent import is_unsent

pytestmark = pytest.mark.anyio

SERVICE = "mymaster"


class OneSentinel:
    """A sentinel's word; None in place of a state: it does not answer."""

    def __init__(self, state: dict[str, Any] | None) -> None:
        self.state = state
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    async def sentinel_masters(self) -> dict[str, Any]:
        await self.may_answer.wait()
        if self.state is None:
            raise StoreConnectionError("refused")
        return {SERVICE: self.state}


class Sentinels:
    """In the place of redis-py's list of sentinels."""

    def __init__(self, *states: dict[str, Any] | None) -> None:
        self.sentinels = [OneSentinel(state) for state in states]

    async def aclose(self) -> None:
        pass


def says(port: int, *, epoch: int = 1, down: bool = False) -> dict[str, Any]:
    return {
        "ip": "127.0.0.1",
        "port": port,
        "config-epoch": epoch,
        "is_master": True,
        "is_sdown": down,
        "is_odown": False,
    }


def told_by(sentinels: Sentinels) -> Master:
    return Master(cast(Sentinel, sentinels), SERVICE)


@pytest.mark.parametrize("stale", [0, 1, 2])
async def test_the_word_of_the_latest_failover_counts_whoever_answers_first(stale: int) -> None:
    states = [says(2, epoch=5)] * 3
    states[stale] = says(1, epoch=4)
    assert await told_by(Sentinels(*states)).address() == ("127.0.0.1", 2)


async def test_a_sentinel_that_is_slow_is_not_waited_for_when_most_have_answered() -> None:
    sentinels = Sentinels(says(1), says(1), says(1))
    sentinels.sentinels[0].may_answer.clear()
    master = told_by(sentinels)
    assert await master.address() == ("127.0.0.1", 1)
    await master.aclose()


async def test_who_is_still_being_asked_when_it_closes_is_asked_no_more() -> None:
    sentinels = Sentinels(says(1), says(1), says(1))
    for each in sentinels.sentinels:
        each.may_answer.clear()
    master = told_by(sentinels)
    before = asyncio.all_tasks()
    waiting = asyncio.create_task(master.address())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert len(asyncio.all_tasks() - before) > len(sentinels.sentinels)
    await master.aclose()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert asyncio.all_tasks() == before


async def test_a_new_word_of_theirs_begins_another_era_though_nobody_doubts() -> None:
    sentinels = Sentinels(says(1), says(1), says(1))
    master = told_by(sentinels)
    await master.address()
    era = master.era
    await master.confirm()
    assert master.era == era
    for each in sentinels.sentinels:
        each.state = says(2, epoch=2)
    assert await master.address() == ("127.0.0.1", 1)
    await master.confirm()
    assert await master.address() == ("127.0.0.1", 2)
    assert master.era == era + 1


async def test_a_master_that_is_down_is_none_but_without_any_sentinel_the_known_one_stays() -> None:
    sentinels = Sentinels(says(1), says(1), says(1))
    master = told_by(sentinels)
    await master.address()
    for each in sentinels.sentinels:
        each.state = says(1, down=True)
    # Asked without a doubt, they take nothing away.
    await master.confirm()
    assert await master.address() == ("127.0.0.1", 1)
    master.doubt()
    with pytest.raises(StoreConnectionError) as raised:
        await master.address()
    assert is_unsent(raised.value)
    for each in sentinels.sentinels:
        each.state = None
    assert await master.address() == ("127.0.0.1", 1)
