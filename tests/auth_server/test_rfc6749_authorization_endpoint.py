"""GET and POST /oauth/authorize (RFC 6749 sections 3.1, 3.1.2 and 4.1; OAuth 2.1 sections 2.3 and 4.1)."""

from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx
import pytest

from dev.flow import Browser, OAuthClient, Pkce, callback_of
from tests.auth_server.answers import refused, told_to_the_client, told_to_the_person
from tests.auth_server.deployment import ISSUER, REDIRECT_URI, AuthServer
from tests.requirements import requirement

pytestmark = pytest.mark.anyio

STATE = "state-of-the-client"


def request_url(client: OAuthClient, **parameters: str | None) -> str:
    return client.authorize_url(Pkce.new(), **parameters)


def at_sign_in(response: httpx.Response) -> bool:
    location = response.headers.get("location", "")
    return response.status_code == 303 and location.startswith("/oauth/sign-in?txn=")


@requirement("O32")
async def test_a_valid_request_leads_to_sign_in_and_not_to_the_client(
    http: httpx.AsyncClient, client: OAuthClient
) -> None:
    response = await http.get(request_url(client))
    assert at_sign_in(response)
    assert response.headers["cache-control"] == "no-store"


@requirement("A34", "S1")
async def test_approval_redirects_with_code_state_and_issuer(client: OAuthClient, browser: Browser) -> None:
    callback = await browser.approve(request_url(client))
    assert callback.url.startswith(f"{REDIRECT_URI}?")
    assert set(callback.parameters) == {"code", "state", "iss"}
    assert callback.parameters["state"] == STATE


@requirement("K220", "S1")
async def test_denial_redirects_with_access_denied_state_and_issuer(
    client: OAuthClient, browser: Browser
) -> None:
    callback = await browser.approve(request_url(client), decision="deny")
    assert callback.parameters["error"] == "access_denied"
    assert callback.parameters["state"] == STATE
    assert callback.parameters["iss"] == ISSUER
    assert "code" not in callback.parameters


@requirement("A31")
async def test_a_form_post_is_the_same_request(http: httpx.AsyncClient, client: OAuthClient) -> None:
    query = urlsplit(request_url(client)).query
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    assert at_sign_in(await http.post("/oauth/authorize", content=query, headers=form))


@requirement("A31")
async def test_a_json_post_is_refused(http: httpx.AsyncClient, client: OAuthClient) -> None:
    query = dict(parse_qsl(urlsplit(request_url(client)).query))
    told_to_the_person(await http.post("/oauth/authorize", json=query), 415)


@requirement("A32")
@pytest.mark.parametrize("method", ["HEAD", "PUT", "DELETE", "PATCH", "TRACE", "OPTIONS"])
async def test_other_methods_are_refused_with_the_allowed_ones(
    http: httpx.AsyncClient, client: OAuthClient, method: str
) -> None:
    response = await http.request(method, request_url(client))
    assert response.status_code == 405
    assert "GET" in response.headers["allow"]


@requirement("A36")
async def test_two_requests_are_independent(client: OAuthClient, browser: Browser) -> None:
    first = await browser.open(request_url(client, state="first"))
    second = await browser.open(request_url(client, state="second"))
    callbacks = [await browser.decide(await browser.sign_in(page)) for page in (first, second)]
    assert [callback.parameters["state"] for callback in callbacks] == ["first", "second"]
    assert callbacks[0].parameters["code"] != callbacks[1].parameters["code"]


# Until client and redirect URI are known good, nobody is redirected (RFC 6749 section 4.1.2.1).


@requirement("A1", "A2", "O2")
@pytest.mark.parametrize("client_id", [None, "", "unknown", "client_" + "A" * 22, "x" * 5000, "\x00", "ü"])
async def test_an_unknown_client_is_told_to_the_person(
    http: httpx.AsyncClient, client: OAuthClient, client_id: str | None
) -> None:
    told_to_the_person(await http.get(request_url(client, client_id=client_id)))
    assert at_sign_in(await http.get(request_url(client)))


