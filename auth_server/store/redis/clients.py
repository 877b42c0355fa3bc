"""Registered clients: `vt:client:<client_id>`, a hash; `vt:registration:<fingerprint>`, who may share it."""

import json
from collections.abc import AsyncIterator, Mapping
from typing import Any, cast

from redis.asyncio import Redis

from auth_server.models import Client
from auth_server.store.base import Management
from auth_server.store.redis.misses import OnMiss, nothing_to_check
from shared.redis.client import read_hash
from shared.redis.scripts import load_script

NEVER_USED_SECONDS = 7 * 86_400
"""How long a registration lives that never led to a token."""

UNUSED_SECONDS = 90 * 86_400
"""How long a client lives after its last grant can have ended, at the least."""

KEPT_AHEAD_SECONDS = 3600
"""So much longer it is kept each time, so that not every use of it is a write of its own."""

CLOSED_SECONDS = 86_400
"""How long a removal that was interrupted can be repeated."""

_HOLD_SECONDS = 3600

_LEFT_TO_SHARE_SECONDS = 86_400
"""Life that a client must have left to be shared: whoever registers has a day to get a token."""

_PACKAGE = "auth_server.store.redis.lua"
PREFIX = "vt:client:"


class RedisClientStore:
    """Implements `ClientStore`."""

    def __init__(self, redis: Redis, *, grant_idle_seconds: int, on_miss: OnMiss = nothing_to_check) -> None:
        """Take the store's client, the longest time a grant may go unused, and what to ask at a miss."""
        self._redis = redis
        self._on_miss = on_miss
        self._life = UNUSED_SECONDS + grant_idle_seconds + KEPT_AHEAD_SECONDS
        self._create = load_script(redis, _PACKAGE, "create_client")
        self._join = load_script(redis, _PACKAGE, "join_client")
        self._replace = load_script(redis, _PACKAGE, "replace_client")
        # Removing takes rights away, and must not fail because the store is full.
        self._close = load_script(redis, _PACKAGE, "close_client", allow_oom=True)

    async def add(self, client: Client) -> Client:
        """Keep a new client; return it, or the one that somebody else registered identically meanwhile."""
        record = _record(client)
        if client.fingerprint:
            record |= {"fingerprint": client.fingerprint, "registrations": "1"}
        await self._keep(client.client_id, record, seconds=NEVER_USED_SECONDS)
        # After the record, so that whoever follows the index finds one.
        return client if not client.fingerprint else await self._enter(client)

    async def pre_register(self, client: Client) -> bool:
        """Keep a client of the operator for ever; return False when there is one with this id."""
        return await self._keep(client.client_id, _record(client) | {"registered_by": "operator"}, seconds=0)

    async def join(self, fingerprint: str) -> Client | None:
        """Return the public client that an identical registration made, and count this one."""
        client_id = await self._redis.get(_index_key(fingerprint))
        return None if client_id is None else await self._join_at(str(client_id), fingerprint)

    async def find(self, client_id: str) -> Client | None:
        """Return a client."""
        record = await read_hash(self._redis, client_key(client_id))
        if not record:
            await self._on_miss()
        return client_of(client_id, record)

    async def keep_alive(self, client: Client) -> None:
        """Put off the expiry of a client that is in use; it is never brought nearer."""
        if client.lasts:
            return
        await self._redis.expire(client_key(client.client_id), self._life, gt=True)
        if client.fingerprint:
            await self._redis.expire(_index_key(client.fingerprint), self._life, gt=True)

    async def hold(self, client_id: str) -> None:
        """Keep a client for as long as a code that was just approved may take to become a token."""
        await self._redis.expire(client_key(client_id), _HOLD_SECONDS, gt=True)

    async def replace(self, client: Client) -> Management:
        """Put other metadata in the place of a client's, in one script."""
        return Management(await self._replace(keys=[client_key(client.client_id)], args=[_to_json(client)]))

    async def keep_document(self, client: Client) -> None:
        """Keep what the document of a client says now; its life is never brought nearer."""
        key = client_key(client.client_id)
        fields = {**_record(client), "fresh_until": str(client.fresh_until)}
        async with self._redis.pipeline(transaction=True) as pipeline:
            pipeline.hset(key, mapping=cast(Mapping[Any, Any], fields))
            pipeline.expire(key, _HOLD_SECONDS, nx=True)
            pipeline.expire(key, _HOLD_SECONDS, gt=True)
            await pipeline.execute()

    async def close(self, client_id: str, *, though_shared: bool = False) -> Management:
        """Begin the removal of a client, in one script."""
        args = [CLOSED_SECONDS, "1" if though_shared else "0"]
        return Management(await self._close(keys=[client_key(client_id)], args=args))

    async def remove(self, client_id: str) -> None:
        """Forget a client that was closed."""
        await self._redis.delete(client_key(client_id))

    async def pre_registered(self) -> AsyncIterator[Client]:
        """Go through the clients that the operator registered."""
        async for key in self._redis.scan_iter(match=f"{PREFIX}*", count=1000):
            client = await self.find(str(key).removeprefix(PREFIX))
            if client is not None and client.by_operator:
                yield client

    async def _keep(self, client_id: str, record: Mapping[str, str], *, seconds: int) -> bool:
        flat = [part for pair in record.items() for part in pair]
        return bool(await self._create(keys=[client_key(client_id)], args=[seconds, *flat]))

    async def _enter(self, client: Client) -> Client:
        index = _index_key(client.fingerprint)
        if await self._redis.set(index, client.client_id, nx=True, ex=NEVER_USED_SECONDS):
            return client
        first = await self.join(client.fingerprint)
        if first is None:
            # The index led nowhere: that client expired, was changed or removed.
            await self._redis.set(index, client.client_id, ex=NEVER_USED_SECONDS)
            return client
        await self.remove(client.client_id)
        return first

    async def _join_at(self, client_id: str, fingerprint: str) -> Client | None:
        # The index is a hint; the record itself says whether this registration may share it.
        joined = await self._join(
            keys=[client_key(client_id)], args=[fingerprint, _LEFT_TO_SHARE_SECONDS * 1000]
        )
        if not joined:
            return None
        flat, life = joined
        await self._redis.pexpire(_index_key(fingerprint), life, gt=True)
        return client_of(client_id, dict(zip(flat[::2], flat[1::2], strict=True)))


def client_of(client_id: str, record: dict[str, str], *, lasts: bool = False) -> Client | None:
    """Return the client that a record describes; None when there is none, or it was closed."""
    # The owner check: a reply that belongs to another request must not pass for this client.
    if not record or record["client_id"] != client_id or "closed" in record:
        return None
    metadata = json.loads(record["metadata"])
    return Client(
        client_id=record["client_id"],
        secret_hash=record["secret_hash"] or None,
        redirect_uris=tuple(metadata["redirect_uris"]),
        grant_types=tuple(metadata["grant_types"]),
        metadata=metadata,
        fingerprint=record.get("fingerprint", ""),
        by_operator=record.get("registered_by") == "operator",
        by_document="fresh_until" in record,
        fresh_until=int(record.get("fresh_until", 0)),
        lasts=lasts,
    )


def _record(client: Client) -> dict[str, str]:
    return {
        "client_id": client.client_id,
        "secret_hash": client.secret_hash or "",
        "metadata": _to_json(client),
    }


def _to_json(client: Client) -> str:
    return json.dumps(dict(client.metadata), ensure_ascii=False)


def client_key(client_id: str) -> str:
    """Return the key of a client's record."""
    return f"{PREFIX}{client_id}"


def _index_key(fingerprint: str) -> str:
    return f"vt:registration:{fingerprint}"
