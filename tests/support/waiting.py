"""Waiting for what another task or process does, with a deadline instead of a guess."""

import asyncio
from collections.abc import Awaitable, Callable

SECONDS = 5.0
_PAUSE = 0.002


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Return once a condition holds; fail the test when it does not within SECONDS.

    By the loop's clock, not by cancelling: in Python 3.11 redis-py can swallow a timeout's one cancellation.
    """
    deadline = asyncio.get_running_loop().time() + SECONDS
    while not await condition():
        assert asyncio.get_running_loop().time() < deadline, f"not within {SECONDS:g} s"
        await asyncio.sleep(_PAUSE)
