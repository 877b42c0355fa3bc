"""What exists only when OAuth is on: how it is built, when it can judge requests, what it tells of itself."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx
from redis.asyncio import Redis

from mcp_server import metrics
from mcp_server.auth.jwks import Jwks
from mcp_server.auth.token_refresher import TokenRefresher
from mcp_server.auth.val_town_tokens import ServerAccount, ValTownTokens
from mcp_server.auth.verifier import TokenVerifier
from mcp_server.settings import McpSettings
from mcp_server.usage_recorder import UsageRecorder
from shared.clock import Clock
from shared.credentials import CredentialStore
from shared.key_check import KeyCheck, StoreEmptiedError, WrongEncryptionKeyError
from shared.logs import get_logger
from shared.redis.client import StoreError
from shared.redis.watch import StoreWatch
from shared.revocation import RevocationList
from shared.valtown.oauth import ValTownOAuth
from shared.web.health import steady, store_answers

_SETTLE_PAUSE = 0.02

_log = get_logger("mcp:app")


@dataclass(frozen=True, slots=True)
class OAuth:
    """What exists only when OAuth is on. `tasks` are run beside the requests, by name."""

    jwks: Jwks
    revocations: RevocationList
    watch: StoreWatch
    verifier: TokenVerifier
    tokens: ValTownTokens
    has_right_key: Callable[[], Awaitable[bool]]
    tasks: Mapping[str, Callable[[], Awaitable[None]]]


def build_oauth(
    settings: McpSettings,
    redis: Redis,
    to_issuer: httpx.AsyncClient,
    to_val_town: httpx.AsyncClient,
    clock: Clock,
) -> OAuth:
    """Return what OAuth needs, not yet running.

    Args:
        settings: of this service.
        redis: the store.
        to_issuer: for reading the issuer's keys.
        to_val_town: for refreshing people's Val Town tokens.
        clock: the source of time.
    """
    issuer = settings.oauth_issuer_url
    # The issuer's path belongs to the URL of the keys; AUTH_SERVER_INTERNAL_URL replaces the origin alone.
    origin = settings.auth_server_internal_url or _origin(issuer)
    jwks = Jwks(to_issuer, clock, url=f"{origin}{urlsplit(issuer).path}/.well-known/jwks.json")
    sealer = settings.sealer
    check = KeyCheck(redis, sealer)
    revocations = RevocationList(redis, clock, on_new_keys=jwks.changed, holds_data=check.is_in_use)

    async def on_epoch() -> None:
        revocations.resync()

    watch = StoreWatch(redis, clock, on_epoch=on_epoch)
    server_token = settings.val_town_api_token
    credentials = CredentialStore(redis, sealer, replicas=settings.redis_wait_replicas)
    tokens = ValTownTokens(
        credentials,
        clock,
        refresher=TokenRefresher(credentials, ValTownOAuth(to_val_town), clock),
        server=ServerAccount(
            to_val_town,
            settings.val_town_api_url,
            server_token.get_secret_value() if server_token else None,
        ),
    )
    return OAuth(
        jwks=jwks,
        revocations=revocations,
        watch=watch,
        verifier=TokenVerifier(jwks, revocations, clock, issuer=issuer, resource=settings.mcp_resource_url),
        tokens=tokens,
        has_right_key=_right_key(check),
        tasks={
            "signing keys": jwks.follow,
            "revocation feed": revocations.run,
            "heartbeat": revocations.send_beats,
            "store watch": watch.run,
        },
    )


async def settle(oauth: OAuth, seconds: float) -> None:
    """Wait until requests can be judged, but no longer than so many seconds; its tasks run meanwhile."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    while loop.time() < deadline:
        if oauth.jwks.is_usable() and oauth.revocations.is_fresh():
            return
        await asyncio.sleep(_SETTLE_PAUSE)


def readiness(oauth: OAuth | None, redis: Redis, clock: Clock) -> Mapping[str, Callable[[], Awaitable[bool]]]:
    """Return what `/readyz` asks, by the names that it tells; nothing, when OAuth is off."""
    if oauth is None:
        return {}

    async def keys_loaded() -> bool:
        return oauth.jwks.is_usable()

    async def revocations_fresh() -> bool:
        return oauth.revocations.is_fresh()

    return {
        "store": steady(store_answers(redis), clock.monotonic),
        "eviction": oauth.watch.evicts_nothing,
        "encryption key": oauth.has_right_key,
        "signing keys": keys_loaded,
        "revocation list": revocations_fresh,
    }


def gauge_of(oauth: OAuth | None, usage: UsageRecorder) -> Callable[[], None]:
    """Return what sets the levels in `/metrics`, to be called before they are read."""

    def gauge() -> None:
        if oauth is None:
            return
        feed, keys = oauth.revocations, oauth.jwks
        age = feed.age()
        metrics.FEED_CONNECTED.set(float(feed.is_connected))
        metrics.FEED_AGE.set(None if age == float("inf") else age)
        metrics.FEED_ENTRIES.set(len(feed))
        metrics.FEED_LOSSES.of().value = feed.losses
        metrics.KEY_SET_AGE.set(keys.age())
        metrics.KEY_SET_KEYS.set(keys.count)
        metrics.USAGE_WAITING.set(usage.waiting)

    return gauge


def _right_key(check: KeyCheck) -> Callable[[], Awaitable[bool]]:
    async def has_right_key() -> bool:
        try:
            await check.verify()
        except WrongEncryptionKeyError as error:
            _log.error("encryption key missing", missing=error.missing)
            return False
        except (StoreEmptiedError, StoreError):
            # Another check's matter: nothing was sealed with any key, or the store is away.
            return True
        return True

    return has_right_key


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
