"""The composition root: what is built once, how it hangs together, what runs beside the requests."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

import httpx
import mcp_types
from fastapi import FastAPI, Request
from redis.asyncio import Redis
from starlette.middleware import Middleware
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from mcp_server.auth.issuer import IssuerMetadata
from mcp_server.auth.jwks import Jwks
from mcp_server.auth.val_town_tokens import ValTownTokens
from mcp_server.auth.verifier import TokenVerifier
from mcp_server.endpoints.bearer import LEGACY_HEADER, Guard
from mcp_server.endpoints.errors import Refusals
from mcp_server.endpoints.home import home_router
from mcp_server.endpoints.mcp import McpEndpoint
from mcp_server.endpoints.metadata import metadata_paths, metadata_router, resource_metadata_url
from mcp_server.endpoints.rebinding import AddressGuard
from mcp_server.protocol.dispatcher import Dispatcher
from mcp_server.protocol.methods import Methods
from mcp_server.services import Services
from mcp_server.settings import McpSettings
from mcp_server.tools.catalog import build_registry
from mcp_server.tools.registry import ToolRegistry
from shared.clock import Clock
from shared.credentials import CredentialStore
from shared.logs import get_logger
from shared.oauth.errors import OAuthError
from shared.revocation import Heartbeat, RevocationList
from shared.sealing import Sealer
from shared.web.cors import CorsMiddleware, CorsRule
from shared.web.health import health_router, store_answers
from shared.web.limits import HeaderLimitMiddleware
from shared.web.request_id import RequestIdMiddleware
from shared.web.security_headers import SecurityHeadersMiddleware

INSTRUCTIONS = (
    "Tools that work in the Val Town account of the person who approved this connection: vals (small "
    "TypeScript programs that run on Val Town), their branches and files. whoami shows which scopes this "
    "connection has; a call beyond them is refused and names the scope to ask for. Code that is written to a "
    "val runs at once."
)

ENDPOINT_PATH = "/mcp"
"""Where MCP is served, whatever path MCP_RESOURCE_URL adds."""

_RESTART_SECONDS = 1.0

_log = get_logger("mcp:app")


@dataclass(frozen=True, slots=True)
class _OAuth:
    """What exists only when OAuth is on."""

    jwks: Jwks
    revocations: RevocationList
    verifier: TokenVerifier
    tokens: ValTownTokens
    tasks: Mapping[str, Callable[[], Awaitable[None]]]


def create_app(
    settings: McpSettings,
    *,
    redis: Redis,
    http: httpx.AsyncClient | None = None,
    clock: Clock | None = None,
    registry: ToolRegistry | None = None,
) -> FastAPI:
    """Return the resource server as an ASGI app; its lifespan runs the background tasks.

    Args:
        settings: of this service.
        redis: the store; the caller closes it.
        http: for calls to the issuer and to Val Town; the app makes and closes its own when None.
        clock: the source of time.
        registry: the tools; all of `mcp_server.tools` when None.
    """
    clock = clock or Clock()
    # Apart: slow calls to Val Town must not keep the keys from being read.
    to_val_town = http or httpx.AsyncClient(limits=httpx.Limits(max_connections=200))
    to_issuer = http or httpx.AsyncClient(limits=httpx.Limits(max_connections=4))
    oauth = _build_oauth(settings, redis, to_issuer, clock) if settings.oauth_enabled else None
    services = Services(
        settings=settings,
        http=to_val_town,
        addresses=AddressGuard(hosts=settings.allowed_hosts, origins=settings.allowed_origins),
        guard=Guard(oauth.verifier if oauth else None, legacy=settings.legacy_token_auth),
        refusals=Refusals(resource_metadata=resource_metadata_url(settings) if oauth else None),
        dispatcher=_build_dispatcher(settings, registry or build_registry()),
        issuer_metadata=IssuerMetadata(
            to_issuer, clock, issuer=settings.oauth_issuer_url, internal_url=settings.auth_server_internal_url
        ),
        val_town_tokens=oauth.tokens if oauth else None,
    )

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            if http is None:
                await stack.enter_async_context(to_val_town)
                await stack.enter_async_context(to_issuer)
            await stack.enter_async_context(_running(oauth.tasks if oauth else {}))
            yield

    app = FastAPI(
        openapi_url=None,
        redirect_slashes=False,
        lifespan=lifespan,
        middleware=_middleware(settings),
        exception_handlers={OAuthError: _oauth_error},
    )
    app.state.services = services
    endpoint = McpEndpoint(services, paths=_endpoint_paths(settings))
    for path in _endpoint_paths(settings):
        app.router.routes += [Route(path, endpoint), Route(path + "/{rest:path}", endpoint)]
    app.include_router(metadata_router(settings))
    app.include_router(home_router(settings))
    app.include_router(health_router(_readiness(oauth, redis)))
    return app


def _endpoint_paths(settings: McpSettings) -> frozenset[str]:
    # A proxy may serve the resource under a prefix and strip it.
    return frozenset({ENDPOINT_PATH, settings.resource_path})


def _build_oauth(settings: McpSettings, redis: Redis, http: httpx.AsyncClient, clock: Clock) -> _OAuth:
    issuer = settings.oauth_issuer_url
    base_url = settings.auth_server_internal_url or issuer
    own_token = settings.val_town_api_token
    jwks = Jwks(http, clock, url=f"{base_url}/.well-known/jwks.json")
    revocations = RevocationList(redis, clock)
    store = CredentialStore(
        redis,
        Sealer(settings.encryption_key),
        server_token=own_token.get_secret_value() if own_token else None,
    )
    return _OAuth(
        jwks=jwks,
        revocations=revocations,
        verifier=TokenVerifier(jwks, revocations, clock, issuer=issuer, resource=settings.mcp_resource_url),
        tokens=ValTownTokens(store, clock),
        tasks={
            "signing keys": jwks.warm,
            "revocation feed": revocations.run,
            "heartbeat": Heartbeat(redis).run,
        },
    )


def _build_dispatcher(settings: McpSettings, registry: ToolRegistry) -> Dispatcher:
    server = mcp_types.Implementation(
        name="val-town", title="Val Town", version=_version(), website_url=f"{settings.resource_origin}/"
    )
    return Dispatcher(Methods(registry, server=server, instructions=INSTRUCTIONS))


def _version() -> str:
    try:
        return version("val-town-mcp-server")
    except PackageNotFoundError:
        # The container has the source without its package metadata.
        return "0"


def _middleware(settings: McpSettings) -> list[Middleware]:
    """Return the middleware, outermost first."""
    rules = dict.fromkeys(metadata_paths(settings), CorsRule(methods=("GET",)))
    rules |= dict.fromkeys(_endpoint_paths(settings), _endpoint_rule(settings))
    return [
        Middleware(RequestIdMiddleware, namespace="mcp:request"),
        Middleware(SecurityHeadersMiddleware, https=settings.mcp_resource_url.startswith("https://")),
        Middleware(HeaderLimitMiddleware),
        Middleware(CorsMiddleware, rules=rules),
    ]


def _endpoint_rule(settings: McpSettings) -> CorsRule:
    legacy = (LEGACY_HEADER,) if settings.legacy_token_auth else ()
    return CorsRule(
        methods=("POST",),
        request_headers=(
            "Authorization",
            "Content-Type",
            "Mcp-Method",
            "Mcp-Name",
            "MCP-Protocol-Version",
            "Mcp-Session-Id",
            "Last-Event-ID",
            *legacy,
        ),
        exposed_headers=("WWW-Authenticate", "Mcp-Session-Id", "Retry-After", "Deprecation", "X-Request-Id"),
    )


def _readiness(oauth: _OAuth | None, redis: Redis) -> Mapping[str, Callable[[], Awaitable[bool]]]:
    if oauth is None:
        return {}

    async def keys_loaded() -> bool:
        return oauth.jwks.is_usable()

    async def revocations_fresh() -> bool:
        return oauth.revocations.is_fresh()

    return {"store": store_answers(redis), "signing keys": keys_loaded, "revocation list": revocations_fresh}


@asynccontextmanager
async def _running(tasks: Mapping[str, Callable[[], Awaitable[None]]]) -> AsyncIterator[None]:
    running = [asyncio.create_task(_keep_running(name, run)) for name, run in tasks.items()]
    try:
        yield
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


async def _keep_running(name: str, run: Callable[[], Awaitable[None]]) -> None:
    while True:
        try:
            return await run()
        except Exception:
            # Nobody waits for it, and without it the service stops answering: say so and go on.
            _log.exception("background task failed", task=name)
            await asyncio.sleep(_RESTART_SECONDS)


async def _oauth_error(_request: Request, error: Exception) -> Response:
    if not isinstance(error, OAuthError):
        raise error
    headers = {"Cache-Control": "no-store"}
    if error.retry_after is not None:
        headers["Retry-After"] = str(error.retry_after)
    return JSONResponse(error.members(), error.status, headers=headers)
