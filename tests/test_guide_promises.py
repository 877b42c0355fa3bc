"""What the deployment guide of the first version promises, line by line, against both services on one origin.

Elsewhere: the compliance run (tests/e2e/test_compliance.py), the README's text and its client configuration
(tests of the documentation), the key spellings one by one (tests/shared/test_settings.py,
tests/auth_server/test_keyring.py), DEBUG patterns one by one (tests/shared/test_logs.py).
"""

import base64
import hashlib
import io
import json
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog
from cryptography.hazmat.primitives import serialization
from fastapi import FastAPI
from redis.asyncio import Redis

from auth_server.settings import AuthSettings
from dev.flow import Browser, OAuthClient, Pkce, callback_of, claims_of
from mcp_server.app import create_app as create_mcp
from mcp_server.sandbox.app import create_app as create_sandbox
from mcp_server.settings import McpSettings
from shared import logs
from shared.clock import Clock
from shared.settings import SettingsError
from tests.auth_server.answers import refused, told_to_the_person
from tests.auth_server.deployment import (
    ADA,
    ENCRYPTION_KEY,
    GRACE,
    VAL_TOWN,
    AuthServer,
    ValTown,
    new_pem,
    running,
    settings_of,
)
from tests.requirements import requirement
from tests.support.mcp_client import McpClient
from tests.support.resource_server import until_ready
from tests.support.waiting import until

pytestmark = pytest.mark.anyio

ORIGIN = "https://your-server.example"
MCP_URL = f"{ORIGIN}/mcp"
CALLBACK = "https://your-app.example/oauth/callback"
GUIDE_SCOPES = "read write vals:read vals:write"

JsonBody = dict[str, Any]


class OneOrigin(httpx.AsyncBaseTransport):
    """Both services behind one name, as a proxy would put them, and Val Town beside them."""

    def __init__(self, auth: FastAPI, val_town: ValTown) -> None:
        """Take the authorization server and Val Town; `mcp` follows."""
        self._auth = httpx.ASGITransport(auth)
        self._val_town = val_town
        self.mcp: httpx.ASGITransport | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Answer one request by its path."""
        path = request.url.path
        if request.url.host == "val-town.test":
            return await self._val_town.handle_async_request(request)
        if self.mcp is not None and (path == "/mcp" or "oauth-protected-resource" in path):
            return await self.mcp.handle_async_request(request)
        return await self._auth.handle_async_request(request)


@dataclass(frozen=True)
class Deployment:
    """The server of the guide."""

    auth: AuthServer
    transport: OneOrigin

    def curl(self) -> httpx.AsyncClient:
        """Return a program that sends nothing but what it is told to, like curl."""
        return httpx.AsyncClient(transport=self.transport, headers={"User-Agent": "curl/8.5.0"})

    async def get(self, path: str) -> JsonBody:
        """Return the JSON that a URL of the server answers."""
        response = await self.curl().get(f"{ORIGIN}{path}")
        assert response.status_code == 200, response.text
        body: JsonBody = response.json()
        return body

    async def client(self, **metadata: Any) -> OAuthClient:
        """Return a registered client."""
        client = OAuthClient(self.curl(), ORIGIN, CALLBACK)
        await client.register(**metadata)
        return client

    def browser(self, api_token: str = ADA) -> Browser:
        """Return somebody's browser."""
        return Browser(self.curl(), api_token)

    async def token(self, **parameters: str | None) -> str:
        """Return an access token of a whole flow."""
        issued = await (await self.client()).tokens(self.browser(), **parameters)
        token: str = issued["access_token"]
        return token

    def mcp(self, token: str | None = None, **headers: str) -> McpClient:
        """Return an MCP client."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return McpClient(self.curl(), token, url=MCP_URL, headers=named)


Deploy = Callable[..., AbstractAsyncContextManager[Deployment]]


@pytest.fixture(scope="session")
def pem() -> str:
    return new_pem()


@pytest.fixture(scope="session")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FastAPI]:
    app = create_sandbox(tmp_path_factory.mktemp("sandbox"))
    yield app
    app.state.store.close()


@pytest.fixture
def deploy(redis: Redis, clock: Clock, sandbox: FastAPI, pem: str) -> Deploy:
    """Return a way to run both services with other settings."""

    @asynccontextmanager
    async def deployed(**changes: Any) -> AsyncIterator[Deployment]:
        common = {
            "oauth_issuer_url": ORIGIN,
            "mcp_resource_url": MCP_URL,
            "val_town_api_url": VAL_TOWN,
            "oauth_encryption_key": ENCRYPTION_KEY,
            **changes,
        }
        settings = settings_of(**{"oauth_jwt_private_key": pem, "oauth_resources": "", **common})
        of_mcp = {name: value for name, value in common.items() if name in McpSettings.model_fields}
        async with running(settings, redis, clock, ValTown(sandbox)) as auth:
            transport = OneOrigin(auth.app, auth.val_town)
            async with httpx.AsyncClient(transport=transport) as outbound:
                app = create_mcp(McpSettings(**of_mcp), redis=redis, http=outbound, clock=clock)
                async with app.router.lifespan_context(app):
                    await _until_ready(app)
                    transport.mcp = httpx.ASGITransport(app)
                    yield Deployment(auth, transport)

    return deployed


async def _until_ready(app: FastAPI) -> None:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=ORIGIN) as http:
        await until_ready(http)


@pytest.fixture
async def server(deploy: Deploy) -> AsyncIterator[Deployment]:
    """Return the server of the guide with the guide's settings."""
    async with deploy() as deployed:
        yield deployed


