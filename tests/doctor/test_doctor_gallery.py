"""The gallery: every fault the doctor knows, seeded one at a time; it names that one and no other."""

import itertools
import json
import socket
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from email.utils import formatdate
from pathlib import Path

import httpx
import pytest

from mcp_server.doctor.causes import CAUSES
from mcp_server.doctor.command import described
from mcp_server.doctor.walk import Status
from shared.clock import Clock
from shared.redis.client import connect
from tests.auth_server.deployment import new_pem
from tests.doctor.landscape import (
    ISSUER,
    OTHER_RESOURCE,
    RESOURCE,
    Fault,
    Forward,
    Landscape,
    answered,
    causes,
    examined,
    failing,
    hanging,
    no_fault,
    on,
    open_landscape,
    with_headers,
    with_members,
    with_request_headers,
    with_status,
)
from tests.support.waiting import until

pytestmark = pytest.mark.anyio

_PAGE = b"<!doctype html><title>Just a moment...</title>"
_MCP = on("mcp", "/mcp")
_RESOURCE_METADATA = on("mcp", "/.well-known/oauth-protected-resource")
_METADATA = on("auth", "/.well-known/oauth-authorization-server")
_KEYS = on("auth", "/.well-known/jwks.json")
_REGISTER = on("auth", "/oauth/register")
_AUTHORIZE = on("auth", "/oauth/authorize")
_TOKEN = on("auth", "/oauth/token")
_REFUSED = httpx.ConnectError("All connection attempts failed")
_ANY_ORIGIN = "https://elsewhere.example"


@dataclass(frozen=True)
class Case:
    """A fault, and the cause it must be told by."""

    cause: str
    name: str
    fault: Fault = no_fault
    url: str = RESOURCE
    seconds: float = 10


async def _turn_by_turn(
    request: httpx.Request, forward: Forward, turns: "itertools.count[int]"
) -> httpx.Response:
    response = await forward(request)
    if not _KEYS(request):
        return response
    document = json.loads(await response.aread())
    turn = next(turns) % 2
    for key in document["keys"]:
        key["kid"] += f"-{turn}"
    return httpx.Response(200, json=document)


def _replicas_without_a_common_store() -> Fault:
    turns = itertools.count()

    async def fault(request: httpx.Request, forward: Forward) -> httpx.Response:
        return await _turn_by_turn(request, forward, turns)

    return fault


def _proxy_with_a_token(token: str) -> Fault:
    return with_request_headers(_MCP, Authorization=f"Bearer {token}")


def _long_headers_refused(request: httpx.Request) -> bool:
    return _MCP(request) and any(len(value) > 4096 for value in request.headers.values())


def _named_like_a_bot(request: httpx.Request) -> bool:
    return _MCP(request) and "Claude" in request.headers.get("User-Agent", "")


def _unnamed(request: httpx.Request) -> bool:
    return _MCP(request) and not request.headers.get("User-Agent")


def _with_a_bad_token(request: httpx.Request) -> bool:
    return _MCP(request) and "Authorization" in request.headers


def _from_web_pages(request: httpx.Request) -> bool:
    return _MCP(request) and request.method == "OPTIONS"


