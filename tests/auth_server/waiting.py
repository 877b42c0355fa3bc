"""Waiting for what another task or process does, with a deadline instead of a guess."""

import asyncio
from collections.abc import Awaitable, Callable

SECONDS = 5.0
_PAUSE = 0.002


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Return once a condition holds; fail the test when it does not within SECONDS."""
    async with asyncio.timeout(SECONDS):
        while True:
            if await condition():
                return
            await asyncio.sleep(_PAUSE)