def problems_of(tmp_path: Path, **environ: str) -> str:
    with pytest.raises(SettingsError) as stopped:
        AuthSettings.load(
            env_file=tmp_path / "no.env", environ={"OAUTH_ENCRYPTION_KEY": ENCRYPTION_KEY, **environ}
        )
    return " ".join(stopped.value.problems)


# The keys and the environment.


def as_one_line(pem: str) -> str:
    """Return what the guide's awk line makes of a PEM."""
    return "".join(f"{line}\\n" for line in pem.splitlines())


def public_of(pem: str) -> str:
    key = serialization.load_pem_private_key(pem.encode(), None)
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return public.decode()


async def test_the_guide_s_key_pair_in_single_line_format_starts_the_server_and_signs(
    deploy: Deploy, pem: str
) -> None:
    keys = {
        "oauth_jwt_private_key": as_one_line(pem),
        "oauth_jwt_public_key": as_one_line(public_of(pem)),
    }
    async with deploy(**keys) as server:
        token = await server.token()
        assert (await server.mcp(token).modern("tools/list")).status_code == 200


def test_a_key_pair_that_does_not_match_stops_the_start_with_a_sentence(tmp_path: Path, pem: str) -> None:
    other = public_of(new_pem())
    told = problems_of(tmp_path, OAUTH_JWT_PRIVATE_KEY=as_one_line(pem), OAUTH_JWT_PUBLIC_KEY=other)
    assert "key pair does not match" in told


@requirement("B1")
def test_a_key_under_2048_bits_stops_the_start_with_a_sentence(tmp_path: Path) -> None:
    assert "2048" in problems_of(tmp_path, OAUTH_JWT_PRIVATE_KEY=new_pem(1024))


def test_the_output_of_openssl_rand_base64_32_is_an_encryption_key(tmp_path: Path) -> None:
    key = base64.b64encode(bytes(range(100, 132))).decode()
    settings = AuthSettings.load(env_file=None, environ={"OAUTH_ENCRYPTION_KEY": f"{key}\n".strip()})
    assert settings.encryption_key == bytes(range(100, 132))
    assert "openssl rand -base64 32" in problems_of(
        tmp_path, OAUTH_ENCRYPTION_KEY="base64-encoded-32-byte-key"
    )