_CASES = [
    Case(
        "no-address",
        "no DNS entry",
        failing(on("mcp"), httpx.ConnectError("x"), socket.gaierror(-2, "unknown")),
    ),
    Case(
        "connection-refused",
        "nothing listens",
        failing(on("mcp"), _REFUSED, ConnectionRefusedError(111, "x")),
    ),
    Case("connection-refused", "nothing listens, told in short", failing(on("mcp"), _REFUSED)),
    Case(
        "tls-certificate",
        "a certificate of an unknown authority",
        failing(on("mcp"), httpx.ConnectError("x"), ssl.SSLCertVerificationError("self-signed certificate")),
    ),
    Case("no-answer", "a proxy that waits for its server", failing(on("mcp"), httpx.ReadTimeout("x"))),
    Case("no-answer", "a server that accepts and says nothing", hanging, seconds=0.01),
    Case("not-http", "plain http on the port of https", failing(on("mcp"), httpx.RemoteProtocolError("x"))),
    Case(
        "not-http",
        "TLS on the port of http",
        failing(on("mcp"), httpx.ConnectError("x"), ssl.SSLError(1, "x")),
    ),
    Case(
        "proxy-without-server",
        "the server behind the proxy is down",
        answered(on("mcp"), 502, b"<html><h1>502 Bad Gateway</h1>", content_type="text/html"),
    ),
    Case("proxy-without-server", "the same without a page", answered(on("mcp"), 503)),
    Case(
        "proxy-without-server", "Cloudflare reaches no origin", answered(on("mcp"), 522, b"error code: 522")
    ),
    Case(
        "redirected",
        "https is forced by a redirect",
        answered(on("mcp"), 301, location="https://www.mcp.test/mcp"),
    ),
    Case("page-in-the-way", "a bot check", answered(on("mcp"), 403, _PAGE, content_type="text/html")),
    Case(
        "page-in-the-way",
        "single sign-on in front",
        answered(on("mcp"), 200, _PAGE, content_type="text/html"),
    ),
    Case("no-such-path", "the URL without its path", url="https://mcp.test/elsewhere"),
    Case("http-url", "http to another computer", url="http://mcp.test/mcp"),
    Case("not-401", "a firewall turns 401 into 403", with_status(_MCP, 403)),
    Case("agent-blocked", "AI bots are blocked", answered(_named_like_a_bot, 403, b"blocked")),
    Case("agent-blocked", "who does not say its name is blocked", answered(_unnamed, 403, _PAGE)),
    Case("challenge-stripped", "a proxy drops WWW-Authenticate", with_headers(_MCP, WWW_Authenticate=None)),
    Case(
        "challenge-of-another",
        "the proxy asks for a password",
        answered(_MCP, 401, www_authenticate='Basic realm="staging"'),
    ),
    Case(
        "challenge-without-metadata",
        "the proxy writes a challenge of its own",
        with_headers(_MCP, WWW_Authenticate='Bearer error="invalid_token"'),
    ),
    Case(
        "challenge-elsewhere",
        "the server knows only its inner address",
        with_headers(
            _MCP,
            WWW_Authenticate='Bearer error="invalid_token", '
            'resource_metadata="http://127.0.0.1:8000/.well-known/oauth-protected-resource/mcp"',
        ),
    ),
    Case("resource-metadata-missing", "the proxy leads only /mcp", answered(_RESOURCE_METADATA, 404)),
    Case(
        "resource-metadata-missing",
        "only the form with a path is lost",
        answered(on("mcp", "/.well-known/oauth-protected-resource/mcp"), 404),
    ),
    Case(
        "resource-metadata-root-missing",
        "only the form at the root is lost",
        answered(lambda request: request.url.path == "/.well-known/oauth-protected-resource", 404),
    ),
    Case(
        "legacy-metadata-missing",
        "the MCP host does not lead to the issuer's metadata",
        answered(on("mcp", "/.well-known/oauth-authorization-server"), 404),
    ),
    Case("page-in-the-way", "a site of its own at /.well-known", answered(_RESOURCE_METADATA, 200, _PAGE)),
    Case("resource-mismatch", "a slash too many", url=f"{RESOURCE}/"),
    Case(
        "resource-mismatch",
        "http in the settings",
        with_members(_RESOURCE_METADATA, resource="http://mcp.test/mcp"),
    ),
    Case(
        "resource-mismatch",
        "the root in the settings",
        with_members(_RESOURCE_METADATA, resource="https://mcp.test"),
    ),
    Case(
        "no-issuer",
        "no authorization server is named",
        with_members(_RESOURCE_METADATA, authorization_servers=[]),
    ),
    Case(
        "issuer-http",
        "the issuer with http",
        with_members(_RESOURCE_METADATA, authorization_servers=["http://auth.test"]),
    ),
    Case("issuer-unreachable", "the issuer's host is down", failing(on("auth"), _REFUSED)),
    Case("issuer-unreachable", "the issuer never answers", failing(on("auth"), httpx.ConnectTimeout("x"))),
    Case("issuer-metadata-missing", "the proxy does not lead there", answered(_METADATA, 404)),
    Case(
        "openid-form-missing",
        "the proxy leads only one of the forms",
        answered(on("auth", "/.well-known/openid-configuration"), 404),
    ),
    Case(
        "not-json",
        "the resource's metadata as text",
        with_headers(_RESOURCE_METADATA, Content_Type="text/plain"),
    ),
    Case(
        "not-json",
        "the issuer's metadata as a download",
        with_headers(_METADATA, Content_Type="binary/octet-stream"),
    ),
    Case(
        "not-json",
        "metadata cut off",
        answered(_METADATA, 200, b'{"issuer"', content_type="application/json"),
    ),
    Case("not-json", "the key set as text", with_headers(_KEYS, Content_Type="text/plain")),
    Case("issuer-mismatch", "a slash at the end of the issuer", with_members(_METADATA, issuer=f"{ISSUER}/")),
    Case(
        "issuer-mismatch", "the issuer by its inner name", with_members(_METADATA, issuer="http://auth:9000")
    ),
    Case(
        "endpoint-elsewhere",
        "the token endpoint by its inner name",
        with_members(_METADATA, token_endpoint="https://auth.internal/oauth/token"),
    ),
    Case("no-s256", "PKCE is not listed", with_members(_METADATA, code_challenge_methods_supported=None)),
    Case("no-s256", "only plain", with_members(_METADATA, code_challenge_methods_supported=["plain"])),
    Case("no-code-flow", "no code", with_members(_METADATA, response_types_supported=["token"])),
    Case(
        "no-public-clients",
        "only secrets",
        with_members(_METADATA, token_endpoint_auth_methods_supported=["client_secret_basic"]),
    ),
    Case(
        "no-registration",
        "no way for new clients",
        with_members(_METADATA, registration_endpoint=None, client_id_metadata_document_supported=False),
    ),
    Case(
        "no-iss",
        "no promise of iss",
        with_members(_METADATA, authorization_response_iss_parameter_supported=None),
    ),
    Case("cached-too-long", "a year", with_headers(_METADATA, Cache_Control="public, max-age=31536000")),
    Case(
        "cached-too-long",
        "of the resource",
        with_headers(_RESOURCE_METADATA, Cache_Control="s-maxage=604800"),
    ),
    Case(
        "keys-missing",
        "the proxy does not lead there",
        answered(_KEYS, 404, b"{}", content_type="application/json"),
    ),
    Case("keys-missing", "it is no key set", with_members(_KEYS, keys=None)),
    Case("keys-empty", "no keys", with_members(_KEYS, keys=[])),
    Case(
        "keys-private", "a whole key pair", with_members(_KEYS, keys=[{"kty": "RSA", "kid": "k", "d": "AQ"}])
    ),
    Case("keys-cached", "for a day", with_headers(_KEYS, Cache_Control="max-age=86400")),
    Case("keys-cached", "an old copy", with_headers(_KEYS, Age="3600")),
    Case("keys-disagree", "replicas of two stores", _replicas_without_a_common_store()),
    Case(
        "registration-closed",
        "a password before it",
        answered(_REGISTER, 401, b"{}", www_authenticate="Basic", content_type="application/json"),
    ),
    Case(
        "page-in-the-way", "a bot check before it", answered(_REGISTER, 403, _PAGE, content_type="text/html")
    ),
    Case("registration-unchecked", "everything is taken", answered(_REGISTER, 201, b'{"client_id": "x"}')),
    Case("authorize-missing", "the proxy does not lead there", answered(_AUTHORIZE, 404)),
    Case(
        "redirected",
        "single sign-on before it",
        answered(_AUTHORIZE, 302, location="https://sso.example/login"),
    ),
    Case(
        "authorize-open-redirect",
        "it sends an unknown app's person on",
        answered(_AUTHORIZE, 302, location="https://client.example/callback?error=unauthorized_client"),
    ),
    Case(
        "headers-stripped",
        "a proxy drops what guards the page",
        with_headers(_AUTHORIZE, Content_Security_Policy=None, X_Frame_Options=None),
    ),
    Case(
        "page-in-the-way",
        "a page of somebody else",
        answered(_AUTHORIZE, 200, _PAGE, content_type="text/html"),
    ),
    Case("token-endpoint-missing", "the proxy lets only GET through", answered(_TOKEN, 405)),
    Case("page-in-the-way", "a bot check at the token endpoint", answered(_TOKEN, 403, _PAGE)),
    Case("token-cached", "a proxy caches everything", with_headers(_TOKEN, Cache_Control="max-age=60")),
    Case("no-cors", "the MCP endpoint", with_headers(_MCP, Access_Control_Allow_Origin=None)),
    Case(
        "no-cors",
        "the resource's metadata",
        with_headers(_RESOURCE_METADATA, Access_Control_Allow_Origin=None),
    ),
    Case(
        "no-cors", "metadata for one site", with_headers(_METADATA, Access_Control_Allow_Origin=_ANY_ORIGIN)
    ),
    Case("no-cors", "registration", with_headers(_REGISTER, Access_Control_Allow_Origin=None)),
    Case("no-cors", "the token endpoint", with_headers(_TOKEN, Access_Control_Allow_Origin=None)),
    Case("preflight-refused", "OPTIONS is not let through", answered(_from_web_pages, 405)),
    Case(
        "preflight-refused",
        "a proxy answers OPTIONS itself",
        answered(
            _from_web_pages, 204, access_control_allow_origin="*", access_control_allow_headers="content-type"
        ),
    ),
    Case(
        "not-exposed",
        "the challenge is hidden",
        with_headers(_MCP, Access_Control_Expose_Headers="mcp-session-id"),
    ),
    Case(
        "authorization-stripped", "a proxy eats Authorization", with_request_headers(_MCP, Authorization=None)
    ),
    Case("headers-too-long", "a proxy with small buffers", answered(_long_headers_refused, 431)),
    Case("headers-too-long", "the same, as a page", answered(_long_headers_refused, 400, _PAGE)),
    Case("bad-token-accepted", "nonsense is let in", answered(_with_a_bad_token, 200, b"{}")),
    Case("bad-token-misjudged", "nonsense is forbidden", with_status(_with_a_bad_token, 403)),
    Case("slash-redirects", "the slash is taken away", answered(on("mcp", "/mcp/"), 308, location="/mcp")),
]


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    """Run the tests of this file in one event loop, so that they can share the services."""
    return "asyncio"


