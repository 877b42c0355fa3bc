"""Grants for people to look at: read from the records themselves, never for decisions."""

from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

from redis.asyncio import Redis

from auth_server.models import GrantSummary
from auth_server.store.base import CODE_SECONDS
from auth_server.store.redis.grant_record import user_key
from shared.clock import Clock
from shared.flows.store import grant_key
from shared.redis.client import StoreError, read_hash, scan

_FIELDS = [
    "status",
    "client",
    "subject",
    "username",
    "scope",
    "resource",
    "vals",
    "created_at",
    "used_at",
    "idle_at",
    "ends_at",
    "access_until",
]

_BATCH = 1000
"""How many keys are scanned at once."""

_Record = dict[str, str | None]


@dataclass(frozen=True, slots=True)
class GrantFilter:
    """Which grants are wanted; empty: whatever it is.

    A user is named as in any of their grants, in upper or lower case: the name may have changed since.
    """

    username: str = ""
    client_id: str = ""


@dataclass(frozen=True, slots=True)
class EndedGrant:
    """A grant that was revoked, at that second since the epoch; it is remembered for a day."""

    grant_id: str
    client_id: str
    subject: str
    username: str
    reason: str
    revoked_at: int


class GrantList:
    """Grants that are pending or active, as `GrantSummary`."""

    def __init__(self, redis: Redis, clock: Clock) -> None:
        """Take the store's client and the clock."""
        self._redis = redis
        self._clock = clock

    async def of_user(self, subject: str) -> list[GrantSummary]:
        """Return the live grants listed for a person, newest first; take the dead from the list."""
        listed = [str(grant_id) for grant_id in await self._redis.zrevrange(user_key(subject), 0, -1)]
        records = await self._records(listed)
        # What is over only by this replica's clock stays: the store's own decides whether it still works.
        dead = [grant_id for grant_id, record in records if record["status"] in (None, "revoked")]
        if dead:
            with suppress(StoreError):
                await self._redis.zrem(user_key(subject), *dead)
        return [summary for summary in self._alive(records) if summary.subject == subject]

    async def find(self, grant_id: str) -> GrantSummary | None:
        """Return a grant that is alive."""
        return next(iter(self._alive(await self._records([grant_id]))), None)

    async def ended(self, grant_id: str) -> EndedGrant | None:
        """Return what is remembered of a grant that was revoked."""
        record = await read_hash(self._redis, grant_key(grant_id))
        if record.get("status") != "revoked":
            return None
        return EndedGrant(
            grant_id=grant_id,
            client_id=record["client"],
            subject=record["subject"],
            username=record["username"],
            reason=record["reason"],
            revoked_at=_seconds(record["revoked_at"]),
        )

    async def matching(self, wanted: GrantFilter) -> AsyncIterator[GrantSummary]:
        """Go through every grant in the store that is alive and wanted, in no order, each once.

        What is approved meanwhile may be missed. A name is looked up in all grants first.
        """
        subjects = await self._subjects_of(wanted.username) if wanted.username else None
        async for grant in self._every():
            if wanted.client_id in ("", grant.client_id) and (subjects is None or grant.subject in subjects):
                yield grant

    async def newest(self, wanted: GrantFilter, *, limit: int) -> tuple[list[GrantSummary], int]:
        """Return the newest grants that match, at most `limit`, and how many there are."""
        kept: list[GrantSummary] = []
        total = 0
        async for grant in self.matching(wanted):
            total += 1
            kept.append(grant)
            if len(kept) >= 2 * limit + _BATCH:
                kept = _newest_first(kept)[:limit]
        return _newest_first(kept)[:limit], total

    async def clients_in_use(self) -> set[str]:
        """Return the client_id of every grant that is alive."""
        return {grant.client_id async for grant in self._every()}

    async def _subjects_of(self, username: str) -> set[str]:
        name = username.casefold()
        return {grant.subject async for grant in self._every() if grant.username.casefold() == name}

    async def _every(self) -> AsyncIterator[GrantSummary]:
        seen: set[str] = set()
        async for keys in scan(self._redis, grant_key("*"), batch=_BATCH):
            # A scan may return a key twice.
            new = {key.partition("{")[2].partition("}")[0] for key in keys} - seen
            seen |= new
            for grant in self._alive(await self._records(list(new))):
                yield grant

    def _alive(self, records: Sequence[tuple[str, _Record]]) -> list[GrantSummary]:
        kept = [each for each in records if each[1]["status"] in ("pending", "active")]
        kept.sort(key=lambda each: int(each[1]["created_at"] or 0), reverse=True)
        now = self._clock.now()
        summaries = (_summary(grant_id, record) for grant_id, record in kept)
        return [summary for summary in summaries if summary.expires_at > now]

    async def _records(self, grant_ids: Sequence[str]) -> list[tuple[str, _Record]]:
        if not grant_ids:
            return []
        async with self._redis.pipeline(transaction=False) as pipeline:
            for grant_id in grant_ids:
                pipeline.hmget(grant_key(grant_id), _FIELDS)
            found = await pipeline.execute()
        return [
            (grant_id, dict(zip(_FIELDS, values, strict=True)))
            for grant_id, values in zip(grant_ids, found, strict=True)
        ]


def _newest_first(grants: Sequence[GrantSummary]) -> list[GrantSummary]:
    return sorted(grants, key=lambda grant: (grant.created_at, grant.grant_id), reverse=True)


def _summary(grant_id: str, record: _Record) -> GrantSummary:
    created_at = _seconds(record["created_at"])
    return GrantSummary(
        grant_id=grant_id,
        client_id=record["client"] or "",
        subject=record["subject"] or "",
        username=record["username"] or "",
        scopes=tuple((record["scope"] or "").split()),
        resource=record["resource"] or "",
        created_at=created_at,
        used_at=_seconds(record["used_at"]) or None,
        expires_at=_expiry(record) if record["status"] == "active" else created_at + CODE_SECONDS,
        vals=tuple((record["vals"] or "").split()),
    )


def _expiry(record: _Record) -> int:
    # The last access token may outlive a short-lived refresh token; without one it is all there is.
    refreshable_until = min(_seconds(record["idle_at"]), _seconds(record["ends_at"]))
    return max(refreshable_until, _seconds(record["access_until"]))


def _seconds(milliseconds: str | None) -> int:
    return int(milliseconds or 0) // 1000
