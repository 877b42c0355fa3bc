"""OAUTH_ENABLED=false: every OAuth URL says so, whatever is sent, and needs neither key nor store."""

from collections.abc import AsyncIterator

import httpx
import pytest
from redis.asyncio import Redis

from auth_server.app import create_app
from auth_server.settings import AuthSettings
from tests.auth_server.answers import refused

pytestmark = pytest.mark.anyio

PATHS = [
    "/.well-known/oauth-authorization-server",
    "/.well-known/openid-configuration",
    "/.well-known/jwks.json",
    "/oauth/register",
    "/oauth/register/client_x",
    "/oauth/authorize",
    "/oauth/sign-in",
    "/oauth/consent",
    "/oauth/callback/val-town",
    "/oauth/token",
    "/oauth/revoke",
    "/oauth/introspect",
    "/account",
]


@pytest.fixture
async def disabled() -> AsyncIterator[httpx.AsyncClient]:
    nowhere = Redis(host="127.0.0.1", port=1)
    app = create_app(AuthSettings(oauth_enabled=False), redis=nowhere)
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="https://auth.test") as http,
    ):
        yield http


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("method", ["DELETE", "GET", "OPTIONS", "PATCH", "POST", "PUT"])
async def test_every_oauth_url_says_that_oauth_is_not_enabled(
    disabled: httpx.AsyncClient, method: str, path: str
) -> None:
    told = refused(await disabled.request(method, path), 404, "oauth_not_enabled")
    assert told.startswith("OAuth not enabled")
    assert "OAUTH_ENABLED=true" in told


async def test_parameters_and_bodies_make_no_difference(disabled: httpx.AsyncClient) -> None:
    for response in (
        await disabled.get("/oauth/authorize?client_id=x&client_id=y"),
        await disabled.post("/oauth/token", content=b"\xff", headers={"Content-Type": "application/json"}),
        await disabled.post("/oauth/register", json={"redirect_uris": ["https://client.example.com/c"]}),
    ):
        refused(response, 404, "oauth_not_enabled")


async def test_the_service_lives_and_is_ready(disabled: httpx.AsyncClient) -> None:
    assert (await disabled.get("/healthz")).status_code == 200
    assert (await disabled.get("/readyz")).status_code == 200
