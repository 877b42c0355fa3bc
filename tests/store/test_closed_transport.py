"""A connection to the store that is closed already, under uvloop, which tells it in its own way."""

import asyncio

import pytest

from shared.redis.client import StoreError, connect

uvloop = pytest.importorskip("uvloop", reason="uvloop is not made for this platform")


async def _write_to_a_closed_connection(url: str) -> None:
    async with connect(url) as redis:
        connection = await redis.connection_pool.get_connection()
        connection._writer.transport.abort()
        await asyncio.sleep(0)
        try:
            await connection.send_command("PING")
        finally:
            await redis.connection_pool.release(connection)


def test_a_connection_that_is_closed_already_is_a_fault_of_the_store(redis_url: str) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner, pytest.raises(StoreError):
        runner.run(_write_to_a_closed_connection(redis_url))
