"""Work that goes on beside the requests, for as long as a service runs."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager

from shared.logs import get_logger
from shared.metrics import TASK_FAILURES
from shared.redis.patience import hurried

_RESTART_SECONDS = 1.0
_CANCEL_SECONDS = 0.05


@asynccontextmanager
async def running(
    tasks: Mapping[str, Callable[[], Awaitable[None]]], *, namespace: str
) -> AsyncIterator[None]:
    """Run tasks until the context ends; one that fails is logged under the namespace and started again."""
    started = [asyncio.create_task(_keep_running(name, run, namespace)) for name, run in tasks.items()]
    try:
        yield
    finally:
        pending = set(started)
        while pending:
            # More than once: redis-py sends with asyncio.wait_for, which can swallow one in Python 3.11.
            for task in pending:
                task.cancel()
            _, pending = await asyncio.wait(pending, timeout=_CANCEL_SECONDS)


async def _keep_running(name: str, run: Callable[[], Awaitable[None]], namespace: str) -> None:
    while True:
        try:
            # Each of them comes back by itself: waiting for a store would only hide how it is.
            with hurried():
                return await run()
        except Exception:
            # Nobody waits for it, and without it the service stops answering: say so and go on.
            TASK_FAILURES.inc(name)
            get_logger(namespace).exception("background task failed", task=name)
            await asyncio.sleep(_RESTART_SECONDS)
