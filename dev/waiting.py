"""Waiting for what another task or process does."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

_PAUSE: Final = 0.02


async def until(condition: Callable[[], Awaitable[bool]], seconds: float) -> None:
    """Return once a condition holds.

    Raises:
        TimeoutError: it did not hold within so many seconds.
    """
    async with asyncio.timeout(seconds):
        while True:
            if await condition():
                return
            await asyncio.sleep(_PAUSE)
