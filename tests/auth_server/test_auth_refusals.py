"""What the authorization server refuses is answered as its row in the table of refusals says."""

from collections.abc import AsyncIterator, Awaitable, Callable

import httpx
import pytest
from redis.asyncio import Redis

from auth_server.app import create_app
from auth_server.domain.limits import SIGN_IN_ATTEMPTS, WRONG_SECRETS
from auth_server.settings import AuthSettings
from dev.flow import Pkce, callback_of
from shared.clock import Clock
from shared.oauth import errors
from shared.redis.client import connect
from shared.refusals import transport
from shared.refusals.oauth import OAUTH
from shared.refusals.pages import (
    BROKEN_PAGE,
    FOREIGN_FORM,
    NO_DECISION,
    NOT_ADMITTED,
    SIGN_IN_REFUSED,
    STALE_PAGE,
    TOO_MANY_ATTEMPTS,
    UNAVAILABLE_PAGE,
    UNTRUSTED_REDIRECT,
)
from shared.refusals.refusal import Refusal
from shared.web.limits import MAX_HEADER_BYTES, MAX_TARGET_BYTES
from tests.auth_server.conftest import OpenServer
from tests.auth_server.deployment import REDIRECT_URI, AuthServer, ValTown, running
from tests.auth_server.faulty_wire import Fault, wire_to
from tests.support.refusals import holds

pytestmark = pytest.mark.anyio

Request = Callable[[AuthServer], Awaitable[httpx.Response]]
WRONG = "wrong"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
BY_CLASS = {row.raised: row for row in OAUTH}


async def repeated_parameter(server: AuthServer) -> httpx.Response:
    return await server.visitor().post("/oauth/token", content=b"grant_type=x&grant_type=x", headers=FORM)


async def unknown_client(server: AuthServer) -> httpx.Response:
    form = {"grant_type": "refresh_token", "refresh_token": WRONG, "client_id": WRONG}
    return await server.visitor().post("/oauth/token", data=form)


async def unknown_refresh_token(server: AuthServer) -> httpx.Response:
    return await (await server.registered()).refresh(WRONG)


async def grant_type_not_registered(server: AuthServer) -> httpx.Response:
    return await (await server.registered(grant_types=["authorization_code"])).refresh(WRONG)


async def unknown_grant_type(server: AuthServer) -> httpx.Response:
    return await (await server.registered()).post("/oauth/token", {"grant_type": "password"})


async def more_scope(server: AuthServer) -> httpx.Response:
    client = await server.registered()
    tokens = await client.tokens(server.browser())
    return await client.refresh(tokens["refresh_token"], scope="nonsense")


async def another_resource(server: AuthServer) -> httpx.Response:
    client = await server.registered()
    tokens = await client.tokens(server.browser())
    return await client.refresh(tokens["refresh_token"], resource="https://nowhere.test/mcp")


async def change_of_a_shared_registration(server: AuthServer) -> httpx.Response:
    program = {"token_endpoint_auth_method": "none", "client_name": "A Program"}
    await server.registered(**program)
    client = server.client()
    registered = await client.register(**program)
    headers = {"Authorization": f"Bearer {registered['registration_access_token']}"}
    body = {"client_id": client.client_id, "redirect_uris": [REDIRECT_URI], "client_name": "Another"}
    return await client.http.put(registered["registration_client_uri"], headers=headers, json=body)


async def dangerous_redirect_uri(server: AuthServer) -> httpx.Response:
    return await server.visitor().post("/oauth/register", json={"redirect_uris": ["javascript:alert(1)"]})


async def unknown_metadata(server: AuthServer) -> httpx.Response:
    metadata = {"redirect_uris": [REDIRECT_URI], "token_endpoint_auth_method": WRONG}
    return await server.visitor().post("/oauth/register", json=metadata)


async def unknown_registration(server: AuthServer) -> httpx.Response:
    return await server.visitor().get(f"/oauth/register/{WRONG}")


