"""Whatever is sent: one clear refusal each, nothing changed, and a valid request works afterwards."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest

from dev.flow import OAuthClient, Pkce
from tests.auth_server.answers import refused, told_to_the_person
from tests.auth_server.deployment import REDIRECT_URI, AuthServer
from tests.requirements import requirement

pytestmark = pytest.mark.anyio

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
JSON = {"Content-Type": "application/json"}

FORM_ENDPOINTS = ["/oauth/token", "/oauth/revoke", "/oauth/introspect"]
PAGES = ["/oauth/sign-in", "/oauth/consent"]
POSTS = [*FORM_ENDPOINTS, *PAGES, "/oauth/register", "/oauth/authorize"]


async def records(server: AuthServer) -> set[str]:
    """Return what is kept, but for what the background keeps anyway."""
    return {key async for key in server.redis.scan_iter(match="vt:*") if not key.startswith("vt:meta:")}


def refused_at(path: str, response: httpx.Response, status: int) -> None:
    """Check that a refusal has the shape its endpoint's callers expect, a page or JSON."""
    if path in (*PAGES, "/oauth/authorize"):
        told_to_the_person(response, status)
    else:
        error = (
            "invalid_client_metadata" if path == "/oauth/register" and status == 400 else "invalid_request"
        )
        refused(response, status, error)


@requirement("C68")
@pytest.mark.parametrize("path", POSTS)
@pytest.mark.parametrize(
    "body",
    [b"%ff=%fe", b"a=%80", b"\xff\xfe=\x00", b"a=\xc3\xbc", b"&".join(b"a%d=b" % n for n in range(101))],
    ids=["bad name", "bad value", "raw bytes", "raw utf-8", "too many"],
)
async def test_a_malformed_form_is_refused(
    server: AuthServer, client: OAuthClient, path: str, body: bytes
) -> None:
    before = await records(server)
    refused_at(path, await client.http.post(path, content=body, headers=FORM), 400)
    assert await records(server) == before
    assert await server.works()


@pytest.mark.parametrize("path", POSTS)
async def test_an_empty_body_is_refused(client: OAuthClient, path: str) -> None:
    # Without any parameter it is the client that is missing first where grant_type is none.
    response = await client.http.post(path, content=b"", headers=FORM)
    if path in ("/oauth/revoke", "/oauth/introspect"):
        refused(response, 401, "invalid_client")
    else:
        refused_at(path, response, 400)


@requirement("C64")
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b"[{}]",
        b'"grant_type"',
        b"1",
        b"\xff",
        b"\xef\xbb\xbf{}",
        b'{"grant_type": "authorization_code"} {}',
        b'{"grant_type": "authorization_code",}',
        b"{'grant_type': 'authorization_code'}",
        b'{"grant_type": NaN}',
        b'{"grant_type": Infinity}',
        b'{"grant_type": 1e999}',
        b'{"grant_type": ' + b"1" * 5000 + b"}",
        b'{"grant_type": "\\ud800"}',
        b'{"\\ud800": "a"}',
        b'{"grant_type": "a\nb"}',
        b'{"a": ' + b'{"a": ' * 5000 + b"1" + b"}" * 5001,
        b"[" * 60_000,
        b'{"a": "' + b'\\"' * 30_000,
        b'{"\\u0067rant_type": "a", "grant_type": "b"}',
    ],
    ids=lambda body: repr(body[:20]),
)
async def test_a_body_that_is_not_one_strict_json_object_is_refused(
    server: AuthServer, client: OAuthClient, body: bytes
) -> None:
    before = await records(server)
    refused(await client.http.post("/oauth/token", content=body, headers=JSON), 400, "invalid_request")
    assert await records(server) == before


@pytest.mark.parametrize("path", ["/oauth/revoke", "/oauth/introspect", *PAGES, "/oauth/authorize"])
async def test_json_is_for_token_and_registration_only(client: OAuthClient, path: str) -> None:
    refused_at(path, await client.http.post(path, json={"token": "x", "client_id": "x"}), 415)


