"""POST /oauth/register (RFC 7591 sections 2 and 3; RFC 8252 sections 7.1 to 7.3)."""

import json
from typing import Any

import httpx
import pytest

from dev.flow import Pkce
from tests.auth_server.answers import refused, told_to_the_person
from tests.auth_server.conftest import OpenServer
from tests.auth_server.deployment import REDIRECT_URI, AuthServer
from tests.requirements import requirement

pytestmark = pytest.mark.anyio


async def register(http: httpx.AsyncClient, **metadata: Any) -> httpx.Response:
    return await http.post("/oauth/register", json={"redirect_uris": [REDIRECT_URI], **metadata})


async def count(server: AuthServer) -> int:
    return len([key async for key in server.redis.scan_iter(match="vt:client:*")])


@requirement("D1", "D3")
async def test_a_redirect_uri_is_all_that_registration_needs(
    server: AuthServer, http: httpx.AsyncClient
) -> None:
    response = await register(http)
    assert response.status_code == 201
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["pragma"] == "no-cache"
    body = response.json()
    assert body["redirect_uris"] == [REDIRECT_URI]
    assert body["token_endpoint_auth_method"] == "client_secret_basic"
    assert body["grant_types"] == ["authorization_code", "refresh_token"]
    assert body["response_types"] == ["code"]
    assert body["client_secret"].startswith("vtcs_")
    assert body["client_secret_expires_at"] == 0
    assert abs(body["client_id_issued_at"] - server.clock.now()) < 5
    assert None not in body.values()


@requirement("D1")
async def test_registered_metadata_are_echoed(http: httpx.AsyncClient) -> None:
    metadata = {
        "client_name": "Test Client",
        "client_uri": "https://client.example.com",
        "logo_uri": "https://client.example.com/logo.png",
        "policy_uri": "https://client.example.com/policy",
        "tos_uri": "https://client.example.com/tos",
        "software_id": "4NRB1-0XZABZI9E6-5SM3R",
        "software_version": "1.0",
        "scope": "read write",
        "application_type": "native",
        "token_endpoint_auth_method": "client_secret_post",
        "grant_types": ["authorization_code"],
        "response_types": ["code"],
    }
    body = (await register(http, **metadata)).json()
    assert {name: body[name] for name in metadata} == metadata


@requirement("G133")
async def test_a_public_client_gets_no_secret(http: httpx.AsyncClient) -> None:
    body = (await register(http, token_endpoint_auth_method="none")).json()
    assert body["token_endpoint_auth_method"] == "none"
    assert "client_secret" not in body
    assert "client_secret_expires_at" not in body


@requirement("G127")
async def test_credentials_of_the_request_are_ignored(http: httpx.AsyncClient) -> None:
    planted = {
        "client_id": "planted",
        "client_secret": "planted",
        "client_id_issued_at": 1,
        "client_secret_expires_at": 1,
        "registration_access_token": "planted",
        "registration_client_uri": "https://evil.example/",
        "unknown_member": "planted",
        "__proto__": {"planted": "planted"},
    }
    response = await register(http, **planted)
    assert response.status_code == 201
    assert "planted" not in response.text
    assert "evil.example" not in response.text


async def test_every_registration_is_a_client_of_its_own(http: httpx.AsyncClient) -> None:
    answers = [(await register(http)).json() for _ in range(5)]
    assert len({body["client_id"] for body in answers}) == 5
    assert len({body["client_secret"] for body in answers}) == 5
    # No client id can be taken for a person's id (RFC 9700 section 4.15).
    assert all(body["client_id"].startswith("client_") for body in answers)


@requirement("O34", "O39")
@pytest.mark.parametrize(
    "uri",
    [
        "https://client.example.com/callback",
        "https://client.example.com:8443/callback?tenant=1",
        "https://client.example.com",
        "https://xn--bcher-kva.example/callback",
        "http://127.0.0.1/callback",
        "http://127.0.0.1:33418/",
        "http://localhost:3000/callback",
        "http://localhost",
        "http://[::1]:3000/callback",
        "cursor://anysphere.cursor-mcp/oauth/callback",
        "vscode://vscode.github-authentication/did-authenticate",
        "vscode-insiders://x/y",
        "windsurf://codeium.windsurf/oauth",
        "com.example.app:/callback",
        "com.example.app://callback",
    ],
)
async def test_redirect_uris_that_are_allowed(http: httpx.AsyncClient, uri: str) -> None:
    response = await register(http, redirect_uris=[uri])
    assert response.status_code == 201
    assert response.json()["redirect_uris"] == [uri]


