"""The storage contract of signing keys; beside `store.base`, because it speaks of the keys themselves.

Every method may raise `StoreError`, as there.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from auth_server.domain.signing_keys import KeyPair, KeyRecord, SigningKey


class KeyRole(StrEnum):
    """What a key is added to the ring for."""

    FIRST = "first"
    """Signs, if no key does yet."""
    STANDBY = "standby"
    """Published in advance, if none is."""
    SCHEDULED = "scheduled"
    """Signs as soon as it was published long enough; at once, if no key does yet."""


class Addition(StrEnum):
    """What became of a key that was to be added."""

    ADDED = "added"
    NOT_NEEDED = "not_needed"
    FULL = "full"
    NEXT = "next"
    ACTIVE = "active"
    RETIRING = "retiring"
    GONE = "gone"
    """The last four: it is in the ring already, in this state."""


@dataclass(frozen=True, slots=True)
class RotationBegun:
    """The key that will sign, and from when (seconds since the epoch)."""

    kid: str
    due_at: float


class RingFullError(Exception):
    """So many keys are published already that another one would not be read by everybody."""


class KeyringStore(Protocol):
    """Signing keys, their private halves sealed. Every change of the ring is atomic and told to mcp_servers.

    A key signs only after it was published for `PUBLISHED_BEFORE_USE`, and stays published until the last
    token it signed is over: the store sees to both, whoever calls.
    """

    async def load(self) -> tuple[SigningKey, ...]:
        """Return every key that is published, the active one first."""
        ...

    async def records(self) -> tuple[KeyRecord, ...]:
        """Return what is known of every key, gone ones included."""
        ...

    async def advance(self) -> bool:
        """Make the transitions whose time has come; return whether there was one."""
        ...

    async def add(self, pair: KeyPair, role: KeyRole, *, imported: bool = False) -> Addition:
        """Add a key, if it is needed for its role. Of several processes that add one at once, one wins."""
        ...

    async def rotate(self, new: KeyPair, *, replacing: str | None = None) -> RotationBegun | None:
        """Let the key that stands by become due, and `new` stand by in its place.

        Args:
            new: a key that is not in the ring; used at once when none of its algorithm stands by.
            replacing: only if this key is active and has no successor yet; None: in any case.

        Raises:
            RingFullError: see the class.
        """
        ...

    async def revoke(self, kid: str, *, substitute: KeyPair) -> str | None:
        """Take a key out at once with all tokens it signed; return the kid that signs now.

        None: there is no such key (any more). If it was active and none is next, `substitute` signs.
        """
        ...