@pytest.fixture(scope="module")
def pem() -> str:
    """Return a signing key."""
    return new_pem()


@pytest.fixture(scope="module")
async def landscape(
    redis_url: str, pem: str, tmp_path_factory: pytest.TempPathFactory, anyio_backend: str
) -> AsyncIterator[Landscape]:
    """Return both services, running."""
    async with connect(redis_url) as redis:
        await redis.flushdb()
        async with open_landscape(redis, Clock(), tmp_path_factory.mktemp("sandbox"), pem) as opened:
            yield opened


async def test_the_good_set_up_is_silent(landscape: Landscape) -> None:
    results = await landscape.examine(token=await landscape.token())
    assert causes(results) == set()
    assert examined(results) == {Status.OK}


@pytest.mark.parametrize("case", _CASES, ids=lambda case: f"{case.cause}: {case.name}")
async def test_a_fault_is_named(landscape: Landscape, case: Case) -> None:
    results = await landscape.examine(case.fault, url=case.url, seconds=case.seconds)
    assert causes(results) == {case.cause}


async def test_a_wrong_url_does_not_hide_what_else_is_wrong(landscape: Landscape) -> None:
    results = await landscape.examine(with_headers(_KEYS, Age="3600"), url=f"{RESOURCE}/")
    assert causes(results) == {"resource-mismatch", "keys-cached"}


