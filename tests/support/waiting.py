"""Waiting for what another task or process does, with a deadline instead of a guess."""

import asyncio
from collections.abc import Awaitable, Callable

SECONDS = 5.0
_PAUSE = 0.002


async def until(condition: Callable[[], Awaitable[bool]], *, seconds: float = SECONDS) -> None:
    """Return once a condition holds; fail the test when it does not within so many seconds.

    By the loop's clock, not by cancelling: in Python 3.11 redis-py can swallow a timeout's one cancellation.
    """
    deadline = asyncio.get_running_loop().time() + seconds
    while not await condition():
        assert asyncio.get_running_loop().time() < deadline, f"not within {seconds:g} s"
        await asyncio.sleep(_PAUSE)