@requirement("C65", "C66", "C67")
@pytest.mark.parametrize("path", [*FORM_ENDPOINTS, *PAGES, "/oauth/authorize"])
@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "text/plain",
        "multipart/form-data; boundary=x",
        "application/x-www-form-urlencoded-not",
        "text/html, application/x-www-form-urlencoded",
        "application/xml",
        "x" * 1000,
    ],
)
async def test_another_content_type_is_refused(
    server: AuthServer, client: OAuthClient, path: str, content_type: str
) -> None:
    body = f"grant_type=authorization_code&client_id={client.client_id}"
    before = await records(server)
    response = await client.http.post(path, content=body, headers={"Content-Type": content_type})
    refused_at(path, response, 415)
    assert await records(server) == before


@pytest.mark.parametrize(
    "content_type",
    ["application/x-www-form-urlencoded; charset=UTF-8", "APPLICATION/X-WWW-FORM-URLENCODED;charset=utf-8"],
)
async def test_parameters_and_case_of_the_content_type_do_not_matter(
    client: OAuthClient, content_type: str
) -> None:
    body = f"grant_type=refresh_token&refresh_token=x&client_id={client.client_id}"
    body += f"&client_secret={client.client_secret}"
    response = await client.http.post("/oauth/token", content=body, headers={"Content-Type": content_type})
    refused(response, 400, "invalid_grant")


@requirement("J206")
@pytest.mark.parametrize("path", POSTS)
async def test_a_body_beyond_64_kib_is_refused(server: AuthServer, client: OAuthClient, path: str) -> None:
    headers = JSON if path == "/oauth/register" else FORM
    before = await records(server)
    refused_at(path, await client.http.post(path, content=b"a" * 65_537, headers=headers), 413)

    async def chunks() -> AsyncIterator[bytes]:
        # Without a declared length, and far more than would be read.
        for _ in range(1000):
            yield b"a" * 65_536

    refused_at(path, await client.http.post(path, content=chunks(), headers=headers), 413)
    assert await records(server) == before


@requirement("J210")
@pytest.mark.parametrize("path", POSTS)
@pytest.mark.parametrize("encoding", ["gzip", "br", "deflate, gzip"])
async def test_a_compressed_body_is_refused(client: OAuthClient, path: str, encoding: str) -> None:
    headers = {**(JSON if path == "/oauth/register" else FORM), "Content-Encoding": encoding}
    refused_at(path, await client.http.post(path, content=b"\x1f\x8b", headers=headers), 415)


@requirement("J202")
@pytest.mark.parametrize("length", ["-1", "+5", "0x5", "5, 5", "", "9" * 30, "1e3"])
async def test_a_malformed_length_is_refused(client: OAuthClient, length: str) -> None:
    response = await client.http.post(
        "/oauth/token", content=b"a=b", headers={**FORM, "Content-Length": length}
    )
    refused(response, 400, "invalid_request")


@pytest.mark.parametrize("path", POSTS)
async def test_a_body_that_breaks_off_is_refused(server: AuthServer, path: str) -> None:
    before = await records(server)
    content_type = b"application/json" if path == "/oauth/register" else b"application/x-www-form-urlencoded"
    messages = [
        {"type": "http.request", "body": b"grant_type=", "more_body": True},
        {"type": "http.disconnect"},
    ]
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "https",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"auth.test"), (b"content-type", content_type)],
        "client": ("127.0.0.1", 1),
        "server": ("auth.test", 443),
    }
    sent = []

    async def receive() -> dict[str, object]:
        return messages.pop(0) if messages else {"type": "http.disconnect"}

    async def send(message: dict[str, object]) -> None:
        sent.append(message)

    await server.app(scope, receive, send)
    assert sent[0]["status"] == 400
    assert await records(server) == before


@requirement("H178")
@pytest.mark.parametrize(
    "headers",
    [[("X-Padding", "x" * 40_000)], [(f"X-{number}", "x" * 1000) for number in range(40)]],
    ids=["one", "many"],
)
async def test_headers_beyond_32_kib_are_refused(
    http: httpx.AsyncClient, headers: list[tuple[str, str]]
) -> None:
    for path in ("/oauth/token", "/.well-known/jwks.json"):
        response = await http.request("POST", path, headers=headers)
        assert response.status_code == 431
        assert response.json()["error"] == "invalid_request"


@requirement("J203")
async def test_two_host_headers_are_refused(http: httpx.AsyncClient) -> None:
    headers = [("Host", "auth.test"), ("Host", "evil.example")]
    response = await http.get("/.well-known/oauth-authorization-server", headers=headers)
    assert response.status_code == 400


