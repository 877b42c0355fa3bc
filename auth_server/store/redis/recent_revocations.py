"""What was revoked lately, here or elsewhere, to be revoked again should a failover have lost it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from shared.clock import Clock
from shared.logs import get_logger

KEPT_SECONDS: Final = 900
"""A failover loses what was acknowledged in its last seconds, and is noticed within seconds."""

MAX_KEPT: Final = 10_000
"""The oldest ones go first. One takes less than 1 KB."""

_log = get_logger("store:watch")


@dataclass(frozen=True, slots=True)
class _Revocation:
    at: float
    again: Callable[[], Awaitable[None]]


class RecentRevocations:
    """A record that is only added to, in memory: bounded in time and number."""

    def __init__(self, clock: Clock) -> None:
        """Take the clock."""
        self._clock = clock
        # By what they end, the oldest first.
        self._kept: dict[str, _Revocation] = {}

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._kept)

    def add(self, entry: str, again: Callable[[], Awaitable[None]]) -> None:
        """Keep how to revoke something again; it must be safe to repeat.

        Args:
            entry: what is revoked, as the feed names it.
            again: revokes it again.
        """
        self._kept.pop(entry, None)
        self._drop_old()
        self._kept[entry] = _Revocation(self._clock.monotonic(), again)

    def add_heard(self, entry: str, again: Callable[[], Awaitable[None]]) -> None:
        """Keep how to revoke again what the feed told of, unless this process knows better."""
        if entry not in self._kept:
            self.add(entry, again)

    async def replay(self) -> None:
        """Revoke everything again.

        Raises:
            StoreError: the store did not answer; the whole is to be repeated.
        """
        self._drop_old()
        for revocation in tuple(self._kept.values()):
            await revocation.again()
        if self._kept:
            _log.warning("revocations repeated after a change of the store", count=len(self._kept))

    def _drop_old(self) -> None:
        oldest = self._clock.monotonic() - KEPT_SECONDS
        while self._kept:
            entry = next(iter(self._kept))
            if len(self._kept) < MAX_KEPT and self._kept[entry].at >= oldest:
                return
            del self._kept[entry]