async def test_faults_at_once_are_all_named(landscape: Landscape) -> None:
    async def fault(request: httpx.Request, forward: Forward) -> httpx.Response:
        async def onward(changed: httpx.Request) -> httpx.Response:
            return await with_headers(_TOKEN, Cache_Control="public")(changed, forward)

        return await with_members(_METADATA, code_challenge_methods_supported=[])(request, onward)

    assert causes(await landscape.examine(fault)) == {"no-s256", "token-cached"}


async def test_nothing_after_an_unreachable_server_is_asked(landscape: Landscape) -> None:
    asked: list[str] = []

    async def fault(request: httpx.Request, _forward: Forward) -> httpx.Response:
        asked.append(str(request.url))
        raise httpx.ConnectError("x") from ConnectionRefusedError()

    results = await landscape.examine(fault)
    assert asked == [RESOURCE]
    assert [result.status for result in results[1:]] == [Status.SKIPPED] * (len(results) - 1)


async def test_a_proxy_that_adds_a_credential_is_told(landscape: Landscape) -> None:
    results = await landscape.examine(_proxy_with_a_token(await landscape.token()))
    assert causes(results) == {"open"}


async def test_a_skewed_clock_is_told(landscape: Landscape) -> None:
    def dated(apart: float) -> Fault:
        return with_headers(on("mcp"), Date=formatdate(landscape.clock.now() + apart, usegmt=True))

    for apart in (-300, -90, 90, 7200):
        assert causes(await landscape.examine(dated(apart))) == {"clock-wrong"}, apart
    for apart in (-30, 0, 30):
        assert causes(await landscape.examine(dated(apart))) == set(), apart


