"""Registered clients: `vt:client:<client_id>`, a hash."""

import json

from redis.asyncio import Redis

from auth_server.models import Client
from shared.redis.client import read_hash, write_hash

NEVER_USED_SECONDS = 7 * 86_400
"""How long a registration lives that never led to a token."""

UNUSED_SECONDS = 90 * 86_400
"""How long a client lives after its last grant can have ended."""


class RedisClientStore:
    """Implements `ClientStore`."""

    def __init__(self, redis: Redis, *, grant_idle_seconds: int) -> None:
        """Take the store's client and the longest time a grant may go unused."""
        self._redis = redis
        self._life = UNUSED_SECONDS + grant_idle_seconds

    async def add(self, client: Client) -> None:
        """Keep a new client."""
        record = {
            "client_id": client.client_id,
            "secret_hash": client.secret_hash or "",
            "metadata": json.dumps(dict(client.metadata), ensure_ascii=False),
        }
        await write_hash(self._redis, _key(client.client_id), record, seconds=NEVER_USED_SECONDS)

    async def find(self, client_id: str) -> Client | None:
        """Return a client."""
        record = await read_hash(self._redis, _key(client_id))
        # The owner check: a reply that belongs to another request must not pass for this client.
        if not record or record["client_id"] != client_id:
            return None
        metadata = json.loads(record["metadata"])
        return Client(
            client_id=record["client_id"],
            secret_hash=record["secret_hash"] or None,
            redirect_uris=tuple(metadata["redirect_uris"]),
            grant_types=tuple(metadata["grant_types"]),
            metadata=metadata,
        )

    async def keep_alive(self, client_id: str) -> None:
        """Put off the expiry of a client that is in use."""
        await self._redis.expire(_key(client_id), self._life)


def _key(client_id: str) -> str:
    return f"vt:client:{client_id}"