@requirement("O34", "O39", "D2", "A17", "G125", "G126")
@pytest.mark.parametrize(
    "uri",
    [
        "",
        "/callback",
        "callback",
        "//client.example.com/callback",
        "http://client.example.com/callback",
        "http://192.168.1.5/callback",
        "http://10.0.0.1/callback",
        "http://0.0.0.0/callback",
        "http://127.0.0.2/callback",
        "http://127.1/callback",
        "http://2130706433/callback",
        "http://localhost.evil.example/callback",
        "http://127.0.0.1.nip.io/callback",
        "http://localhost@evil.example/callback",
        "http://[::ffff:127.0.0.1]/callback",
        "http://localhost./callback",
        "https://client.example.com/callback#fragment",
        "https://client.example.com/callback#",
        "https://user@client.example.com/callback",
        "https://user:password@client.example.com/callback",
        "https://*.example.com/callback",
        "https://",
        "https:///callback",
        "https:client.example.com/callback",
        "https:/client.example.com/callback",
        "https://:443/callback",
        "https://client.example.com:99999/callback",
        "https://client.example.com:port/callback",
        "https://[::1/callback",
        "https://client.example.com/x/../callback",
        "https://client.example.com/x/%2e%2E/callback",
        "https://client.example.com/./callback",
        "https://client.example.com/call back",
        "https://client.example.com/callback\n",
        "https://client.example.com/callback\r\nX: y",
        "https://client.example.com/callback\x00",
        "https://client.example.com\\@evil.example/",
        "https://client.example.com/%zz",
        "https://cl\u0456ent.example.com/callback",
        "https://client.example.com/\u202e",
        "HTTPS://client.example.com/callback",
        " https://client.example.com/callback",
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)",
        "java\tscript:alert(1)",
        "data:text/html,x",
        "vbscript:x",
        "file:///etc/passwd",
        "blob:https://client.example.com/x",
        "about:blank",
        "ws://client.example.com",
        "ftp://client.example.com/x",
        "mailto:a@client.example.com",
        "myapp:/callback",
        "urn:ietf:wg:oauth:2.0:oob",
        "Com.Example.App:/callback",
        "https://client.example.com/" + "x" * 2000,
    ],
)
async def test_redirect_uris_that_are_refused(server: AuthServer, http: httpx.AsyncClient, uri: str) -> None:
    refused(await register(http, redirect_uris=[uri]), 400, "invalid_redirect_uri")
    refused(await register(http, redirect_uris=[REDIRECT_URI, uri]), 400, "invalid_redirect_uri")
    assert await count(server) == 0


async def test_the_refusal_of_an_http_redirect_uri_says_https(http: httpx.AsyncClient) -> None:
    response = await register(http, redirect_uris=["http://client.example.com/callback"])
    assert "HTTPS" in refused(response, 400, "invalid_redirect_uri")


@requirement("G125")
@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        "https://client.example.com/callback",
        {},
        {"0": REDIRECT_URI},
        1,
        [1],
        [None],
        [[REDIRECT_URI]],
    ],
)
async def test_redirect_uris_must_be_a_list_of_strings(http: httpx.AsyncClient, value: object) -> None:
    refused(await register(http, redirect_uris=value), 400, "invalid_redirect_uri")


@requirement("G125")
async def test_redirect_uris_must_be_there(http: httpx.AsyncClient) -> None:
    response = await http.post("/oauth/register", json={"client_name": "Test Client"})
    refused(response, 400, "invalid_redirect_uri")


@requirement("G125")
async def test_the_number_of_redirect_uris_is_bounded(http: httpx.AsyncClient) -> None:
    uris = [f"https://client.example.com/{number}" for number in range(21)]
    refused(await register(http, redirect_uris=uris), 400, "invalid_redirect_uri")
    assert (await register(http, redirect_uris=uris[:20])).status_code == 201