async def test_the_registration_is_a_dry_run(landscape: Landscape) -> None:
    async def kept() -> set[str]:
        # An attempt with an app that is not known is in the timeline, like anybody's.
        passing = ("vt:flow:", "vt:limit:")
        return {key async for key in landscape.auth.redis.scan_iter() if not key.startswith(passing)}

    before = await kept()
    await landscape.examine()
    assert await kept() == before


async def test_the_token_goes_to_the_mcp_server_alone(landscape: Landscape) -> None:
    token = await landscape.token()
    seen: list[str] = []

    async def fault(request: httpx.Request, forward: Forward) -> httpx.Response:
        if token in str(request.headers.raw) + str(request.url) + request.content.decode():
            seen.append(str(request.url))
        return await forward(request)

    await landscape.examine(fault, token=token)
    assert set(seen) == {RESOURCE}


async def test_a_token_for_another_resource_is_told(landscape: Landscape) -> None:
    token = await landscape.token(resource=OTHER_RESOURCE)
    assert causes(await landscape.examine(token=token)) == {"token-for-another-resource"}


async def test_a_token_of_another_issuer_is_told(landscape: Landscape) -> None:
    fault = with_members(_RESOURCE_METADATA, authorization_servers=["https://other.test"])
    results = await landscape.examine(fault, token=await landscape.token())
    assert "token-of-another-issuer" in causes(results)


@pytest.mark.parametrize("token", ["x", "a.b.c", "vtwn_not_a_token", "e30", "..", "W10.W10.x"])
async def test_what_is_no_token_is_told(landscape: Landscape, token: str) -> None:
    assert causes(await landscape.examine(token=token)) == {"token-malformed"}


async def test_a_token_of_an_unknown_key_is_told(landscape: Landscape) -> None:
    fault = with_members(_KEYS, keys=[{"kty": "RSA", "kid": "another"}])
    results = await landscape.examine(fault, token=await landscape.token())
    assert causes(results) == {"token-of-unknown-key"}


