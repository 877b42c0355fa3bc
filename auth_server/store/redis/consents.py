"""Consent that counts again: `vt:consent:<hash of subject and client_id>`, JSON; a grant's longest life."""

import json
from contextlib import suppress
from dataclasses import asdict

from redis.asyncio import Redis

from auth_server.domain import generate
from auth_server.models import RememberedConsent
from shared.redis.client import StoreError


class RedisConsentStore:
    """Implements `ConsentStore`. One record for a person and a client: it does not grow with use."""

    def __init__(self, redis: Redis, *, seconds: int) -> None:
        """Take the store's client, and how long a consent may count (seconds)."""
        self._redis = redis
        self._seconds = seconds

    async def keep(self, subject: str, client_id: str, consent: RememberedConsent) -> None:
        """Keep a consent in place of an older one; when that fails, the person is asked again."""
        with suppress(StoreError):
            await self._redis.set(_key(subject, client_id), json.dumps(asdict(consent)), ex=self._seconds)

    async def find(self, subject: str, client_id: str) -> RememberedConsent | None:
        """Return a consent."""
        record = await self._redis.get(_key(subject, client_id))
        if not isinstance(record, str):
            return None
        members = json.loads(record)
        return RememberedConsent(
            request=members["request"],
            grant_id=members["grant_id"],
            kept=tuple(members["kept"]),
            vals=tuple(members["vals"]),
        )

    async def forget(self, subject: str, client_id: str) -> None:
        """Forget a consent."""
        await self._redis.delete(_key(subject, client_id))


def _key(subject: str, client_id: str) -> str:
    return f"vt:consent:{generate.digest(json.dumps([subject, client_id]))}"
