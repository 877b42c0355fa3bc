"""Grants: `vt:{<grant id>}:grant`, `:code`, `:successor`, `:credential`, deny keys; all in one hash slot."""

import math
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Final, Self

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
from auth_server.store.redis import client_grants
from auth_server.store.redis.grant_list import GrantList
from auth_server.store.redis.grant_record import GrantKeys, client_grants_key, grant_of, user_key
from auth_server.store.redis.misses import OnMiss, nothing_to_check
from auth_server.store.redis.recent_revocations import RecentRevocations
from shared.audit.events import Event, Outcome
from shared.audit.log import AuditLog
from shared.clock import Clock
from shared.flows.steps import FLOW_SECONDS
from shared.flows.store import grant_key
from shared.logs import get_logger
from shared.oauth.access_token import LEEWAY
from shared.redis.client import StoreError, read_hash
from shared.redis.scripts import Argument, NotReplicatedError, Script, load_script
from shared.redis.watch import StoreWatch
from shared.revocation import CHANNEL, deny_key, version_entry

TOMBSTONE_LIFETIME = 86_400
"""Seconds for which a used code and a revoked grant are remembered as such."""

MAX_LISTED = 1000
"""Newest grants that are listed for one person."""

MAX_LISTED_OF_CLIENT = 10_000
"""Newest grants that are listed for one client. An older one's access token may outlive its client."""

_SKEW_SECONDS = 2 * LEEWAY
"""How long a revocation is remembered beyond the token's own expiry: both clocks may be off."""

HEALING_SECONDS: Final = 600
"""How long after the last access token of before a failover a refresh token that the store lost is healed."""

