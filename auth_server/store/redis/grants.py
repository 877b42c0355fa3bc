"""Grants: `vt:{<grant id>}:grant`, `:code`, `:successor`, `:credential`, deny keys; all in one hash slot."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Self

from redis.asyncio import Redis

from auth_server.metrics import REVOCATIONS
from auth_server.models import AuthorizationCode, Grant, GrantSummary
from auth_server.settings import AuthSettings
from auth_server.store.base import (
    CODE_SECONDS,
    CodeRedemption,
    Narrowing,
    Redemption,
    RefreshRotation,
    Rotation,
)
from auth_server.store.redis.grant_list import GrantList, grant_key, user_key
from auth_server.store.redis.misses import OnMiss, nothing_to_check
from shared.clock import Clock
from shared.credentials import credential_key
from shared.flows.steps import FLOW_SECONDS
from shared.flows.store import flow_link
from shared.oauth.access_token import LEEWAY
from shared.redis.client import StoreError, read_hash
from shared.redis.scripts import load_script
from shared.revocation import CHANNEL, deny_key, version_entry
from shared.usage import usage_key

TOMBSTONE_LIFETIME = 86_400
"""Seconds for which a used code and a revoked grant are remembered as such."""

MAX_LISTED = 1000
"""Newest grants that are listed for one person."""

MAX_LISTED_OF_CLIENT = 10_000
"""Newest grants that are listed for one client. An older one's access token may outlive its client."""

_SKEW_SECONDS = 2 * LEEWAY
"""How long a revocation is remembered beyond the token's own expiry: both clocks may be off."""

_PACKAGE = "auth_server.store.redis.lua"


@dataclass(frozen=True, slots=True)
class GrantLifetimes:
    """How long things live, in seconds."""

    access_token: int
    refresh_token: int
    grant: int
    refresh_grace: int

    @classmethod
    def of(cls, settings: AuthSettings) -> Self:
        """Return the lifetimes that the operator chose."""
        return cls(
            access_token=settings.oauth_access_token_ttl,
            refresh_token=settings.oauth_refresh_token_ttl,
            grant=settings.oauth_grant_ttl,
            refresh_grace=settings.oauth_refresh_grace_seconds,
        )