@requirement("D2", "D3", "G132", "G133")
@pytest.mark.parametrize(
    "metadata",
    [
        {"token_endpoint_auth_method": "private_key_jwt"},
        {"token_endpoint_auth_method": "client_secret_jwt"},
        {"token_endpoint_auth_method": ["none"]},
        {"token_endpoint_auth_method": 1},
        {"grant_types": ["implicit"]},
        {"grant_types": ["password"]},
        {"grant_types": ["refresh_token"]},
        {"grant_types": "authorization_code"},
        {"grant_types": [1]},
        {"grant_types": [["authorization_code"]]},
        {"grant_types": ["authorization_code"] * 21},
        {"response_types": ["token"]},
        {"response_types": "code"},
        {"response_types": [{}]},
        {"application_type": "other"},
        {"application_type": 1},
        {"application_type": []},
        {"scope": ["read"]},
        {"scope": "x" * 2001},
        {"client_name": 1},
        {"client_name": ["a"]},
        {"client_name": "x" * 201},
        {"client_uri": "javascript:alert(1)"},
        {"logo_uri": "data:image/png;base64,x"},
        {"policy_uri": 1},
        {"tos_uri": "https://client.example.com/" + "x" * 2000},
        {"jwks": {"keys": []}, "jwks_uri": "https://client.example.com/jwks"},
        {"jwks": {"keys": [{"kty": "RSA", "n": "x", "e": "AQAB", "d": "x"}]}},
        {"jwks": {"keys": [{"kty": "oct", "k": "x"}]}},
    ],
)
async def test_metadata_that_are_refused(
    server: AuthServer, http: httpx.AsyncClient, metadata: dict[str, Any]
) -> None:
    refused(await register(http, **metadata), 400, "invalid_client_metadata")
    assert await count(server) == 0


@pytest.mark.parametrize(
    "metadata",
    [
        {"client_name": ""},
        {"client_name": None},
        {"grant_types": None},
        {"grant_types": []},
        {"grant_types": ["authorization_code", "urn:ietf:params:oauth:grant-type:device_code"]},
        {"response_types": None},
        {"response_types": ["code", "token"]},
        {"scope": ""},
        {"scope": None},
        {"scope": "read unknown"},
        {"jwks": {"keys": []}},
        {"jwks": None},
        {"jwks_uri": "https://client.example.com/jwks"},
        {"contacts": ["ops@client.example.com"]},
        {"client_uri": None},
        {"client_name": "x" * 200},
    ],
)
async def test_metadata_that_are_accepted(http: httpx.AsyncClient, metadata: dict[str, Any]) -> None:
    response = await register(http, **metadata)
    assert response.status_code == 201
    assert None not in response.json().values()


async def test_unsupported_grant_types_are_dropped_from_the_echo(http: httpx.AsyncClient) -> None:
    body = (await register(http, grant_types=["implicit", "authorization_code"])).json()
    assert body["grant_types"] == ["authorization_code"]


@requirement("C61")
async def test_a_client_of_the_code_alone_cannot_use_refresh_tokens(server: AuthServer) -> None:
    client = await server.registered(grant_types=["authorization_code"])
    assert "refresh_token" not in await client.tokens(server.browser())
    refused(await client.refresh("vtr_x"), 400, "unauthorized_client")


@requirement("D5", "G131")
async def test_addresses_in_the_metadata_are_never_fetched(server: AuthServer) -> None:
    inside = "http://169.254.169.254/latest/meta-data"
    client = await server.registered(client_uri=inside, logo_uri=inside, tos_uri=inside, jwks_uri=inside)
    await client.tokens(server.browser())
    assert {request.url.host for request in server.val_town.requests} == {"val-town.test"}


async def test_the_client_id_of_a_registration_works_at_once(server: AuthServer) -> None:
    client = await server.registered()
    assert (await server.visitor().get(client.authorize_url(Pkce.new()))).status_code == 303


async def test_schemes_can_be_configured(open_server: OpenServer) -> None:
    async with open_server(oauth_redirect_schemes="myapp") as server:
        http = server.visitor()
        assert (await register(http, redirect_uris=["myapp:/callback"])).status_code == 201
        refused(await register(http, redirect_uris=["cursor://x/y"]), 400, "invalid_redirect_uri")
        for never in ("javascript:alert(1)", "data:x", "file:///x"):
            refused(await register(http, redirect_uris=[never]), 400, "invalid_redirect_uri")