def test_oauth_is_enabled_by_default_and_lifetimes_are_the_guide_s() -> None:
    settings = AuthSettings.load(env_file=None, environ={"OAUTH_ENCRYPTION_KEY": ENCRYPTION_KEY})
    assert settings.oauth_enabled
    assert settings.oauth_access_token_ttl == 3600
    assert settings.oauth_refresh_token_ttl == 2592000


async def test_the_lifetimes_are_those_of_the_environment(deploy: Deploy, clock: Clock) -> None:
    async with deploy(oauth_access_token_ttl=60, oauth_refresh_token_ttl=120) as server:
        client = await server.client()
        tokens = await client.tokens(server.browser())
        assert tokens["expires_in"] == 60
        clock.advance(121)
        refused(await client.refresh(tokens["refresh_token"]), 400, "invalid_grant")


async def test_without_oauth_every_oauth_url_says_so_and_mcp_takes_the_old_header_alone(
    deploy: Deploy,
) -> None:
    async with deploy(oauth_enabled=False) as server:
        for path in (
            "/.well-known/oauth-authorization-server",
            "/.well-known/jwks.json",
            "/oauth/authorize",
            "/.well-known/oauth-protected-resource",
        ):
            response = await server.curl().get(f"{ORIGIN}{path}")
            assert response.status_code == 404
            assert response.json()["error"] == "oauth_not_enabled"
            assert response.json()["error_description"].startswith("OAuth not enabled")
            assert "OAUTH_ENABLED=true" in response.json()["error_description"]
        for path in ("/oauth/register", "/oauth/token"):
            refused(await server.curl().post(f"{ORIGIN}{path}", json={}), 404, "oauth_not_enabled")
        assert (await server.mcp("any.access.token").modern("tools/list")).status_code == 401
        assert (await server.mcp(X_Val_Town_Token=ADA).modern("tools/list")).status_code == 200