class RedisGrantStore:
    """Implements `GrantStore`."""

    def __init__(
        self, redis: Redis, clock: Clock, lifetimes: GrantLifetimes, *, on_miss: OnMiss = nothing_to_check
    ) -> None:
        """Take the store's client, the clock, the lifetimes, and what to ask at a miss."""
        self._redis = redis
        self._on_miss = on_miss
        self._clock = clock
        self._lifetimes = lifetimes
        self._create = load_script(redis, _PACKAGE, "create_grant", prelude="transitions")
        self._redeem = load_script(redis, _PACKAGE, "redeem_authorization_code", prelude="transitions")
        self._rotate = load_script(redis, _PACKAGE, "rotate_refresh_token", prelude="transitions")
        self._revoke = load_script(redis, _PACKAGE, "revoke_grant", prelude="transitions", allow_oom=True)
        self._narrow = load_script(redis, _PACKAGE, "narrow_grant", prelude="transitions", allow_oom=True)
        self._revoke_token = load_script(
            redis, _PACKAGE, "revoke_access_token", prelude="transitions", allow_oom=True
        )

    async def create(self, grant: Grant, code: AuthorizationCode, sealed_credential: str) -> None:
        """Keep a pending grant with its code and credential, all or nothing."""
        keys = _Keys(grant.grant_id)
        created = await self._create(
            keys=[keys.grant, keys.code, keys.credential, flow_link(grant.grant_id)],
            args=[
                self._offset(),
                CODE_SECONDS * 1000,
                self._lifetimes.grant * 1000,
                sealed_credential,
                grant.client_id,
                grant.subject,
                grant.username,
                " ".join(grant.scopes),
                grant.resource,
                code.code_hash,
                code.redirect_uri,
                code.code_challenge,
                " ".join(grant.vals),
                grant.flow,
                FLOW_SECONDS,
            ],
        )
        if not created:
            raise RuntimeError("a grant id was made twice")
        with suppress(StoreError):
            await self._list(grant)

    async def find(self, grant_id: str) -> Grant | None:
        """Return a grant that is pending or active."""
        record = await read_hash(self._redis, _Keys(grant_id).grant)
        if not record:
            await self._on_miss()
        if record.get("status") not in ("pending", "active"):
            return None
        return Grant(
            grant_id=grant_id,
            client_id=record["client"],
            subject=record["subject"],
            username=record["username"],
            scopes=tuple(record["scope"].split()),
            resource=record["resource"],
            vals=tuple(record.get("vals", "").split()),
            version=int(record.get("version", 0)),
            approved=tuple(record.get("approved", "").split()),
            flow=self._flow(record),
        )

    def _flow(self, record: Mapping[str, str]) -> str:
        is_remembered = int(record["created_at"]) > (self._clock.now() - FLOW_SECONDS) * 1000
        return record.get("flow", "") if is_remembered else ""

    async def of_user(self, subject: str) -> list[GrantSummary]:
        """Return the person's grants that are pending or active, newest first; at most MAX_LISTED."""
        found = await GrantList(self._redis, self._clock).of_user(subject)
        if not found:
            await self._on_miss()
        return found

    async def refresh_expiry(self, grant_id: str, token_hash: str) -> int | None:
        """Return when a grant's current refresh token expires; None when it is another, or over."""
        record = await read_hash(self._redis, _Keys(grant_id).grant)
        if record.get("status") != "active" or record.get("refresh") != token_hash:
            return None
        expires_at = min(int(record["idle_at"]), int(record["ends_at"])) // 1000
        return expires_at if expires_at > self._clock.now() else None

    async def is_access_token_revoked(self, grant_id: str, token_id: str) -> bool:
        """Return whether there is a deny key of the token."""
        return bool(await self._redis.exists(deny_key(grant_id, token_id)))

    async def redeem(self, redemption: CodeRedemption) -> Redemption:
        """Check a code against everything it is bound to and use it up, in one script."""
        keys = _Keys(redemption.grant_id)
        outcome = await self._redeem(
            keys=[keys.grant, keys.code, keys.credential, keys.deny, keys.successor, keys.usage],
            args=[
                self._offset(),
                redemption.grant_id,
                redemption.code_hash,
                redemption.client_id,
                "0" if redemption.redirect_uri is None else "1",
                redemption.redirect_uri or "",
                redemption.code_challenge,
                redemption.refresh_hash or "",
                self._lifetimes.refresh_token * 1000,
                self._access_life(),
                _SKEW_SECONDS,
                CHANNEL,
                TOMBSTONE_LIFETIME * 1000,
                redemption.version,
            ],
        )
        return Redemption(outcome)

    async def rotate(self, rotation: RefreshRotation) -> tuple[Rotation, str | None]:
        """Replace the current refresh token by its successor, in one script."""
        keys = _Keys(rotation.grant_id)
        outcome, response = await self._rotate(
            keys=[keys.grant, keys.successor, keys.credential, keys.deny, keys.code, keys.usage],
            args=[
                self._offset(),
                rotation.grant_id,
                rotation.client_id,
                rotation.generation,
                rotation.presented_hash,
                rotation.successor_hash,
                rotation.sealed_response,
                self._lifetimes.refresh_grace * 1000,
                self._lifetimes.refresh_token * 1000,
                self._access_life(),
                _SKEW_SECONDS,
                CHANNEL,
                TOMBSTONE_LIFETIME * 1000,
                rotation.version,
            ],
        )
        return Rotation(outcome), response or None

    async def narrow(self, grant: Grant, scopes: Sequence[str]) -> Narrowing:
        """Leave a grant these of its scopes, and end the access tokens it has, in one script."""
        outcome = await self._narrow(
            keys=[grant_key(grant.grant_id), deny_key(grant.grant_id, version_entry(grant.version))],
            args=[
                self._offset(),
                grant.grant_id,
                grant.version,
                " ".join(scopes),
                _SKEW_SECONDS,
                CHANNEL,
            ],
        )
        return Narrowing(outcome)

    async def revoke(self, grant_id: str, *, reason: str) -> bool:
        """End a grant and everything issued from it, and tell every mcp_server."""
        keys = _Keys(grant_id)
        alive = await self._revoke(
            keys=[keys.grant, keys.code, keys.successor, keys.credential, keys.deny, keys.usage],
            args=[
                self._offset(),
                grant_id,
                reason,
                _SKEW_SECONDS,
                CHANNEL,
                TOMBSTONE_LIFETIME * 1000,
            ],
        )
        if alive:
            REVOCATIONS.inc(reason)
        return bool(alive)

    async def revoke_client(self, client_id: str, *, thorough: bool = False) -> None:
        """End the newest grants of a client; the refresh tokens of older ones end with the client itself.

        Thorough: also those that are not listed, found by looking at every grant in the store.
        """
        key = _client_key(client_id)
        for grant_id in await self._redis.zrevrange(key, 0, -1):
            await self.revoke(str(grant_id), reason="client_removed")
        if thorough:
            async for grant_id in self._unlisted(client_id):
                await self.revoke(grant_id, reason="client_removed")
        await self._redis.delete(key)

    async def _unlisted(self, client_id: str) -> AsyncIterator[str]:
        async for found in self._redis.scan_iter(match=_Keys("*").grant, count=1000):
            record = await self._redis.hmget(found, "client", "status")
            if record[0] == client_id and record[1] != "revoked":
                yield str(found).partition("{")[2].partition("}")[0]

    async def revoke_access_token(self, grant_id: str, token_id: str, *, expires_at: int) -> None:
        """End one access token, and tell every mcp_server."""
        seconds = max(expires_at - int(self._clock.now()), 0) + _SKEW_SECONDS
        await self._revoke_token(
            keys=[deny_key(grant_id, token_id)], args=[f"{grant_id}:{token_id}", seconds, CHANNEL]
        )

    async def _list(self, grant: Grant) -> None:
        # For lists, never for decisions: they live in other hash slots, so they come second.
        lists = ((user_key(grant.subject), MAX_LISTED), (_client_key(grant.client_id), MAX_LISTED_OF_CLIENT))
        async with self._redis.pipeline(transaction=False) as pipeline:
            for key, bound in lists:
                pipeline.zadd(key, {grant.grant_id: int(self._clock.now())})
                pipeline.zremrangebyrank(key, 0, -bound - 1)
                # Never brought nearer: older grants may have been promised a longer life.
                pipeline.expire(key, self._lifetimes.grant, nx=True)
                pipeline.expire(key, self._lifetimes.grant, gt=True)
            await pipeline.execute()

    def _offset(self) -> int:
        return int(self._clock.offset * 1000)

    def _access_life(self) -> int:
        return (self._lifetimes.access_token + LEEWAY) * 1000


def _client_key(client_id: str) -> str:
    return f"vt:client-grants:{client_id}"


class _Keys:
    """The keys of one grant."""

    def __init__(self, grant_id: str) -> None:
        self.grant = grant_key(grant_id)
        self.code = f"vt:{{{grant_id}}}:code"
        self.successor = f"vt:{{{grant_id}}}:successor"
        self.credential = credential_key(grant_id)
        self.deny = deny_key(grant_id)
        self.usage = usage_key(grant_id)
