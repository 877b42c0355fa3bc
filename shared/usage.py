"""What a grant was used for: counted by mcp_server, shown by auth_server to the person whose grant it is.

`vt:{<grant id>}:usage`, in the grant's hash slot: names of tools and scopes with the number of calls, calls
by the day, first and last use. No argument, no val and no answer is in it, and it goes with the grant.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from redis.asyncio import Redis

from shared.clock import Clock
from shared.redis.scripts import load_script

DAYS: Final = 14
"""Days of which calls are kept apart, today included."""

_SECONDS_OF_DAY: Final = 86_400


@dataclass(slots=True)
class Calls:
    """Calls of one grant.

    Attributes:
        total: how many there were.
        tools: how often each tool was called.
        scopes: how often each scope was needed, by a tool, resource or prompt.
    """

    total: int = 0
    tools: dict[str, int] = field(default_factory=dict)
    scopes: dict[str, int] = field(default_factory=dict)

    def add(self, *, tool: str | None, scope: str | None) -> None:
        """Count one call."""
        self.total += 1
        if tool is not None:
            self.tools[tool] = self.tools.get(tool, 0) + 1
        if scope is not None:
            self.scopes[scope] = self.scopes.get(scope, 0) + 1

    def merge(self, other: "Calls") -> None:
        """Count what the other counted too."""
        self.total += other.total
        for mine, theirs in ((self.tools, other.tools), (self.scopes, other.scopes)):
            for name, count in theirs.items():
                mine[name] = mine.get(name, 0) + count


@dataclass(frozen=True, slots=True)
class Usage:
    """What one grant was used for.

    Attributes:
        tools: how often each tool was called, since the grant was made.
        scopes: how often each scope was needed.
        days: calls on each of the last DAYS days (UTC), the last one being today.
        first: when it was used first, in seconds since the epoch; None: never.
        last: when it was used last.
    """

    tools: Mapping[str, int]
    scopes: Mapping[str, int]
    days: tuple[int, ...]
    first: int | None
    last: int | None


class UsageStore:
    """Adds calls to a grant's usage, and reads it."""

    def __init__(self, redis: Redis, clock: Clock) -> None:
        """Take the store's client and the clock."""
        self._redis = redis
        self._clock = clock
        self._record = load_script(redis, "shared.redis.lua", "record_use")

    async def add(self, grant_id: str, calls: Calls) -> None:
        """Add calls, unless the grant is over. Atomic.

        Raises:
            StoreError: the store did not answer; they may have been added.
        """
        counts = {"calls": calls.total}
        counts |= {f"tool:{name}": count for name, count in calls.tools.items()}
        counts |= {f"scope:{name}": count for name, count in calls.scopes.items()}
        pairs = [part for name, count in counts.items() for part in (name, count)]
        await self._record(
            keys=[f"vt:{{{grant_id}}}:grant", usage_key(grant_id)],
            args=[int(self._clock.offset * 1000), DAYS, *pairs],
        )

    async def of(self, grant_ids: Sequence[str]) -> list[Usage]:
        """Return the usage of each grant.

        Raises:
            StoreError: the store did not answer.
        """
        if not grant_ids:
            return []
        async with self._redis.pipeline(transaction=False) as pipeline:
            for grant_id in grant_ids:
                pipeline.hgetall(usage_key(grant_id))
            records = await pipeline.execute()
        today = int(self._clock.now()) // _SECONDS_OF_DAY
        return [_usage(record, today) for record in records]


def usage_key(grant_id: str) -> str:
    """Return the key of a grant's usage."""
    return f"vt:{{{grant_id}}}:usage"


def _usage(record: Mapping[str, str], today: int) -> Usage:
    return Usage(
        tools=_counts(record, "tool:"),
        scopes=_counts(record, "scope:"),
        days=tuple(int(record.get(f"day:{day}", 0)) for day in range(today - DAYS + 1, today + 1)),
        first=_seconds(record.get("first")),
        last=_seconds(record.get("last")),
    )


def _counts(record: Mapping[str, str], prefix: str) -> dict[str, int]:
    return {
        name.removeprefix(prefix): int(count) for name, count in record.items() if name.startswith(prefix)
    }


def _seconds(milliseconds: str | None) -> int | None:
    return None if milliseconds is None else int(float(milliseconds)) // 1000
