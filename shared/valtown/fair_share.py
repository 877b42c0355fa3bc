"""One user's calls to Val Town at a time: nobody can take all connections and starve the rest."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Final

from shared.valtown.errors import RateLimited

CALLS_AT_ONCE: Final = 8
CALLS_WAITING: Final = 64


class FairShares:
    """Hands out shares by user; what nobody uses is forgotten."""

    def __init__(self, *, at_once: int = CALLS_AT_ONCE, waiting: int = CALLS_WAITING) -> None:
        """Take how many calls of one user may run, and how many more may wait."""
        self._at_once = at_once
        self._most = at_once + waiting
        self._users: dict[str, _Places] = {}

    def of(self, user: str) -> "Share":
        """Return the share of a user, the same for all its requests."""
        return Share(self, user)

    @asynccontextmanager
    async def turn(self, user: str) -> AsyncIterator[None]:
        """Hold a place of a user, as `Share.turn`."""
        places = self._users.setdefault(user, _Places(self._at_once))
        if places.calls >= self._most:
            raise RateLimited(None, "Too many calls to Val Town at once on this connection.", 1.0)
        places.calls += 1
        try:
            async with places.free:
                yield
        finally:
            places.calls -= 1
            if not places.calls:
                del self._users[user]


class _Places:
    def __init__(self, at_once: int) -> None:
        self.free = asyncio.Semaphore(at_once)
        self.calls = 0


class Share:
    """One user's part of the connections."""

    def __init__(self, shares: FairShares, user: str) -> None:
        """Take where the places are kept, and whose they are."""
        self._shares = shares
        self._user = user

    def turn(self) -> AbstractAsyncContextManager[None]:
        """Hold one of the user's places; waits for it in the order of arrival.

        Raises:
            RateLimited: too many calls of this user wait already.
        """
        return self._shares.turn(self._user)