async def too_many_secrets(server: AuthServer) -> httpx.Response:
    client = await server.registered()
    form = {"grant_type": "refresh_token", "refresh_token": WRONG, "client_secret": WRONG}
    for _ in range(WRONG_SECRETS.burst):
        await client.post("/oauth/token", form)
    return await client.post("/oauth/token", form)


@pytest.mark.parametrize(
    ("error", "request_of"),
    [
        (errors.InvalidRequest, repeated_parameter),
        (errors.InvalidClient, unknown_client),
        (errors.InvalidGrant, unknown_refresh_token),
        (errors.UnauthorizedClient, grant_type_not_registered),
        (errors.UnsupportedGrantType, unknown_grant_type),
        (errors.InvalidScope, more_scope),
        (errors.InvalidTarget, another_resource),
        (errors.AccessDenied, change_of_a_shared_registration),
        (errors.InvalidRedirectUri, dangerous_redirect_uri),
        (errors.InvalidClientMetadata, unknown_metadata),
        (errors.InvalidToken, unknown_registration),
        (errors.TooManyRequests, too_many_secrets),
    ],
)
async def test_a_program_is_refused_as_the_row_says(
    server: AuthServer, error: type[errors.OAuthError], request_of: Request
) -> None:
    holds(await request_of(server), BY_CLASS[error])


@pytest.mark.parametrize(
    ("error", "parameters"),
    [
        (errors.RequestNotSupported, {"request": "x"}),
        (errors.RequestUriNotSupported, {"request_uri": "https://client.example.com/x"}),
        (errors.UnsupportedResponseType, {"response_type": "token"}),
        (errors.LoginRequired, {"prompt": "none"}),
        (errors.InvalidTarget, {"resource": "https://nowhere.test/mcp"}),
    ],
)
async def test_a_redirect_takes_the_code_of_the_row(
    server: AuthServer, error: type[errors.OAuthError], parameters: dict[str, str]
) -> None:
    client = await server.registered()
    response = await server.visitor().get(client.authorize_url(Pkce.new(), **parameters))
    assert response.status_code == 303
    assert callback_of(response).parameters["error"] == BY_CLASS[error].code


@pytest.fixture
async def without_store(
    settings: AuthSettings, redis_url: str, val_town: ValTown
) -> AsyncIterator[AuthServer]:
    """Return a server whose store has just gone."""
    async with (
        wire_to(redis_url) as wire,
        connect(wire.url) as client,
        running(settings, client, Clock(), val_town) as server,
    ):
        wire.cut(Fault.REFUSED)
        yield server
        await wire.repair()


async def test_without_a_store_the_answer_is_as_its_row_says(redis: Redis, without_store: AuthServer) -> None:
    holds(await unknown_client(without_store), BY_CLASS[errors.TemporarilyUnavailable])
    holds(await without_store.visitor().get("/readyz"), transport.NOT_READY)


async def test_a_bug_is_answered_as_its_rows_say(server: AuthServer, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_given: object) -> object:
        raise RuntimeError

    client = await server.registered()
    for store in (server.app.state.services.clients, server.app.state.services.token_requests):
        monkeypatch.setattr(store, "find", broken)
    http = server.visitor(raise_app_exceptions=False)
    form = {"grant_type": "refresh_token", "refresh_token": WRONG, "client_id": WRONG}
    holds(await http.post("/oauth/token", data=form), BY_CLASS[errors.ServerError])
    holds(await http.get(client.authorize_url(Pkce.new())), BROKEN_PAGE)


async def test_switched_off_every_url_answers_as_its_row_says() -> None:
    app = create_app(AuthSettings(oauth_enabled=False), redis=Redis(host="127.0.0.1", port=1))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="https://auth.test") as http:
        holds(await http.get("/oauth/authorize"), BY_CLASS[errors.OAuthNotEnabled])


# Pages