async def test_a_revoked_token_is_told(landscape: Landscape) -> None:
    client = await landscape.auth.registered()
    tokens = await client.tokens(landscape.auth.browser())
    assert (await client.revoke(tokens["refresh_token"])).status_code == 200

    async def told() -> bool:
        return causes(await landscape.examine(token=tokens["access_token"])) == {"token-refused"}

    await until(told)


async def test_a_web_page_that_is_not_allowed_is_told(landscape: Landscape) -> None:
    token = await landscape.token()
    results = await landscape.examine(token=token, origin="https://app.example")
    assert causes(results) == {"origin-refused"}
    assert causes(await landscape.examine(token=token, origin="https://mcp.test")) == set()


async def test_an_expired_token_is_told(landscape: Landscape) -> None:
    token = await landscape.token()
    assert causes(await replace(landscape, clock=Clock(86_400)).examine(token=token)) == {"token-expired"}


async def test_oauth_that_is_off_is_told(redis_url: str, pem: str, tmp_path: Path) -> None:
    async with (
        connect(redis_url) as redis,
        open_landscape(redis, Clock(), tmp_path, pem, oauth_enabled=False) as opened,
    ):
        assert causes(await opened.examine()) == {"oauth-off"}


async def test_a_server_that_is_not_ready_is_told(redis_url: str, pem: str, tmp_path: Path) -> None:
    async with (
        connect(redis_url) as redis,
        open_landscape(
            redis, Clock(), tmp_path, pem, auth_server_internal_url="https://nobody.test"
        ) as opened,
    ):
        results = await opened.examine(token=await opened.token())
        assert causes(results) == {"not-ready"}


_JUNK: list[object] = [
    "",
    "https://[",
    "javascript:x",
    "https://x:99999",
    7,
    [7],
    [["x"]],
    {"x": 1},
    "\x1b[2J",
    "x" * 9999,
]


@pytest.mark.parametrize("junk", _JUNK, ids=lambda junk: repr(junk)[:20])
async def test_junk_in_a_document_is_survived(landscape: Landscape, junk: object) -> None:
    """Whatever a document holds, the walk comes to its end, and nothing of it reaches the terminal raw."""
    faults = [
        *(with_members(_RESOURCE_METADATA, **{name: junk}) for name in ("resource", "authorization_servers")),
        with_members(_RESOURCE_METADATA, authorization_servers=[junk]),
        *(
            with_members(_METADATA, **{name: junk})
            for name in (
                "issuer",
                "jwks_uri",
                "token_endpoint",
                "authorization_endpoint",
                "registration_endpoint",
            )
        ),
        *(with_members(_KEYS, keys=keys) for keys in (junk, [junk], [{"kid": junk}])),
    ]
    for fault in faults:
        results = await landscape.examine(fault)
        shown = str(described(RESOURCE, results))
        assert "\x1b" not in "".join(finding.evidence for result in results for finding in result.findings)
        assert "\x1b" not in "".join(result.said for result in results)
        assert len(shown) < 20_000


async def test_a_body_without_end_is_cut_off(landscape: Landscape) -> None:
    read = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal read
        while True:
            read += 1
            yield b" " * 8192

    async def fault(request: httpx.Request, forward: Forward) -> httpx.Response:
        if not _METADATA(request):
            return await forward(request)
        return httpx.Response(200, headers={"Content-Type": "application/json"}, content=endless())

    assert causes(await landscape.examine(fault)) == {"not-json"}
    assert read < 20


def test_every_cause_is_in_the_gallery() -> None:
    elsewhere = {
        "clock-wrong",
        "not-ready",
        "oauth-off",
        "open",
        "origin-refused",
        "token-expired",
        "token-for-another-resource",
        "token-malformed",
        "token-of-another-issuer",
        "token-of-unknown-key",
        "token-refused",
    }
    assert {case.cause for case in _CASES} | elsewhere == CAUSES.keys()