_PACKAGE = "auth_server.store.redis.lua"
_log = get_logger("store:grants")


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
        self,
        redis: Redis,
        clock: Clock,
        lifetimes: GrantLifetimes,
        *,
        on_miss: OnMiss = nothing_to_check,
        replicas: int = 0,
        watch: StoreWatch | None = None,
        recent: RecentRevocations | None = None,
        audit: AuditLog | None = None,
    ) -> None:
        """Take the store's client, the clock, the lifetimes, and what a failover makes necessary.

        Args:
            redis: the store's client.
            clock: the clock.
            lifetimes: how long things live.
            on_miss: what to ask when a grant is not there.
            replicas: how many must confirm what may not be lost (REDIS_WAIT_REPLICAS).
            watch: knows whether the store failed over; without one nothing is healed.
            recent: where revocations are recorded that may have to be repeated.
            audit: who hears of grants that end.
        """
        self._redis = redis
        self._audit = audit
        self._replicas = replicas
        self._watch = watch
        self._recent = RecentRevocations(clock) if recent is None else recent
        self._on_miss = on_miss
        self._clock = clock
        self._lifetimes = lifetimes
        self._create = load_script(redis, _PACKAGE, "create_grant", prelude="transitions")
        self._redeem = load_script(redis, _PACKAGE, "redeem_authorization_code", prelude="transitions")
        self._rotate = load_script(redis, _PACKAGE, "rotate_refresh_token", prelude="transitions")
        self._revoke = load_script(
            redis, _PACKAGE, "revoke_grant", prelude="transitions", allow_oom=True, repeatable=True
        )
        self._narrow = load_script(redis, _PACKAGE, "narrow_grant", prelude="transitions", allow_oom=True)
        self._revoke_token = load_script(
            redis, _PACKAGE, "revoke_access_token", prelude="transitions", allow_oom=True, repeatable=True
        )

    async def create(self, grant: Grant, code: AuthorizationCode, sealed_credential: str) -> None:
        """Keep a pending grant with its code and credential, all or nothing."""
        keys = GrantKeys(grant.grant_id)
        created = await self._create(
            keys=[keys.grant, keys.code, keys.credential, keys.flow],
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
        record = await read_hash(self._redis, GrantKeys(grant_id).grant)
        if not record:
            await self._on_miss()
        return grant_of(grant_id, record, self._clock.now())

    async def of_user(self, subject: str) -> list[GrantSummary]:
        """Return the person's grants that are pending or active, newest first; at most MAX_LISTED."""
        found = await GrantList(self._redis, self._clock).of_user(subject)
        if not found:
            await self._on_miss()
        return found

    async def refresh_expiry(self, grant_id: str, token_hash: str) -> int | None:
        """Return when a grant's current refresh token expires; None when it is another, or over."""
        record = await read_hash(self._redis, GrantKeys(grant_id).grant)
        if record.get("status") != "active" or record.get("refresh") != token_hash:
            return None
        expires_at = min(int(record["idle_at"]), int(record["ends_at"])) // 1000
        return expires_at if expires_at > self._clock.now() else None

    async def is_access_token_revoked(self, grant_id: str, token_id: str) -> bool:
        """Return whether there is a deny key of the token."""
        return bool(await self._redis.exists(deny_key(grant_id, token_id)))

    async def redeem(self, redemption: CodeRedemption) -> Redemption:
        """Check a code against everything it is bound to and use it up, in one script."""
        keys = GrantKeys(redemption.grant_id)
        result, is_safe = await self._redeem.settled(
            replicas=self._replicas,
            keys=[keys.grant, keys.code, keys.credential, keys.deny, keys.successor, keys.usage, keys.flow],
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
                self._skew(),
                CHANNEL,
                TOMBSTONE_LIFETIME * 1000,
                redemption.version,
                redemption.subject,
            ],
        )
        outcome = Redemption(result)
        if outcome is Redemption.REUSED:
            self._record(redemption.grant_id, "code_reused")
        if outcome is Redemption.OK and not is_safe:
            # A failover could make the code good again: rather no tokens than twice.
            with suppress(StoreError):
                await self._end(redemption.grant_id, "not_replicated")
            raise self._not_replicated()
        return outcome

    async def rotate(self, rotation: RefreshRotation) -> tuple[Rotation, str | None]:
        """Replace the current refresh token by its successor, in one script."""
        keys = GrantKeys(rotation.grant_id)
        (result, response), is_safe = await self._rotate.settled(
            replicas=self._replicas,
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
                self._skew(),
                CHANNEL,
                TOMBSTONE_LIFETIME * 1000,
                rotation.version,
                rotation.epoch,
                rotation.subject,
            ],
        )
        outcome = Rotation(result)
        if outcome is Rotation.REUSED:
            self._record(rotation.grant_id, "refresh_token_reused")
        if not is_safe:
            # The answer goes out: refusing would not undo the rotation, and one that is lost can be healed.
            _log.warning("rotation not confirmed by replicas", grant_id=rotation.grant_id)
        return outcome, response or None

    async def healing_epoch(self) -> str | None:
        """Return the name of the store's epoch, while refresh tokens may come that it lost when it began."""
        if self._watch is None:
            return None
        # Now, not with the next look: the token itself says that something was lost.
        await self._watch.look()
        return self._watch.epoch(seconds=self._lifetimes.access_token + HEALING_SECONDS)

    async def narrow(self, grant: Grant, scopes: Sequence[str]) -> Narrowing:
        """Leave a grant these of its scopes, and end the access tokens it has, in one script."""
        keys = [grant_key(grant.grant_id), deny_key(grant.grant_id, version_entry(grant.version))]
        args: list[Argument] = [
            self._offset(),
            grant.grant_id,
            grant.version,
            " ".join(scopes),
            self._skew(),
            CHANNEL,
        ]
        outcome = Narrowing(await self._run_safely(self._narrow, keys, args))
        if outcome is Narrowing.OK:
            # By its version it does nothing where the first time was not lost.
            entry = f"{grant.grant_id}:{version_entry(grant.version)}"
            self._recent.add(entry, partial(_run, self._narrow, keys, args))
        return outcome

    async def revoke(self, grant_id: str, *, reason: str) -> bool:
        """End a grant and everything issued from it, and tell every mcp_server."""
        self._record(grant_id, reason)
        alive, is_safe = await self._end(grant_id, reason)
        if alive:
            REVOCATIONS.inc(reason)
            if self._audit is not None:
                self._audit.note(Event.GRANT_REVOKED, Outcome.ALLOWED, reason, grant_id=grant_id)
        if not is_safe:
            # RFC 7009 section 2.2.1: better no success than one that a failover takes back.
            raise self._not_replicated()
        return alive

    async def revoke_client(self, client_id: str, *, thorough: bool = False) -> None:
        """End the newest grants of a client; the refresh tokens of older ones end with the client itself.

        Thorough: also those that are not listed, found by looking at every grant in the store.
        """
        for grant_id in await client_grants.listed(self._redis, client_id):
            await self.revoke(grant_id, reason="client_removed")
        if thorough:
            async for grant_id in client_grants.alive(self._redis, client_id):
                await self.revoke(grant_id, reason="client_removed")
        await self._redis.delete(client_grants_key(client_id))

    async def revoke_access_token(self, grant_id: str, token_id: str, *, expires_at: int) -> None:
        """End one access token, and tell every mcp_server."""
        until = expires_at + _SKEW_SECONDS
        self._recent.add(f"{grant_id}:{token_id}", partial(self._deny, grant_id, token_id, until=until))
        await self._deny(grant_id, token_id, until=until, replicas=self._replicas)

    def heard(self, grant_id: str, token_id: str, *, seconds: float) -> None:
        """Record what another process revoked, for the case that a failover loses it.

        Args:
            grant_id: the grant.
            token_id: the one token of it that is over; empty: the grant is.
            seconds: how long it is denied.
        """
        until = self._clock.now() + seconds
        if token_id:
            again = partial(self._deny, grant_id, token_id, until=until)
            self._recent.add_heard(f"{grant_id}:{token_id}", again)
        else:
            # Who could tell the reason is gone; the audit log has it.
            again = partial(self._end_again, grant_id, "revoked_before_failover", until=until)
            self._recent.add_heard(grant_id, again)

    async def _list(self, grant: Grant) -> None:
        # For lists, never for decisions: they live in other hash slots, so they come second.
        of_client = client_grants_key(grant.client_id)
        lists = ((user_key(grant.subject), MAX_LISTED), (of_client, MAX_LISTED_OF_CLIENT))
        async with self._redis.pipeline(transaction=False) as pipeline:
            for key, bound in lists:
                pipeline.zadd(key, {grant.grant_id: int(self._clock.now())})
                pipeline.zremrangebyrank(key, 0, -bound - 1)
                # Never brought nearer: older grants may have been promised a longer life.
                pipeline.expire(key, self._lifetimes.grant, nx=True)
                pipeline.expire(key, self._lifetimes.grant, gt=True)
            await pipeline.execute()

    async def _end(self, grant_id: str, reason: str) -> tuple[bool, bool]:
        """Revoke a grant; return whether it was alive, and whether replicas have confirmed it."""
        keys = GrantKeys(grant_id)
        alive, is_safe = await self._revoke.settled(
            replicas=self._replicas,
            keys=[keys.grant, keys.code, keys.successor, keys.credential, keys.deny, keys.usage],
            args=[
                self._offset(),
                grant_id,
                reason,
                self._skew(),
                CHANNEL,
                TOMBSTONE_LIFETIME * 1000,
            ],
        )
        return bool(alive), is_safe

    async def _deny(self, grant_id: str, token_id: str | None, *, until: float, replicas: int = 0) -> None:
        """Let every mcp_server refuse one token, or the whole grant, up to a second since the epoch."""
        entry = f"{grant_id}:{token_id}" if token_id else grant_id
        seconds = max(math.ceil(until - self._clock.now()), _SKEW_SECONDS)
        args: list[Argument] = [entry, seconds, CHANNEL]
        _, is_safe = await self._revoke_token.settled(
            keys=[deny_key(grant_id, token_id)], args=args, replicas=replicas
        )
        if not is_safe:
            raise self._not_replicated()

    def _record(self, grant_id: str, reason: str) -> None:
        """Record that a grant is revoked, for the case that a failover loses it."""
        until = self._clock.now() + self._lifetimes.access_token + _SKEW_SECONDS
        self._recent.add(grant_id, partial(self._end_again, grant_id, reason, until=until))

    async def _end_again(self, grant_id: str, reason: str, *, until: float) -> None:
        await self._end(grant_id, reason)
        # Also where the grant itself was lost, or the time of its last access token.
        await self._deny(grant_id, None, until=until)

    async def _run_safely(self, script: Script, keys: Sequence[str], args: Sequence[Argument]) -> str:
        result, is_safe = await script.settled(keys=keys, args=args, replicas=self._replicas)
        if not is_safe:
            raise self._not_replicated()
        return str(result)

    def _not_replicated(self) -> NotReplicatedError:
        return NotReplicatedError(f"fewer than {self._replicas} replicas have confirmed the write")

    def _skew(self) -> int:
        """Return for how many seconds beyond its own expiry an access token is denied."""
        life = self._lifetimes.access_token
        if self._watch is not None and self._watch.epoch(seconds=life + _SKEW_SECONDS):
            # The grant may not know of the last token that went out before the failover.
            return life + _SKEW_SECONDS
        return _SKEW_SECONDS

    def _offset(self) -> int:
        return int(self._clock.offset * 1000)

    def _access_life(self) -> int:
        return (self._lifetimes.access_token + LEEWAY) * 1000


async def _run(script: Script, keys: Sequence[str], args: Sequence[Argument]) -> None:
    await script(keys=keys, args=args)