async def unknown_client_at_the_page(server: AuthServer) -> httpx.Response:
    return await server.visitor().get("/oauth/authorize", params={"client_id": WRONG})


async def page_that_is_over(server: AuthServer) -> httpx.Response:
    return await server.visitor().get("/oauth/consent", params={"txn": WRONG})


async def sign_in(server: AuthServer, **fields: str) -> httpx.Response:
    browser = server.browser()
    page = await browser.open((await server.registered()).authorize_url(Pkce.new()))
    return await browser.send(page, **{"api_token": browser.api_token, **fields})


async def form_of_another_page(server: AuthServer) -> httpx.Response:
    return await sign_in(server, csrf=WRONG)


async def wrong_api_token(server: AuthServer) -> httpx.Response:
    return await sign_in(server, api_token="vtwn_sandbox_nobody")


async def no_decision(server: AuthServer) -> httpx.Response:
    browser = server.browser()
    page = await browser.open((await server.registered()).authorize_url(Pkce.new()))
    return await browser.send(await browser.sign_in(page), decision="maybe")


async def too_many_api_tokens(server: AuthServer) -> httpx.Response:
    browser = server.browser()
    page = await browser.open((await server.registered()).authorize_url(Pkce.new()))
    for _ in range(SIGN_IN_ATTEMPTS.burst):
        await browser.send(page, api_token="vtwn_sandbox_nobody")
    return await browser.send(page, api_token="vtwn_sandbox_nobody")


async def val_town_is_away(server: AuthServer) -> httpx.Response:
    server.val_town.fault = lambda _request: httpx.Response(500)
    return await sign_in(server)


@pytest.mark.parametrize(
    ("row", "request_of"),
    [
        (UNTRUSTED_REDIRECT, unknown_client_at_the_page),
        (STALE_PAGE, page_that_is_over),
        (SIGN_IN_REFUSED, wrong_api_token),
        (NO_DECISION, no_decision),
        (FOREIGN_FORM, form_of_another_page),
        (TOO_MANY_ATTEMPTS, too_many_api_tokens),
        (UNAVAILABLE_PAGE, val_town_is_away),
    ],
)
async def test_a_person_is_refused_as_the_row_says(
    server: AuthServer, row: Refusal, request_of: Request
) -> None:
    holds(await request_of(server), row)


async def test_an_account_that_is_not_let_in_is_refused_as_its_row_says(open_server: OpenServer) -> None:
    async with open_server(oauth_allowed_users="grace") as server:
        holds(await sign_in(server), NOT_ADMITTED)


# HTTP


@pytest.mark.parametrize(
    ("row", "path", "headers", "body"),
    [
        (transport.NOT_FOUND, "/nothing", FORM, b""),
        (transport.WRONG_METHOD, "/.well-known/jwks.json", FORM, b""),
        (transport.SEVERAL_HOSTS, "/oauth/token", [("Host", "auth.test"), ("Host", "b.test")], b""),
        (transport.MALFORMED_LENGTH, "/oauth/token", {**FORM, "Content-Length": "+1"}, b"x"),
        (transport.LARGE_BODY, "/oauth/token", FORM, b"x" * 65_537),
        (transport.LONG_TARGET, "/" + "x" * MAX_TARGET_BYTES + "x", FORM, b""),
        (transport.ENCODED_BODY, "/oauth/token", {**FORM, "Content-Encoding": "gzip"}, b"x"),
        (transport.WRONG_MEDIA_TYPE, "/oauth/token", {"Content-Type": "text/plain"}, b"x"),
        (transport.LARGE_HEADERS, "/oauth/token", {**FORM, "X-Large": "x" * MAX_HEADER_BYTES}, b""),
    ],
)
async def test_a_post_is_refused_as_the_row_says(
    http: httpx.AsyncClient,
    row: Refusal,
    path: str,
    headers: dict[str, str] | list[tuple[str, str]],
    body: bytes,
) -> None:
    holds(await http.post(path, headers=headers, content=body), row)
