"""People signed in: `vt:session:<hash of the session id>`, a hash, one hour."""

from redis.asyncio import Redis

from auth_server.domain import generate
from auth_server.models import UserSession
from auth_server.store.base import SESSION_SECONDS
from shared.clock import Clock
from shared.redis.client import read_hash, write_hash


class RedisSessionStore:
    """Implements `SessionStore`."""

    def __init__(self, redis: Redis, clock: Clock) -> None:
        """Take the store's client and the clock."""
        self._redis = redis
        self._clock = clock

    async def save(self, session: UserSession) -> None:
        """Keep a session."""
        record: dict[str, str | int] = {
            "subject": session.subject,
            "username": session.username,
            "credential": session.sealed_credential or "",
            "expires_at": int(self._clock.now() + SESSION_SECONDS),
        }
        await write_hash(self._redis, _key(session.session_id), record, seconds=SESSION_SECONDS + 60)

    async def find(self, session_id: str) -> UserSession | None:
        """Return a session that is not over."""
        record = await read_hash(self._redis, _key(session_id))
        if not record or int(record["expires_at"]) <= self._clock.now():
            return None
        return UserSession(
            session_id=session_id,
            subject=record["subject"],
            username=record["username"],
            sealed_credential=record["credential"] or None,
        )

    async def end(self, session_id: str) -> bool:
        """Forget a session; DEL tells who was the first."""
        return bool(await self._redis.delete(_key(session_id)))


def _key(session_id: str) -> str:
    return f"vt:session:{generate.digest(session_id)}"