@pytest.mark.parametrize(
    "query",
    [
        "client_id=%ff",
        "%80=x",
        "&".join(f"a{number}=b" for number in range(101)),
        "client_id=%00",
        "client_id",
    ],
)
async def test_a_malformed_query_at_authorize_is_told_to_the_person(
    http: httpx.AsyncClient, query: str
) -> None:
    told_to_the_person(await http.get(f"/oauth/authorize?{query}"))


HOSTILE = ['"', "\\", "\r\n", "\x7f", "🐘", "<script>", "%", "\x00", "' OR 1=1 --", "${7*7}", "{{7*7}}"]


@requirement("O21")
@pytest.mark.parametrize("text", HOSTILE)
async def test_hostile_text_in_any_parameter_of_a_token_request_is_refused_cleanly(
    client: OAuthClient, text: str
) -> None:
    form = {
        "grant_type": "authorization_code",
        "client_id": client.client_id,
        "client_secret": client.client_secret or "",
        "code": "x",
        "code_verifier": "a" * 43,
        "redirect_uri": REDIRECT_URI,
    }
    for name in [*form, "scope", "resource", text]:
        response = await client.http.post("/oauth/token", data={**form, name: text})
        assert response.status_code in (400, 401)
        refused(response, response.status_code, response.json()["error"])
        assert "set-cookie" not in response.headers


@requirement("O21", "J212")
@pytest.mark.parametrize("text", HOSTILE)
async def test_hostile_text_in_any_parameter_at_authorize_is_refused_cleanly(
    client: OAuthClient, text: str
) -> None:
    names = ["client_id", "redirect_uri", "response_type", "scope", "resource", "code_challenge", "prompt"]
    for name in [*names, "code_challenge_method", "response_mode", text]:
        response = await client.http.get(client.authorize_url(Pkce.new(), **{name: text}))
        assert response.status_code in (303, 400)
        assert "<script>" not in response.text
        assert "\n" not in response.headers.get("location", "")


async def test_an_unknown_url_is_a_404_and_not_a_redirect(http: httpx.AsyncClient) -> None:
    for path in (
        "/",
        "/oauth/",
        "/oauth/token/",
        "/oauth//token",
        "/OAUTH/TOKEN",
        "/oauth/token%2f",
        "/../x",
    ):
        response = await http.post(path, headers=FORM)
        assert response.status_code == 404
        assert "location" not in response.headers


@requirement("J214")
async def test_every_answer_has_a_request_id_and_security_headers(http: httpx.AsyncClient) -> None:
    for method, path in (
        ("GET", "/healthz"),
        ("GET", "/nowhere"),
        ("PUT", "/oauth/token"),
        ("POST", "/oauth/token"),
        ("GET", "/oauth/authorize"),
        ("GET", "/.well-known/jwks.json"),
    ):
        response = await http.request(method, path)
        assert len(response.headers["x-request-id"]) >= 8
        assert response.headers["x-content-type-options"] == "nosniff"
        assert response.headers["x-frame-options"] == "DENY"
        assert "frame-ancestors 'none'" in response.headers["content-security-policy"]


@requirement("J214")
async def test_a_fault_that_nobody_foresaw_is_a_500_without_detail_and_with_every_header(
    server: AuthServer,
) -> None:
    def broken(_request: httpx.Request) -> httpx.Response:
        raise RuntimeError("secret detail")

    client, browser = await server.registered(), server.browser()
    page = await browser.open(client.authorize_url(Pkce.new()))
    server.val_town.fault = broken
    response = await browser.submit(page, api_token="vtwn_x")
    told_to_the_person(response, 500)
    assert response.headers["x-request-id"]
    assert "secret detail" not in response.text
    assert "Traceback" not in response.text


async def test_many_bad_requests_at_once_do_not_harm_the_good_ones(server: AuthServer) -> None:
    client = await server.registered()
    tokens = await client.tokens(server.browser())
    bad = [client.http.post("/oauth/token", content=b"\xff" * 60_000, headers=FORM) for _ in range(20)]
    answers = await asyncio.gather(client.refresh(tokens["refresh_token"]), *bad)
    assert [answer.status_code for answer in answers] == [200] + [400] * 20
