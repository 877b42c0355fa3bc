"""The connection that all commands to a single server share."""

import asyncio

import pytest
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from shared.metrics import STORE_ERRORS
from shared.redis.client import StoreError, connect
from shared.redis.one_server import OneServerClient
from tests.auth_server.faulty_wire import Fault, wire_to

pytestmark = pytest.mark.anyio


async def test_commands_of_many_at_once_share_one_connection(redis: Redis) -> None:
    assert len({*await asyncio.gather(*(redis.client_id() for _ in range(50)))}) == 1


async def test_everybody_gets_the_reply_to_what_they_asked(redis: Redis) -> None:
    texts = [f"text {number}" for number in range(200)]
    assert await asyncio.gather(*(redis.echo(text) for text in texts)) == texts


async def test_an_error_is_told_to_whoever_made_it_alone(redis: Redis) -> None:
    await redis.set("text", "1")
    wrong, right = await asyncio.gather(redis.hgetall("text"), redis.get("text"), return_exceptions=True)
    assert isinstance(wrong, ResponseError)
    assert right == "1"


async def test_a_reply_that_is_false_is_a_reply(redis: Redis) -> None:
    false = redis.execute_command("EVAL", "redis.setresp(3); return false", 0)
    assert await asyncio.gather(false, redis.echo("behind")) == [False, "behind"]


async def test_what_cannot_be_sent_is_told_to_whoever_asked_alone(redis: Redis) -> None:
    wrong, right = await asyncio.gather(redis.echo("\ud800"), redis.echo("well"), return_exceptions=True)
    assert isinstance(wrong, UnicodeEncodeError)
    assert right == "well"


async def test_a_command_runs_although_whoever_waited_was_cancelled(redis: Redis) -> None:
    await redis.ping()
    waiting = asyncio.create_task(redis.set("done", "1"))
    behind = asyncio.create_task(redis.echo("behind"))
    await asyncio.sleep(0)
    waiting.cancel()
    assert await behind == "behind"
    assert await redis.get("done") == "1"


async def test_a_pipeline_returns_its_replies_in_order_and_its_errors_in_their_places(redis: Redis) -> None:
    async with redis.pipeline(transaction=False) as pipeline:
        pipeline.set("text", "1").hgetall("text").hgetall("nothing").pttl("text")
        stored, error, nothing, life = await pipeline.execute(raise_on_error=False)
        assert (stored, nothing, life) == (True, {}, -1)
        assert isinstance(error, ResponseError)
        with pytest.raises(ResponseError, match="Command # 1"):
            await pipeline.hgetall("text").get("text").execute()


async def test_an_empty_pipeline_has_no_replies_and_keeps_nobody_waiting(redis: Redis) -> None:
    async with redis.pipeline(transaction=False) as pipeline:
        replies, text = await asyncio.gather(pipeline.execute(), redis.echo("behind"))
    assert (replies, text) == ([], "behind")


async def test_what_is_read_together_comes_in_order_and_one_error_is_the_whole_s(redis: Redis) -> None:
    assert isinstance(redis, OneServerClient)
    await redis.hset("record", mapping={"name": "value"})
    await redis.set("text", "1")
    replies = await redis.read_together(("HGETALL", "record"), ("TTL", "nothing"), ("HGETALL", "nothing"))
    assert replies == [{"name": "value"}, -2, {}]
    faults = STORE_ERRORS.of("pipeline", "other").value
    with pytest.raises(ResponseError):
        await redis.read_together(("GET", "text"), ("HGETALL", "text"), ("GET", "text"))
    assert STORE_ERRORS.of("pipeline", "other").value == faults + 1
    assert await redis.read_together(("GET", "text")) == ["1"]


async def test_transactions_and_waits_have_connections_of_their_own(redis: Redis) -> None:
    shared = await redis.client_id()
    async with redis.pipeline(transaction=True) as pipeline:
        assert await pipeline.client_id().execute() != [shared]
    async with redis.pipeline(transaction=False) as pipeline:
        pipeline.client_id().execute_command("WAIT", 0, 1)
        assert (await pipeline.execute())[0] != shared


async def test_an_idle_connection_that_was_closed_is_replaced(redis: Redis, redis_url: str) -> None:
    async with connect(redis_url) as other:
        for _ in range(3):
            before = await redis.client_id()
            await other.client_kill_filter(_id=before)
            while before in [int(each["id"]) for each in await other.client_list()]:  # noqa: ASYNC110 - the store tells nobody
                await asyncio.sleep(0)
            # The event loop has to look once until it knows.
            await other.ping()
            assert await redis.client_id() != before


async def test_what_is_under_way_when_the_connection_is_lost_is_a_fault_of_the_store(redis_url: str) -> None:
    async with wire_to(redis_url) as wire, connect(wire.url) as redis:
        await redis.ping()
        wire.cut(Fault.SILENT)
        waiting = [asyncio.create_task(redis.echo(str(number))) for number in range(5)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        wire.cut(Fault.REFUSED)
        for outcome in await asyncio.gather(*waiting, return_exceptions=True):
            assert isinstance(outcome, StoreError)
        await wire.repair()
        assert await redis.echo("again") == "again"


async def test_a_store_that_does_not_answer_is_waited_for_no_longer_than_it_may_take(redis_url: str) -> None:
    async with wire_to(redis_url) as wire, connect(wire.url) as redis:
        await redis.ping()
        wire.cut(Fault.SILENT)
        with pytest.raises(StoreError, match="Timeout"):
            await redis.echo("lost")
        await wire.repair()
        assert await redis.echo("again") == "again"


async def test_a_store_that_cannot_be_reached_is_a_fault_for_everybody_who_asks(redis_url: str) -> None:
    async with wire_to(redis_url) as wire, connect(wire.url) as redis:
        wire.cut(Fault.REFUSED)
        outcomes = await asyncio.gather(*(redis.ping() for _ in range(5)), return_exceptions=True)
        assert all(isinstance(outcome, StoreError) for outcome in outcomes)
        await wire.repair()
        assert await redis.ping()


async def test_a_reply_that_nobody_asked_for_ends_the_connection_and_is_given_to_nobody(redis: Redis) -> None:
    await redis.ping()
    link = redis.lane._link  # type: ignore[attr-defined]
    link.data_received(b"$7\r\nsurplus\r\n")
    assert await redis.echo("mine") == "mine"
    assert redis.lane._link is not link  # type: ignore[attr-defined]


def test_a_client_may_go_on_in_another_event_loop(redis_url: str) -> None:
    client = connect(redis_url)

    async def closing() -> None:
        await client.ping()
        await client.aclose()

    asyncio.run(closing())
    asyncio.run(closing())