@requirement("A3", "A4", "O5")
@pytest.mark.parametrize("name", ["client_id", "redirect_uri"])
@pytest.mark.parametrize("evil_first", [True, False])
async def test_a_repeated_client_id_or_redirect_uri_is_told_to_the_person(
    http: httpx.AsyncClient, client: OAuthClient, name: str, evil_first: bool
) -> None:
    url = request_url(client)
    evil = urlencode({name: "https://evil.example/callback"})
    query = urlsplit(url).query
    joined = f"{evil}&{query}" if evil_first else f"{query}&{evil}"
    told_to_the_person(await http.get(f"/oauth/authorize?{joined}"))


@requirement(
    "O1", "O2", "A5", "A6", "A7", "A8", "A9", "A10", "A11", "A12", "A13", "A14", "A15", "A16", "A17", "A21"
)
@pytest.mark.parametrize(
    "requested",
    [
        "https://evil.example/callback",
        REDIRECT_URI + "/",
        REDIRECT_URI + "?x=1",
        REDIRECT_URI + "&x=1",
        REDIRECT_URI + "?",
        REDIRECT_URI + "#fragment",
        REDIRECT_URI + "%23fragment",
        REDIRECT_URI + ";x",
        REDIRECT_URI + "%20",
        REDIRECT_URI + " ",
        " " + REDIRECT_URI,
        REDIRECT_URI + "\t",
        REDIRECT_URI + "\r\nSet-Cookie: a=b",
        REDIRECT_URI + "\x00",
        REDIRECT_URI + "\u200b",
        "HTTPS://client.example.com/callback",
        "https://CLIENT.example.com/callback",
        "https://client.example.com/Callback",
        "https://client.example.com:443/callback",
        "https://client.example.com:8443/callback",
        "http://client.example.com/callback",
        "//client.example.com/callback",
        "/callback",
        "https://client.example.com@evil.example/callback",
        "https://client.example.com\\@evil.example/callback",
        "https://client.example.com%5c@evil.example/callback",
        "https:/\\evil.example/callback",
        "https://client.example.com.evil.example/callback",
        "https://client.example.comevil.example/callback",
        "https://client.example.com/callback/../evil",
        "https://client.example.com/x/../callback",
        "https://client.example.com/callback/%2e%2e/evil",
        "https://client.example.com/callback/%252e%252e/evil",
        "https://client.example.com//callback",
        "https://cl\u0456ent.example.com/callback",
        "https://xn--clent-3xe.example.com/callback",
        "javascript:alert(1)//client.example.com/callback",
        "JaVaScRiPt:alert(1)",
        "java\tscript:alert(1)",
        "data:text/html,x",
        "vbscript:x",
        "file:///etc/passwd",
        "blob:https://client.example.com/x",
        "https://[::1",
        "x" * 10_000,
    ],
)
async def test_a_redirect_uri_that_is_not_registered_is_told_to_the_person(
    http: httpx.AsyncClient, client: OAuthClient, requested: str
) -> None:
    page = told_to_the_person(await http.get(request_url(client, redirect_uri=requested)))
    assert "evil.example" not in page
    # The check is before all others, so that no fault is redirected either.
    told_to_the_person(await http.get(request_url(client, redirect_uri=requested, response_type="token")))
    assert at_sign_in(await http.get(request_url(client)))


@requirement("O1", "A18")
@pytest.mark.parametrize(
    ("registered", "requested"),
    [
        ("http://127.0.0.1/callback", "http://127.0.0.1:53211/callback"),
        ("http://127.0.0.1:4000/callback", "http://127.0.0.1:53211/callback"),
        ("http://127.0.0.1:4000/callback", "http://127.0.0.1/callback"),
        ("http://localhost:4000/callback", "http://localhost:53211/callback"),
        ("http://[::1]/callback", "http://[::1]:53211/callback"),
        ("http://127.0.0.1/callback?a=b", "http://127.0.0.1:53211/callback?a=b"),
        ("http://127.0.0.1", "http://127.0.0.1:53211"),
        ("cursor://anysphere.cursor-mcp/oauth/callback", "cursor://anysphere.cursor-mcp/oauth/callback"),
        ("com.example.app:/callback", "com.example.app:/callback"),
    ],
)
async def test_only_the_port_of_a_loopback_redirect_may_differ(
    server: AuthServer, registered: str, requested: str
) -> None:
    client = await server.registered(registered)
    url = request_url(client, redirect_uri=requested)
    callback = await server.browser().approve(url)
    assert callback.url.startswith(requested)
    assert "code" in callback.parameters


