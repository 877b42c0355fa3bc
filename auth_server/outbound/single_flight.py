"""One fetch for everybody who wants the same at the same time."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class SingleFlight(Generic[T]):
    """Runs what is asked for under one name once at a time; whoever asks meanwhile gets the same outcome."""

    def __init__(self) -> None:
        """Begin with nothing under way."""
        self._running: dict[str, asyncio.Task[T]] = {}

    def is_running(self, name: str) -> bool:
        """Return whether somebody asked already and waits."""
        return name in self._running

    async def run(self, name: str, work: Callable[[], Awaitable[T]]) -> T:
        """Return the outcome of the work, or raise its error.

        The work goes on when whoever asked first hangs up: others wait for it.
        """
        task = self._running.get(name)
        if task is None:
            task = asyncio.ensure_future(_run(work))
            self._running[name] = task
            task.add_done_callback(lambda done: self._ended(name, done))
        return await asyncio.shield(task)

    def cancel(self) -> None:
        """End everything that is under way."""
        for task in tuple(self._running.values()):
            task.cancel()

    def _ended(self, name: str, task: asyncio.Task[T]) -> None:
        self._running.pop(name, None)
        if not task.cancelled():
            # Looked at, so that nothing is said of an error that nobody waited for.
            task.exception()


async def _run(work: Callable[[], Awaitable[T]]) -> T:
    return await work()
