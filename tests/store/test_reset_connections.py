"""A connection that was reset while it was idle is no reason to fail."""

import asyncio
from urllib.parse import urlsplit

import pytest

from dev.chaos.link import Link
from shared.redis.client import connect

pytestmark = pytest.mark.anyio


async def test_a_connection_that_was_reset_while_idle_is_replaced_before_it_is_used(redis_url: str) -> None:
    store = urlsplit(redis_url)
    link = Link(store.hostname or "127.0.0.1", store.port or 6379)
    port = await link.open()
    client = connect(f"redis://127.0.0.1:{port}/0")
    try:
        for number in range(3):
            async with client.pipeline(transaction=True) as pipeline:
                assert await pipeline.set("number", number).get("number").execute() == [True, str(number)]
            assert await client.get("number") == str(number)
            link.reset()
            # Both ends have heard of it when a new connection through the same loop has gone there and back.
            for _ in range(3):
                async with asyncio.timeout(5):
                    reader, writer = await asyncio.open_connection("127.0.0.1", port)
                    writer.write(b"PING\r\n")
                    assert (await reader.readline()).startswith(b"+PONG")
                    writer.close()
    finally:
        await client.aclose()
        await link.close()