@requirement("O1", "A18", "A19", "A20")
@pytest.mark.parametrize(
    ("registered", "requested"),
    [
        ("http://127.0.0.1/callback", "http://127.0.0.1:53211/other"),
        ("http://127.0.0.1/callback", "http://127.0.0.1:53211/callback?x=1"),
        ("http://127.0.0.1/callback", "http://localhost/callback"),
        ("http://127.0.0.1/callback", "http://[::1]/callback"),
        ("http://127.0.0.1/callback", "http://127.1/callback"),
        ("http://127.0.0.1/callback", "http://2130706433/callback"),
        ("http://127.0.0.1/callback", "https://127.0.0.1:1/callback"),
        ("http://127.0.0.1/callback", "http://127.0.0.1:80@evil.example/callback"),
        ("http://127.0.0.1/callback", "http://127.0.0.1:80.evil.example/callback"),
        ("http://127.0.0.1/callback", "http://127.0.0.1.evil.example/callback"),
        ("http://127.0.0.1/callback", "http://127.0.0.1:53211/callback\n"),
        ("http://127.0.0.1", "http://127.0.0.1\n"),
        ("http://localhost/callback", "http://localhost.evil.example/callback"),
        ("http://localhost/callback", "http://LOCALHOST:53211/callback"),
        ("com.example.app:/callback", "com.example.app:/other"),
        ("com.example.app:/callback", "com.example.app://callback"),
    ],
)
async def test_everything_but_the_port_of_a_loopback_redirect_is_compared(
    server: AuthServer, registered: str, requested: str
) -> None:
    client = await server.registered(registered)
    told_to_the_person(await server.visitor().get(request_url(client, redirect_uri=requested)))
    assert at_sign_in(await server.visitor().get(request_url(client)))


@requirement("A22")
async def test_the_redirect_uri_may_be_left_out_when_one_is_registered(
    http: httpx.AsyncClient, client: OAuthClient, browser: Browser
) -> None:
    callback = await browser.approve(request_url(client, redirect_uri=None))
    assert callback.url.startswith(REDIRECT_URI)


@requirement("A22")
async def test_the_redirect_uri_may_not_be_left_out_when_two_are_registered(server: AuthServer) -> None:
    second = "https://client.example.com/second"
    client = await server.registered(redirect_uris=[REDIRECT_URI, second])
    told_to_the_person(await server.visitor().get(request_url(client, redirect_uri=None)))
    for redirect_uri in (REDIRECT_URI, second):
        assert at_sign_in(await server.visitor().get(request_url(client, redirect_uri=redirect_uri)))


@requirement("A33")
async def test_a_query_of_the_registered_redirect_uri_is_kept(server: AuthServer) -> None:
    client = await server.registered("https://client.example.com/callback?tenant=a%20b")
    approved = await server.browser().approve(request_url(client))
    assert approved.url.startswith("https://client.example.com/callback?tenant=a%20b&code=")
    failed = callback_of(await server.visitor().get(request_url(client, response_type="token")))
    assert failed.url.startswith("https://client.example.com/callback?tenant=a%20b&error=")


# From then on a fault is told to the client, by redirect.