async def test_the_issuer_is_the_configured_one_byte_for_byte_everywhere(server: Deployment) -> None:
    lie = {"Host": "evil.example", "X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "http"}
    metadata = (
        await server.curl().get(f"{ORIGIN}/.well-known/oauth-authorization-server", headers=lie)
    ).json()
    assert metadata["issuer"] == ORIGIN
    assert all(url.startswith(f"{ORIGIN}/") for name, url in metadata.items() if name.endswith("endpoint"))
    resource = await server.get("/.well-known/oauth-protected-resource")
    assert resource["authorization_servers"] == [ORIGIN]
    client = await server.client()
    callback = await server.browser().approve(client.authorize_url(Pkce.new()))
    assert callback.parameters["iss"] == ORIGIN
    assert claims_of(await server.token())["iss"] == ORIGIN


@requirement("L228")
async def test_everything_secret_is_encrypted_at_rest(server: Deployment) -> None:
    await server.token()
    keys = [key async for key in server.auth.redis.scan_iter(match="*:credential")]
    assert len(keys) == 1
    sealed = await server.auth.redis.get(keys[0])
    assert sealed.startswith("v1.")
    assert ADA not in sealed


async def test_with_the_owner_s_token_set_only_the_owner_signs_in(deploy: Deploy) -> None:
    async with deploy(val_town_api_token=ADA) as server:
        client = await server.client()
        stranger = server.browser(GRACE)
        page = await stranger.open(client.authorize_url(Pkce.new()))
        told_to_the_person(await stranger.submit(page, api_token=GRACE), 403)
        tokens = await client.tokens(server.browser(ADA))
        whose = await server.mcp(tokens["access_token"]).call("get_me")
        assert whose.json()["result"]["structuredContent"]["username"] == "ada"


# The curl lines.


async def test_curl_authorization_server_metadata(server: Deployment) -> None:
    metadata = await server.get("/.well-known/oauth-authorization-server")
    assert metadata["authorization_endpoint"] == f"{ORIGIN}/oauth/authorize"
    assert metadata["token_endpoint"] == f"{ORIGIN}/oauth/token"
    assert metadata["registration_endpoint"] == f"{ORIGIN}/oauth/register"


async def test_curl_protected_resource_metadata(server: Deployment) -> None:
    metadata = await server.get("/.well-known/oauth-protected-resource")
    assert metadata["resource"] == MCP_URL
    assert metadata == await server.get("/.well-known/oauth-protected-resource/mcp")


async def test_curl_jwks(server: Deployment) -> None:
    (key,) = (await server.get("/.well-known/jwks.json"))["keys"]
    assert key["kty"] == "RSA"
    assert not {"d", "p", "q", "dp", "dq", "qi"} & set(key)


async def test_register_with_only_redirect_uris_and_client_name_returns_a_client_secret(
    server: Deployment,
) -> None:
    response = await server.curl().post(
        f"{ORIGIN}/oauth/register",
        headers={"Content-Type": "application/json"},
        content='{ "redirect_uris": ["https://client.example.com/callback"], "client_name": "Test Client" }',
    )
    assert response.status_code == 201
    assert response.json()["client_id"]
    assert response.json()["client_secret"]


async def test_register_with_the_guide_s_scopes(server: Deployment) -> None:
    response = await server.curl().post(
        f"{ORIGIN}/oauth/register",
        headers={"Content-Type": "application/json"},
        content=json.dumps(
            {"redirect_uris": [CALLBACK], "client_name": "Your MCP Client", "scope": GUIDE_SCOPES}
        ),
    )
    assert response.status_code == 201
    assert set(response.json()["scope"].split()) == set(GUIDE_SCOPES.split())


def from_openssl(random: bytes) -> str:
    """Return what the guide makes of `openssl rand -base64 32`: three characters deleted, cut to 43."""
    return base64.b64encode(random).decode().translate(str.maketrans("", "", "=+/"))[:43]


def challenge_by_the_guide(verifier: str) -> str:
    """Return what the guide's line makes: `+` and `/` deleted where they should be mapped."""
    return from_openssl(hashlib.sha256(verifier.encode()).digest())


def challenge_by_the_readme(verifier: str) -> str:
    """Return the same line put right: tr '+/' '-_' | tr -d '='."""
    encoded = base64.b64encode(hashlib.sha256(verifier.encode()).digest()).decode()
    return encoded.replace("+", "-").replace("/", "_").rstrip("=")


def verifiers() -> list[str]:
    """Return verifiers as `openssl rand` makes them, always the same ones."""
    return [from_openssl(hashlib.sha256(bytes([number])).digest()) for number in range(64)]


async def guide_flow(server: Deployment, verifier: str, challenge: str) -> httpx.Response:
    """Go through the guide's steps from register to token; return the token response."""
    curl, as_json = server.curl(), {"Content-Type": "application/json"}
    registered = (
        await curl.post(
            f"{ORIGIN}/oauth/register",
            headers=as_json,
            content=json.dumps({"redirect_uris": [CALLBACK], "client_name": "Your MCP Client"}),
        )
    ).json()
    url = (
        f"{ORIGIN}/oauth/authorize?response_type=code&client_id={registered['client_id']}"
        f"&redirect_uri={CALLBACK}&scope=read%20write&code_challenge={challenge}"
        "&code_challenge_method=S256&state=RANDOM_STATE"
    )
    callback = await server.browser().approve(url)
    assert callback.parameters["state"] == "RANDOM_STATE"
    body = {
        "grant_type": "authorization_code",
        "client_id": registered["client_id"],
        "client_secret": registered["client_secret"],
        "code": callback.parameters["code"],
        "redirect_uri": CALLBACK,
        "code_verifier": verifier,
    }
    return await curl.post(f"{ORIGIN}/oauth/token", headers=as_json, content=json.dumps(body, indent=1))


async def test_the_guide_s_flow_with_a_json_token_request_ends_in_tools_list(server: Deployment) -> None:
    verifier = next(one for one in verifiers() if len(one) == 43)
    response = await guide_flow(server, verifier, challenge_by_the_readme(verifier))
    assert response.status_code == 200
    assert set(response.json()["scope"].split()) == {"read", "write"}
    listed = await server.curl().post(
        MCP_URL,
        headers={
            "Authorization": f"Bearer {response.json()['access_token']}",
            "Content-Type": "application/json",
        },
        content='{"jsonrpc": "2.0", "id": 1, "method": "tools/list"}',
    )
    assert listed.status_code == 200
    assert listed.headers["content-type"].startswith("application/json")
    assert listed.json()["id"] == 1
    assert "whoami" in {tool["name"] for tool in listed.json()["result"]["tools"]}


async def test_a_verifier_of_the_guide_is_good_when_it_kept_its_43_characters(server: Deployment) -> None:
    lucky = [one for one in verifiers() if len(one) == 43 and len(challenge_by_the_guide(one)) == 43]
    # One in sixteen or so: both lines deleted nothing but padding.
    assert lucky
    assert (await guide_flow(server, lucky[0], challenge_by_the_guide(lucky[0]))).status_code == 200


async def test_a_challenge_made_by_the_guide_s_own_line_is_refused_with_what_is_wrong(
    server: Deployment,
) -> None:
    short = [one for one in verifiers() if len(challenge_by_the_guide(one)) < 43]
    assert len(short) > len(verifiers()) // 2
    client = await server.client()
    for verifier in short[:5]:
        challenge = challenge_by_the_guide(verifier)
        url = client.authorize_url(Pkce(verifier, challenge))
        parameters = callback_of(await server.curl().get(url)).parameters
        assert parameters["error"] == "invalid_request"
        for word in (str(len(challenge)), "43", "base64url", "+", "/", "-", "_"):
            assert word in parameters["error_description"]


async def test_a_verifier_that_the_guide_s_line_made_too_short_is_refused_with_what_is_wrong(
    server: Deployment,
) -> None:
    short = next(one for one in verifiers() if len(one) < 43)
    response = await guide_flow(server, short, challenge_by_the_readme(short))
    told = refused(response, 400, "invalid_request")
    assert str(len(short)) in told
    assert "43" in told


@pytest.mark.parametrize("how", ["body", "basic"])
async def test_a_client_with_a_secret_may_send_it_either_way(server: Deployment, how: str) -> None:
    client, pkce = await server.client(), Pkce.new()
    code = (await server.browser().approve(client.authorize_url(pkce))).parameters["code"]
    form = {"grant_type": "authorization_code", "code": code, "code_verifier": pkce.verifier}
    assert client.client_secret is not None
    secret = {"client_id": client.client_id, "client_secret": client.client_secret}
    basic = httpx.BasicAuth(client.client_id, client.client_secret) if how == "basic" else None
    sent = form if how == "basic" else {**form, **secret}
    response = await client.http.post(f"{ORIGIN}/oauth/token", data=sent, auth=basic)
    assert response.status_code == 200


@requirement("C64")
@pytest.mark.parametrize("text", ['["code"]', '{"code": 1, "code": 2}', '{"code": ["a"]}', "{"])
async def test_a_json_token_request_is_read_as_strictly_as_a_form(server: Deployment, text: str) -> None:
    response = await server.curl().post(
        f"{ORIGIN}/oauth/token", headers={"Content-Type": "application/json"}, content=text
    )
    refused(response, 400, "invalid_request")


async def test_the_guide_s_scopes_are_granted(server: Deployment) -> None:
    tokens = await (await server.client()).tokens(server.browser(), scope=GUIDE_SCOPES)
    assert set(tokens["scope"].split()) == set(GUIDE_SCOPES.split())


async def test_the_urls_of_the_client_configuration_block_are_those_of_the_metadata(
    server: Deployment,
) -> None:
    oauth = {
        "authorization_endpoint": f"{ORIGIN}/oauth/authorize",
        "token_endpoint": f"{ORIGIN}/oauth/token",
        "client_registration_endpoint": f"{ORIGIN}/oauth/register",
        "scopes": ["read", "write", "vals:read", "vals:write"],
    }
    metadata = await server.get("/.well-known/oauth-authorization-server")
    assert metadata["authorization_endpoint"] == oauth["authorization_endpoint"]
    assert metadata["token_endpoint"] == oauth["token_endpoint"]
    assert metadata["registration_endpoint"] == oauth["client_registration_endpoint"]
    assert set(oauth["scopes"]) <= set(metadata["scopes_supported"])


# Security considerations.


@pytest.mark.parametrize("issuer", ["http://your-server.example", "http://192.168.1.5:9000"])
def test_oauth_over_http_beyond_this_computer_stops_the_start(tmp_path: Path, issuer: str) -> None:
    assert "https" in problems_of(tmp_path, OAUTH_ISSUER_URL=issuer)
    loud = AuthSettings.load(
        env_file=None,
        environ={
            "OAUTH_ENCRYPTION_KEY": ENCRYPTION_KEY,
            "OAUTH_ISSUER_URL": issuer,
            "INSECURE_ALLOW_HTTP": "true",
        },
    )
    assert loud.warnings()


@pytest.mark.parametrize(
    "uri",
    [
        CALLBACK,
        "http://127.0.0.1:1234/callback",
        "http://[::1]/callback",
        "http://localhost:1234/callback",
        "cursor://anysphere.cursor-mcp/oauth/callback",
        "vscode://x/y",
        "vscode-insiders://x/y",
        "windsurf://x/y",
        "com.example.app:/callback",
    ],
)
async def test_redirect_uris_of_the_promised_kinds_are_registered(server: Deployment, uri: str) -> None:
    response = await server.curl().post(f"{ORIGIN}/oauth/register", json={"redirect_uris": [uri]})
    assert response.status_code == 201


@requirement("O39")
@pytest.mark.parametrize(
    "uri", ["http://your-app.example/callback", "myapp://x", "javascript:alert(1)", "ftp://x/y"]
)
async def test_no_other_redirect_uri_is_registered(server: Deployment, uri: str) -> None:
    response = await server.curl().post(f"{ORIGIN}/oauth/register", json={"redirect_uris": [uri]})
    refused(response, 400, "invalid_redirect_uri")


async def test_keys_rotate_and_old_tokens_go_on(deploy: Deploy) -> None:
    async with deploy() as server:
        old = await server.token()
    async with deploy(oauth_jwt_private_key=new_pem()) as server:
        new = await server.token()
        assert len((await server.get("/.well-known/jwks.json"))["keys"]) == 2
        for token in (old, new):
            assert (await server.mcp(token).modern("tools/list")).status_code == 200


async def test_minimal_scopes_show_minimal_tools_and_can_be_stepped_up(server: Deployment) -> None:
    small = server.mcp(await server.token(scope="user:read"))
    assert set(await small.list_tools()) == {"whoami", "get_me", "get_user"}
    refusal = await small.call("list_my_vals")
    assert refusal.status_code == 403
    challenge = refusal.headers["www-authenticate"]
    assert 'error="insufficient_scope"' in challenge
    needed = challenge.partition('scope="')[2].partition('"')[0]
    assert set(needed.split()) >= {"user:read", "vals:read"}
    stepped_up = server.mcp(await server.token(scope=needed))
    assert (await stepped_up.call("list_my_vals")).status_code == 200


@pytest.fixture
def log() -> Iterator[Callable[[str], io.StringIO]]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level

    def configured(debug: str) -> io.StringIO:
        stream = io.StringIO()
        logs.configure("auth_server", debug, stream=stream)
        return stream

    yield configured
    structlog.reset_defaults()
    root.handlers[:], root.level = handlers, level


async def test_the_log_shows_who_did_what_and_suspicious_activity(
    server: Deployment, log: Callable[[str], io.StringIO], clock: Clock
) -> None:
    stream = log("")
    client = await server.client()
    tokens = await client.tokens(server.browser())
    await client.refresh(tokens["refresh_token"])
    clock.advance(3600)
    refused(await client.refresh(tokens["refresh_token"]), 400, "invalid_grant")
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    told = {(line["event"], line.get("client_id")) for line in lines}
    events = ("client registered", "signed in", "approved", "tokens issued", "tokens refreshed")
    assert {(event, client.client_id) for event in events} <= told
    suspicious = [line for line in lines if line.get("reason") == "reused"]
    assert [(line["level"], line["client_id"]) for line in suspicious] == [("warning", client.client_id)]


def test_debug_oauth_switches_oauth_lines_on(log: Callable[[str], io.StringIO]) -> None:
    stream = log("oauth:*")
    for namespace in ("oauth:token", "oauth:authorize", "mcp:guard", "valtown:client"):
        logs.get_logger(namespace).debug("detail")
    shown = [json.loads(line)["namespace"] for line in stream.getvalue().splitlines()]
    assert shown == ["oauth:token", "oauth:authorize"]


# The five lines of troubleshooting: each fault has a text of its own. The first two are above.


async def test_a_registration_without_https_says_https(server: Deployment) -> None:
    response = await server.curl().post(
        f"{ORIGIN}/oauth/register", json={"redirect_uris": ["http://your-app.example/callback"]}
    )
    assert "must use HTTPS" in refused(response, 400, "invalid_redirect_uri")


async def test_an_expired_token_says_expired(server: Deployment, clock: Clock) -> None:
    token = await server.token()
    clock.advance(3600 + 60)
    response = await server.mcp(token).modern("tools/list")
    assert response.status_code == 401
    assert 'error="invalid_token"' in response.headers["www-authenticate"]
    assert "expired" in response.headers["www-authenticate"]


async def test_a_missing_scope_is_named(server: Deployment) -> None:
    refusal = await server.mcp(await server.token(scope="user:read")).call("create_val")
    assert refusal.status_code == 403
    assert "vals:write" in refusal.headers["www-authenticate"]


# Migration.


async def test_x_val_town_token_works_and_is_marked_as_deprecated(server: Deployment) -> None:
    before = {key async for key in server.auth.redis.scan_iter()}
    response = await server.mcp(X_Val_Town_Token=ADA).call("get_me")
    assert response.status_code == 200
    assert response.headers["deprecation"] == "true"
    assert response.json()["result"]["structuredContent"]["username"] == "ada"
    assert {key async for key in server.auth.redis.scan_iter()} == before


async def test_both_credentials_at_once_are_refused(server: Deployment) -> None:
    client = server.mcp(await server.token(), X_Val_Town_Token=ADA)
    assert (await client.modern("tools/list")).status_code == 400


async def test_both_ways_work_side_by_side_and_the_old_one_can_be_switched_off(deploy: Deploy) -> None:
    async with deploy() as server:
        assert (await server.mcp(await server.token()).call("get_me")).status_code == 200
        assert (await server.mcp(X_Val_Town_Token=GRACE).call("get_me")).status_code == 200
    async with deploy(legacy_token_auth=False) as server:
        assert (await server.mcp(await server.token()).call("get_me")).status_code == 200
        assert (await server.mcp(X_Val_Town_Token=GRACE).call("get_me")).status_code == 401


@requirement("F113")
async def test_revocation_makes_the_hour_of_a_token_s_life_safe(server: Deployment) -> None:
    client = await server.client()
    tokens = await client.tokens(server.browser())
    mcp = server.mcp(tokens["access_token"])
    assert (await mcp.call("get_me")).status_code == 200
    assert (await client.revoke(tokens["refresh_token"])).status_code == 200

    async def refused_now() -> bool:
        return (await mcp.call("whoami")).status_code == 401

    await until(refused_now)
