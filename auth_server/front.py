"""What stands in front of the endpoints: the edge, refusals under overload, the answer while OAuth is off."""

from typing import Final
from urllib.parse import urlsplit

from fastapi import FastAPI, Request
from redis.asyncio import Redis
from starlette.responses import JSONResponse, Response

from auth_server.endpoints.errors import answer_bug, answer_overload
from auth_server.settings import AuthSettings
from shared.oauth.errors import OAuthNotEnabled
from shared.redis.client import is_saturated
from shared.web.cors import CorsRule, CorsRules
from shared.web.edge import Edge
from shared.web.health import health_router
from shared.web.overload import OverloadPolicy
from shared.web.security_headers import security_headers
from shared.web.spans import telemetry

_TAKE_ACCESS_AWAY: Final = ("/oauth/revoke", "/account/revoke", "/account/revoke-all", "/account/narrow")


def overload_policy(settings: AuthSettings, redis: Redis) -> OverloadPolicy:
    """Return how the service refuses what is too much for it."""
    path = urlsplit(settings.oauth_issuer_url).path
    first = frozenset(path + end for end in _TAKE_ACCESS_AWAY)
    return OverloadPolicy(answer_overload, first, saturated=lambda: is_saturated(redis))


def disabled_app() -> FastAPI:
    """Return what answers while OAuth is off: every URL with the same refusal, and health."""
    app = FastAPI(
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
        telemetry=telemetry(),
    )
    app.include_router(health_router({}))

    @app.api_route("/{path:path}", methods=["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"])
    async def not_enabled(request: Request, path: str) -> Response:
        error = OAuthNotEnabled()
        return JSONResponse(error.members(), error.status, headers={"Cache-Control": "no-store"})

    return app


def add_middleware(app: FastAPI, settings: AuthSettings) -> FastAPI:
    """Put the edge around the app, with the rules of who may read what; return the app."""
    path = urlsplit(settings.oauth_issuer_url).path
    document = CorsRule(methods=("GET",))
    form = CorsRule(methods=("POST",))
    rules = {
        "/.well-known/*": document,
        f"{path}/.well-known/*": document,
        f"{path}/oauth/register": form,
        f"{path}/oauth/register/*": CorsRule(methods=("GET", "PUT", "DELETE")),
        f"{path}/oauth/token": form,
        f"{path}/oauth/revoke": form,
    }
    https = urlsplit(settings.oauth_issuer_url).scheme == "https"
    app.add_middleware(
        Edge,
        namespace="oauth:http",
        security=security_headers(https=https),
        cors=CorsRules(rules),
        on_bug=answer_bug,
    )
    return app
