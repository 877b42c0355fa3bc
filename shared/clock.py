"""The one source of time, passed in wherever a rule depends on it."""

import time


class Clock:
    """Wall clock with an offset.

    Services run with offset 0. Tests move time by changing `offset`, which reaches the Lua scripts too: they
    add it to the store's own `TIME`, so one set-up serves both and replicas never compare their own clocks.
    """

    __slots__ = ("offset",)

    def __init__(self, offset: float = 0.0) -> None:
        """Take the offset in seconds."""
        self.offset = offset

    def now(self) -> float:
        """Return seconds since the epoch, UTC."""
        return time.time() + self.offset

    def monotonic(self) -> float:
        """Return seconds of a clock that never goes back, for measuring how long something lasts."""
        return time.monotonic() + self.offset

    def advance(self, seconds: float) -> None:
        """Move this clock forward by so many seconds."""
        self.offset += seconds