async def test_http_beyond_this_computer_can_be_allowed(open_server: OpenServer) -> None:
    async with open_server(insecure_allow_http=True) as server:
        http = server.visitor()
        assert (await register(http, redirect_uris=["http://192.168.1.5/callback"])).status_code == 201
        refused(await register(http, redirect_uris=["ftp://192.168.1.5/x"]), 400, "invalid_redirect_uri")


@requirement("G128")
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b'"x"',
        b"1",
        b"\xff\xfe",
        b'{"redirect_uris": ["https://client.example.com/callback"],}',
        b'{"redirect_uris": ["https://client.example.com/callback"], "x": NaN}',
        b'{"redirect_uris": ["https://client.example.com/callback"], "x": 1e999}',
        b'{"redirect_uris": ["https://client.example.com/callback"], "x": ' + b"9" * 10_000 + b"}",
        b'{"redirect_uris": ["https://client.example.com/callback"], "client_name": "\\ud800"}',
        b'{"redirect_uris": ["https://evil.example/"], "redirect_uris": ["https://client.example.com/c"]}',
        b'{"redirect_uris": ["https://client.example.com/c"], "jwks": {"a": 1, "a": 2}}',
        b'{"redirect_uris": ["https://client.example.com/c"], "x": ' + b"[" * 20_000 + b"]" * 20_000 + b"}",
        b'{"x": "' + b'\\"' * 30_000,
    ],
    ids=lambda body: repr(body[:24] + body[-24:]),
)
async def test_a_body_that_is_not_one_strict_json_object_is_refused(
    server: AuthServer, http: httpx.AsyncClient, body: bytes
) -> None:
    response = await http.post("/oauth/register", content=body, headers={"Content-Type": "application/json"})
    refused(response, 400, "invalid_client_metadata")
    assert await count(server) == 0
    assert (await register(http)).status_code == 201


@requirement("G129")
@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/json-patch+json",
        "x/application/json",
    ],
)
async def test_another_content_type_is_refused(http: httpx.AsyncClient, content_type: str) -> None:
    body = json.dumps({"redirect_uris": [REDIRECT_URI]})
    headers = {"Content-Type": content_type}
    refused(await http.post("/oauth/register", content=body, headers=headers), 400, "invalid_client_metadata")


@pytest.mark.parametrize("content_type", ["application/json; charset=utf-8", "Application/JSON"])
async def test_parameters_and_case_of_the_content_type_do_not_matter(
    http: httpx.AsyncClient, content_type: str
) -> None:
    body = json.dumps({"redirect_uris": [REDIRECT_URI]})
    response = await http.post("/oauth/register", content=body, headers={"Content-Type": content_type})
    assert response.status_code == 201


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
async def test_the_registration_endpoint_takes_post_only(http: httpx.AsyncClient, method: str) -> None:
    response = await http.request(method, "/oauth/register")
    assert response.status_code == 405
    assert response.headers["allow"] == "POST"


@requirement("G130", "K226")
@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;"),
        ('"><img src=x onerror=alert(1)>', "&#34;&gt;&lt;img src=x onerror=alert(1)&gt;"),
        ("{{ 7 * 7 }}", "{{ 7 * 7 }}"),
        ("{% raw %}", "{% raw %}"),
        ("Val\u202eNWOT", "ValNWOT"),
        ("a\u200b\u0000\tb\nc", "abc"),
        ("A & B", "A &amp; B"),
        ("日本語", "日本語"),
    ],
)
async def test_a_hostile_name_is_shown_as_text(server: AuthServer, name: str, shown: str) -> None:
    client = await server.registered(client_name=name)
    browser = server.browser()
    sign_in = await browser.open(client.authorize_url(Pkce.new()))
    consent = await browser.sign_in(sign_in)
    for page in (sign_in, consent):
        html = told_to_the_person(page, 200)
        assert f'<bdi class="app">{shown}</bdi>' in html
        assert "<script" not in html
        assert "<img" not in html
