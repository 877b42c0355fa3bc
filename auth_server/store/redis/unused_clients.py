"""Clients that registered themselves and are not used: found by their expiry, closed if that stays so."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from redis.asyncio import Redis

from auth_server.models import Client
from auth_server.store.redis.clients import CLOSED_SECONDS, PREFIX, UNUSED_SECONDS, client_key, client_of
from shared.redis.client import scan
from shared.redis.scripts import load_script

_BATCH = 1000
"""How many keys are scanned and read at once."""


@dataclass(frozen=True, slots=True)
class UnusedClient:
    """A client that nobody has used since `last_used_at`, in seconds since the epoch.

    It may have been up to an hour earlier; None: never. What the record looked like is kept, to see whether
    anything has happened since.
    """

    client: Client
    registered_at: int
    last_used_at: int | None
    registrations: str = field(repr=False)
    expires_at_ms: int = field(repr=False)


class UnusedClients:
    """The clients of one store that registered themselves."""

    def __init__(self, redis: Redis, *, grant_idle_seconds: int) -> None:
        """Take the store's client and the longest time a grant may go unused, as the service does."""
        self._redis = redis
        self._life = UNUSED_SECONDS + grant_idle_seconds
        self._close = load_script(redis, "auth_server.store.redis.lua", "close_unused_client", allow_oom=True)

    async def since(self, moment: float) -> AsyncIterator[UnusedClient]:
        """Go through the clients that neither registered nor got a token since a moment (s since the epoch).

        Their grants are not looked at: one may be alive.
        """
        seen: set[str] = set()
        async for unused in self._every():
            used_at = unused.last_used_at or unused.registered_at
            if max(used_at, unused.registered_at) <= moment and unused.client.client_id not in seen:
                seen.add(unused.client.client_id)
                yield unused

    async def close(self, unused: UnusedClient) -> bool:
        """Make a client unknown to everybody, in one script; False when it came into use or is gone."""
        key = client_key(unused.client.client_id)
        args: list[str | int] = [unused.registrations, unused.expires_at_ms, CLOSED_SECONDS]
        return bool(await self._close(keys=[key], args=args))

    async def _every(self) -> AsyncIterator[UnusedClient]:
        async for keys in scan(self._redis, f"{PREFIX}*", batch=_BATCH):
            for unused in await self._read([key.removeprefix(PREFIX) for key in keys]):
                yield unused

    async def _read(self, client_ids: list[str]) -> list[UnusedClient]:
        async with self._redis.pipeline(transaction=False) as pipeline:
            for client_id in client_ids:
                pipeline.hgetall(client_key(client_id))
                pipeline.pexpiretime(client_key(client_id))
            found = await pipeline.execute()
        read = zip(client_ids, found[::2], found[1::2], strict=True)
        return [unused for each in read if (unused := self._unused(*each)) is not None]

    def _unused(self, client_id: str, record: dict[str, str], expires_at_ms: int) -> UnusedClient | None:
        client = client_of(client_id, record)
        # Whoever is described by a document registered nothing, and ends by itself.
        if client is None or client.by_operator or client.by_document or expires_at_ms < 0:
            return None
        registered_at = int(str(client.metadata.get("client_id_issued_at") or 0))
        # A token puts the expiry off to a whole life from then, and an hour more, for which further ones do
        # nothing. Off by the difference after a change of OAUTH_REFRESH_TOKEN_TTL; a client with a live grant
        # stays in any case.
        used_at = expires_at_ms // 1000 - self._life
        return UnusedClient(
            client,
            registered_at,
            used_at if used_at >= registered_at else None,
            record.get("registrations", "1"),
            expires_at_ms,
        )