@requirement("O3", "O4", "A23", "A24", "A29", "A30", "A26", "A27")
@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"response_type": None}, "invalid_request"),
        ({"response_type": ""}, "invalid_request"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_type": "code token"}, "unsupported_response_type"),
        ({"response_type": "id_token"}, "unsupported_response_type"),
        ({"response_type": "none"}, "unsupported_response_type"),
        ({"response_type": "CODE"}, "unsupported_response_type"),
        ({"response_mode": "fragment"}, "invalid_request"),
        ({"response_mode": "form_post"}, "invalid_request"),
        ({"response_mode": "web_message"}, "invalid_request"),
        ({"scope": 'openid "'}, "invalid_scope"),
        ({"scope": "openid  profile"}, "invalid_scope"),
        ({"scope": "openid\x7f"}, "invalid_scope"),
        ({"scope": "openid " * 200}, "invalid_scope"),
        ({"scope": "read  write"}, "invalid_scope"),
        ({"scope": " read"}, "invalid_scope"),
        ({"scope": 'read "'}, "invalid_scope"),
        ({"scope": "read \\"}, "invalid_scope"),
        ({"scope": "read\x00"}, "invalid_scope"),
        ({"scope": "read\twrite"}, "invalid_scope"),
        ({"scope": "réad"}, "invalid_scope"),
        ({"scope": " ".join(["read"] * 5000)}, "invalid_scope"),
        ({"prompt": "none"}, "login_required"),
        ({"prompt": "none login"}, "invalid_request"),
        ({"prompt": "dance"}, "invalid_request"),
        ({"request": "eyJhbGciOiJub25lIn0.e30."}, "request_not_supported"),
        ({"request_uri": "https://evil.example/request"}, "request_uri_not_supported"),
    ],
)
async def test_a_faulty_request_is_told_to_the_client(
    server: AuthServer, client: OAuthClient, changes: dict[str, str | None], error: str
) -> None:
    response = await server.visitor().get(request_url(client, **changes))
    told_to_the_client(response, error, redirect_uri=REDIRECT_URI, state=STATE, issuer=ISSUER)
    assert server.val_town.requests == []
    assert at_sign_in(await server.visitor().get(request_url(client)))


@requirement("A26", "O32")
@pytest.mark.parametrize(
    ("asked", "granted"),
    [
        ("openid", "read"),
        ("openid profile email mcp", "read"),
        ("READ", "read"),
        ("openid offline_access", "read offline_access"),
        ("openid vals:read", "vals:read"),
        ("vals:write unknown:scope vals:write", "vals:write"),
        ("vals:admin", "read"),
        ("x" * 1024, "read"),
    ],
)
async def test_scope_names_not_known_here_are_ignored_and_the_answer_tells_what_was_granted(
    client: OAuthClient, browser: Browser, asked: str, granted: str
) -> None:
    tokens = await client.tokens(browser, scope=asked)
    assert set(tokens["scope"].split()) == set(granted.split())
    # At the token endpoint an unknown name stays an error: there the client knows what it has.
    refused(await client.refresh(tokens["refresh_token"], scope="openid"), 400, "invalid_scope")
    assert (await client.refresh(tokens["refresh_token"], scope=granted)).status_code == 200


@requirement("O5", "B42")
@pytest.mark.parametrize(
    "name", ["response_type", "scope", "code_challenge", "code_challenge_method", "foo", "prompt"]
)
async def test_a_repeated_parameter_is_told_to_the_client(
    http: httpx.AsyncClient, client: OAuthClient, name: str
) -> None:
    url = f"{request_url(client, **{name: 'read'})}&{name}=write"
    told_to_the_client(
        await http.get(url), "invalid_request", redirect_uri=REDIRECT_URI, state=STATE, issuer=ISSUER
    )


async def test_a_repeated_state_is_not_echoed(http: httpx.AsyncClient, client: OAuthClient) -> None:
    response = await http.get(f"{request_url(client)}&state=other")
    told_to_the_client(response, "invalid_request", redirect_uri=REDIRECT_URI, state=None, issuer=ISSUER)


@requirement("O6")
@pytest.mark.parametrize("name", ["scope", "resource", "prompt", "response_mode", "state", "request"])
async def test_an_empty_parameter_counts_as_left_out(
    http: httpx.AsyncClient, client: OAuthClient, name: str
) -> None:
    assert at_sign_in(await http.get(request_url(client, **{name: ""})))


@requirement("O6")
async def test_an_empty_challenge_counts_as_left_out(http: httpx.AsyncClient, client: OAuthClient) -> None:
    response = await http.get(request_url(client, code_challenge=""))
    told_to_the_client(response, "invalid_request", redirect_uri=REDIRECT_URI, state=STATE, issuer=ISSUER)


@requirement("O7")
@pytest.mark.parametrize(
    "extra",
    [
        {"foo": "bar"},
        {"nonce": "n"},
        {"login_hint": "ada"},
        {"max_age": "10"},
        {"ui_locales": "de"},
        {"client_secret": "no matter"},
        {"response_mode": "query"},
        {"prompt": "login"},
        {"prompt": "consent"},
        {"prompt": "select_account"},
        {"prompt": "login consent"},
        {"scope": "read write offline_access"},
    ],
)
async def test_unknown_parameters_and_supported_values_are_accepted(
    http: httpx.AsyncClient, client: OAuthClient, extra: dict[str, str]
) -> None:
    assert at_sign_in(await http.get(request_url(client, **extra)))


