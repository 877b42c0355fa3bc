"""The composition root: settings in, FastAPI app out."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from urllib.parse import urlsplit

import httpcore
import httpx
from fastapi import FastAPI
from redis.asyncio import Redis

from auth_server.domain.admission import Admission
from auth_server.domain.approval import Approval
from auth_server.domain.limits import registrations
from auth_server.domain.redirect_uri import RedirectPolicy
from auth_server.domain.registration_token import RegistrationTokens
from auth_server.domain.remembered_consent import RememberedConsents
from auth_server.domain.resource import Resources
from auth_server.domain.signing_keys import Keyring
from auth_server.domain.token_issuer import TokenIssuer
from auth_server.endpoints import (
    account,
    authorize,
    consent,
    introspect,
    manage_registration,
    metadata,
    register,
    revoke,
    sign_in,
    token,
    val_town_callback,
)
from auth_server.endpoints.errors import add_error_handlers
from auth_server.front import add_middleware, disabled_app
from auth_server.grants.authorization_code import AuthorizationCodeGrant
from auth_server.grants.base import TokenGrant
from auth_server.grants.refresh_token import RefreshTokenGrant
from auth_server.key_keeper import KeyKeeper, KeyPolicy
from auth_server.metrics import SIGNING_KEYS
from auth_server.outbound.client_documents import ClientDocuments
from auth_server.outbound.client_key_sets import ClientKeySets
from auth_server.outbound.fetcher import DocumentFetcher
from auth_server.outbound.known_documents import KnownDocuments
from auth_server.outbound.public_network import PublicNetwork, SystemResolver
from auth_server.person_vals import PersonVals
from auth_server.services import Services
from auth_server.settings import AuthSettings
from auth_server.sign_in.api_token import ApiTokenSignIn
from auth_server.sign_in.base import SignIn
from auth_server.sign_in.owner import OwnerSignIn
from auth_server.sign_in.val_town import ValTownSignIn
from auth_server.store.base import ClientStore, GrantStore
from auth_server.store.redis.assertions import RedisAssertionStore
from auth_server.store.redis.clients import RedisClientStore
from auth_server.store.redis.consents import RedisConsentStore
from auth_server.store.redis.grants import GrantLifetimes, RedisGrantStore
from auth_server.store.redis.heard_revocations import HeardRevocations
from auth_server.store.redis.keyring import RedisKeyringStore
from auth_server.store.redis.pending_authorizations import RedisPendingAuthorizationStore
from auth_server.store.redis.recent_revocations import RecentRevocations
from auth_server.store.redis.sessions import RedisSessionStore
from auth_server.store.redis.token_requests import RedisTokenRequestStore
from auth_server.store.redis.val_town_sign_in import RedisValTownSignInStore
from shared.audit.heads import HeadStore
from shared.audit.log import AuditLog
from shared.background import running
from shared.clock import Clock
from shared.flows.recorder import FlowRecorder, replica_name
from shared.flows.store import FlowStore
from shared.key_check import KeyCheck, StoreEmptiedError, WrongEncryptionKeyError
from shared.logs import get_logger
from shared.metrics import describe_build
from shared.rate_limit import RateLimiter
from shared.redis.client import StoreError
from shared.redis.watch import StoreWatch
from shared.sealing import Sealer, UnsealError
from shared.usage import UsageStore
from shared.web.direct import DirectApplication
from shared.web.health import health_router, steady, store_answers
from shared.web.spans import telemetry

_log = get_logger("oauth:start")


def build_grants(
    grants: GrantStore,
    clients: ClientStore,
    issuer: TokenIssuer,
    resources: Resources,
    admission: Admission,
    limiter: RateLimiter,
) -> tuple[TokenGrant, ...]:
    """Return every grant type of the token endpoint. Metadata and registration read their names here."""
    return (
        AuthorizationCodeGrant(grants, clients, issuer, resources, admission, limiter),
        RefreshTokenGrant(grants, clients, issuer, resources, admission, limiter),
    )


def create_app(
    settings: AuthSettings,
    *,
    redis: Redis,
    http: httpx.AsyncClient | None = None,
    clock: Clock | None = None,
    fetcher: DocumentFetcher | None = None,
    replica: str = "",
) -> FastAPI:
    """Return the authorization server.

    Args:
        settings: checked settings.
        redis: the store's client; closed by whoever made it.
        http: for calls to Val Town; the app makes and closes its own when None.
        clock: the clock; the system's when None.
        fetcher: for documents of clients; one for the public internet when None.
        replica: what this process is called in timelines; its host and number when empty.

    Raises:
        SettingsError: a document of a client that the operator gives cannot be used.
    """
    clock = clock or Clock()
    describe_build("auth_server")
    if not settings.oauth_enabled:
        return add_middleware(disabled_app(), settings)
    to_val_town = http or httpx.AsyncClient()
    sealer = settings.sealer
    keyring = Keyring()
    check = KeyCheck(redis, sealer)
    ring = RedisKeyringStore(
        redis,
        sealer,
        clock,
        token_seconds=settings.oauth_access_token_ttl,
        replicas=settings.redis_wait_replicas,
    )
    keeper = KeyKeeper(
        ring,
        check,
        keyring,
        clock,
        KeyPolicy(
            pem=settings.private_key_pem,
            algorithm=settings.oauth_signing_algorithm,
            rotation_seconds=settings.oauth_key_rotation_seconds,
        ),
    )
    recent = RecentRevocations(clock)

    async def on_epoch() -> None:
        heard.resync()
        await recent.replay()

    watch = StoreWatch(redis, clock, on_epoch=on_epoch)
    replica = replica or replica_name()
    flows = FlowRecorder(FlowStore(redis), RateLimiter(redis, clock), clock, replica=replica)
    audit = AuditLog.of(settings, clock, service="auth_server", replica=replica)
    grants = RedisGrantStore(
        redis,
        clock,
        GrantLifetimes.of(settings),
        on_miss=check.verify,
        replicas=settings.redis_wait_replicas,
        watch=watch,
        recent=recent,
        audit=audit,
    )
    heard = HeardRevocations(redis, recent, grants, ring, algorithm=settings.oauth_signing_algorithm)
    services = _services(
        settings, redis, to_val_town, clock, sealer, keyring, keeper, check, grants, fetcher, flows, audit
    )
    app = DirectApplication(
        title="Val Town MCP authorization server",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
        lifespan=_lifespan(
            services, watch, heard, HeadStore(redis, clock), to_val_town if http is None else None
        ),
        telemetry=telemetry(),
    )
    app.state.services = services
    app.state.base_path = urlsplit(settings.oauth_issuer_url).path
    _add_routes(app, redis, keyring, clock, watch)
    add_error_handlers(app)
    add_middleware(app, settings)
    app.add_direct(app.state.base_path + token.PATH, token.direct(services), method="POST", route=token.PATH)
    return app


def _services(
    settings: AuthSettings,
    redis: Redis,
    http: httpx.AsyncClient,
    clock: Clock,
    sealer: Sealer,
    keyring: Keyring,
    keeper: KeyKeeper,
    check: KeyCheck,
    grants: GrantStore,
    fetcher: DocumentFetcher | None,
    flows: FlowRecorder,
    audit: AuditLog,
) -> Services:
    clients = RedisClientStore(
        redis, grant_idle_seconds=settings.oauth_refresh_token_ttl, on_miss=check.verify
    )
    issuer = TokenIssuer(
        issuer=settings.oauth_issuer_url,
        lifetime=settings.oauth_access_token_ttl,
        keyring=keyring,
        sealer=sealer,
        clock=clock,
    )
    resources = Resources(settings.resources)
    admission = Admission(settings.allowed_users, owner_mode=settings.val_town_api_token is not None)
    limiter = RateLimiter(redis, clock)
    token_grants = build_grants(grants, clients, issuer, resources, admission, limiter)
    redirect_policy = RedirectPolicy(settings.redirect_schemes, settings.insecure_allow_http)
    if settings.oauth_client_documents != "fetch":
        fetcher = None
    elif fetcher is None:
        network = PublicNetwork(SystemResolver(), httpcore.AnyIOBackend())
        fetcher = DocumentFetcher(network, httpx.create_ssl_context())
    documents = ClientDocuments(
        clients,
        fetcher,
        limiter,
        clock,
        redirect_policy,
        grant_types=tuple(grant.grant_type for grant in token_grants),
        hosts=settings.client_document_hosts,
        known=_known_documents(settings, redirect_policy, token_grants),
    )
    return Services(
        settings=settings,
        clock=clock,
        sealer=sealer,
        keyring=keyring,
        clients=clients,
        client_documents=documents,
        client_key_sets=ClientKeySets(documents, fetcher, clock),
        assertions=RedisAssertionStore(redis),
        pending=RedisPendingAuthorizationStore(redis, clock),
        sessions=RedisSessionStore(redis, clock),
        grants=grants,
        token_requests=RedisTokenRequestStore(
            redis, clock, grant_idle_seconds=settings.oauth_refresh_token_ttl, on_miss=check.verify
        ),
        usage=UsageStore(redis, clock),
        token_grants={grant.grant_type: grant for grant in token_grants},
        issuer=issuer,
        resources=resources,
        redirect_policy=redirect_policy,
        registration_tokens=RegistrationTokens(sealer),
        registration_limit=registrations(
            settings.oauth_registration_burst, settings.oauth_registrations_per_hour
        ),
        limiter=limiter,
        approval=Approval(grants, sealer),
        remembered=RememberedConsents(RedisConsentStore(redis, seconds=settings.oauth_grant_ttl), grants),
        person_vals=PersonVals(http, settings.val_town_api_url, sealer, _server_token(settings)),
        admission=admission,
        key_keeper=keeper,
        flows=flows,
        audit=audit,
        sign_in=_sign_in(settings, http, admission),
        val_town_sign_in=_val_town_sign_in(settings, redis, http, clock, sealer, admission),
    )


def _known_documents(
    settings: AuthSettings, policy: RedirectPolicy, token_grants: Sequence[TokenGrant]
) -> KnownDocuments:
    grant_types = tuple(grant.grant_type for grant in token_grants)
    return KnownDocuments.read(settings.oauth_client_documents_dir, policy=policy, grant_types=grant_types)


def _server_token(settings: AuthSettings) -> str | None:
    token = settings.val_town_api_token
    return None if token is None else token.get_secret_value()


def _sign_in(settings: AuthSettings, http: httpx.AsyncClient, admission: Admission) -> SignIn:
    server_token = _server_token(settings)
    if server_token is None:
        return ApiTokenSignIn(http, settings.val_town_api_url, admission)
    return OwnerSignIn(http, settings.val_town_api_url, server_token)


def _val_town_sign_in(
    settings: AuthSettings,
    redis: Redis,
    http: httpx.AsyncClient,
    clock: Clock,
    sealer: Sealer,
    admission: Admission,
) -> ValTownSignIn | None:
    # In owner mode there is one account, and its token is here already.
    if not settings.val_town_oauth_issuer or settings.val_town_api_token is not None:
        return None
    issuer = settings.val_town_oauth_issuer
    redirect_uri = f"{settings.oauth_issuer_url}/oauth/callback/val-town"
    store = RedisValTownSignInStore(redis, sealer, clock, issuer=issuer, redirect_uri=redirect_uri)
    return ValTownSignIn(
        http,
        store,
        clock,
        admission,
        issuer=issuer,
        api_url=settings.val_town_api_url,
        redirect_uri=redirect_uri,
    )


def _lifespan(
    services: Services,
    watch: StoreWatch,
    heard: HeardRevocations,
    heads: HeadStore,
    own_http: httpx.AsyncClient | None,
) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        try:
            await services.key_keeper.load()
        except (StoreError, OSError, WrongEncryptionKeyError, StoreEmptiedError, UnsealError) as error:
            # Not ready, and trying on: the store may come later.
            _log.warning("signing keys not loaded yet", reason=f"{type(error).__name__}: {error}")
        tasks: dict[str, Callable[[], Awaitable[None]]] = {
            "keyring": services.key_keeper.run,
            "flows": services.flows.run,
            "store watch": watch.run,
            "revocations elsewhere": heard.run,
            "audit heads": partial(services.audit.keep_heads, heads),
        }
        services.audit.start()
        async with running(tasks, namespace="oauth:start"):
            yield
        await services.flows.flush()
        await services.audit.close()
        await services.audit.flush_heads(heads)
        await services.client_documents.close()
        if own_http is not None:
            await own_http.aclose()

    return lifespan


def _add_routes(app: FastAPI, redis: Redis, keyring: Keyring, clock: Clock, watch: StoreWatch) -> None:
    base_path: str = app.state.base_path
    for endpoint in (
        authorize,
        sign_in,
        val_town_callback,
        consent,
        account,
        token,
        register,
        manage_registration,
        revoke,
        introspect,
        metadata,
    ):
        app.include_router(endpoint.router, prefix=base_path)
    app.include_router(metadata.well_known_router(base_path))

    async def keys_loaded() -> bool:
        return keyring.is_loaded

    checks = {
        "store": steady(store_answers(redis), clock.monotonic),
        "eviction": watch.evicts_nothing,
        "keys": keys_loaded,
    }
    app.include_router(health_router(checks, gauge=lambda: SIGNING_KEYS.set(float(keyring.is_loaded))))
