"""A connection whose TLS handshake is given up is closed."""

import asyncio

import httpx
import pytest

from shared.valtown.client import ValTownClient
from tests.support.listening import listening

pytestmark = pytest.mark.anyio


async def test_who_gives_up_during_the_handshake_leaves_no_connection() -> None:
    greeted, closed = asyncio.Event(), asyncio.Event()

    async def say_nothing(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        greeted.set()
        await reader.read()
        closed.set()

    async with listening(say_nothing) as port, httpx.AsyncClient() as http:
        asking = asyncio.create_task(ValTownClient(http, f"https://127.0.0.1:{port}", "vtwn_x").me())
        async with asyncio.timeout(5):
            await greeted.wait()
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        async with asyncio.timeout(5):
            await closed.wait()