@requirement("A25", "J212")
@pytest.mark.parametrize(
    "state",
    [
        '"><script>alert(1)</script>',
        "a b+c&d=e#f?g/h",
        "%0d%0aSet-Cookie:x=1",
        "\r\nSet-Cookie: x=1",
        "zażółć 🐘",
        "\x00\x01",
        "x" * 4096,
        "=",
        "null",
    ],
)
async def test_the_state_comes_back_exactly(client: OAuthClient, browser: Browser, state: str) -> None:
    page = await browser.open(request_url(client, state=state))
    response = await browser.send(await browser.sign_in(page), decision="approve")
    assert callback_of(response).parameters["state"] == state
    assert "set-cookie" not in response.headers
    failed = callback_of(await browser.http.get(request_url(client, state=state, response_type="token")))
    assert failed.parameters["state"] == state


async def test_without_state_none_comes_back(client: OAuthClient, browser: Browser) -> None:
    assert "state" not in (await browser.approve(request_url(client, state=None))).parameters


@requirement("A25")
async def test_a_state_beyond_all_measure_is_refused(http: httpx.AsyncClient, client: OAuthClient) -> None:
    response = await http.get(request_url(client, state="x" * 4097))
    assert callback_of(response).parameters["error"] == "invalid_request"


async def test_a_client_without_the_grant_type_cannot_be_registered_but_others_may_lack_refresh(
    server: AuthServer,
) -> None:
    client = await server.registered(grant_types=["authorization_code"])
    tokens = await client.tokens(server.browser())
    assert "refresh_token" not in tokens


async def test_prompt_login_asks_somebody_who_is_signed_in_again(
    client: OAuthClient, browser: Browser
) -> None:
    await browser.approve(request_url(client))
    assert "/oauth/consent" in str((await browser.open(request_url(client))).url)
    assert "/oauth/sign-in" in str((await browser.open(request_url(client, prompt="login"))).url)
    assert "/oauth/sign-in" in str((await browser.open(request_url(client, prompt="select_account"))).url)


@requirement("O28")
async def test_the_authorization_endpoint_has_no_cors(http: httpx.AsyncClient, client: OAuthClient) -> None:
    origin = {"Origin": "https://app.example"}
    answers = [
        await http.get(request_url(client), headers=origin),
        await http.get(request_url(client, client_id="unknown"), headers=origin),
        await http.options(request_url(client), headers={**origin, "Access-Control-Request-Method": "GET"}),
    ]
    for response in answers:
        assert not [name for name in response.headers if name.startswith("access-control-")]


@requirement("O28")
@pytest.mark.parametrize("path", ["/oauth/token", "/oauth/register", "/oauth/revoke"])
async def test_the_endpoints_for_programs_have_cors_without_cookies(
    http: httpx.AsyncClient, path: str
) -> None:
    origin = {"Origin": "https://app.example"}
    preflight = await http.options(path, headers={**origin, "Access-Control-Request-Method": "POST"})
    assert preflight.status_code == 204
    assert preflight.headers["access-control-allow-methods"] == "POST"
    for response in (preflight, await http.post(path, headers=origin)):
        assert response.headers["access-control-allow-origin"] == "*"
        assert "access-control-allow-credentials" not in response.headers


@requirement("A37")
async def test_parameters_of_the_consent_form_cannot_change_the_request(
    server: AuthServer, client: OAuthClient, browser: Browser
) -> None:
    page = await browser.sign_in(await browser.open(request_url(client, scope="user:read")))
    response = await browser.send(
        page,
        decision="approve",
        redirect_uri="https://evil.example/callback",
        client_id="someone else",
        scope="read write email:send",
        state="changed",
        code_challenge="changed",
        resource="https://other.test/mcp",
        **{"scope.email:send": "on", "scope.vals:write": "on"},
    )
    callback = callback_of(response)
    assert callback.url.startswith(REDIRECT_URI)
    assert callback.parameters["state"] == STATE
