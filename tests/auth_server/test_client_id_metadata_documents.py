"""Clients whose client_id is the URL of a document (draft-ietf-oauth-client-id-metadata-document-03)."""

import asyncio
import itertools
import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from auth_server.outbound.client_documents import AWAY_SECONDS, STALE_SECONDS
from auth_server.outbound.fetcher import LEAST_FRESH_SECONDS, MOST_FRESH_SECONDS
from dev.flow import Browser, OAuthClient, Pkce, claims_of, forms_of
from tests.auth_server.answers import refused, told_to_the_person
from tests.auth_server.conftest import OpenServer
from tests.auth_server.deployment import ISSUER, AuthServer
from tests.auth_server.internet import HANG, PUBLIC_ADDRESS, Internet, answer
from tests.requirements import requirement

pytestmark = pytest.mark.anyio

URL = "https://app.example.com/oauth/client.json"
REDIRECT_URI = "https://app.example.com/callback"


def document(url: str = URL, **members: Any) -> dict[str, Any]:
    """Return a document; a member given as None is left out."""
    given = {
        "client_id": url,
        "client_name": "Notebook",
        "redirect_uris": [REDIRECT_URI],
        "grant_types": ["authorization_code", "refresh_token"],
        "token_endpoint_auth_method": "none",
        **members,
    }
    return {name: value for name, value in given.items() if value is not None}


def app_at(server: AuthServer, url: str = URL, redirect_uri: str = REDIRECT_URI) -> OAuthClient:
    return OAuthClient(server.visitor(), ISSUER, redirect_uri, client_id=url)


@pytest.fixture
def internet(server: AuthServer) -> Internet:
    server.internet.publish(URL, document())
    return server.internet


@pytest.fixture
def notebook(server: AuthServer, internet: Internet) -> OAuthClient:
    return app_at(server)


async def begin(app: OAuthClient, **parameters: str | None) -> httpx.Response:
    return await app.http.get(app.authorize_url(Pkce.new(), **parameters))


def is_begun(response: httpx.Response) -> bool:
    return response.status_code == 303 and "/oauth/sign-in" in response.headers["location"]


async def is_accepted(app: OAuthClient, **parameters: str | None) -> bool:
    return is_begun(await begin(app, **parameters))


@requirement("M2", "C8")
@pytest.mark.parametrize("name", ["oauth-authorization-server", "openid-configuration"])
async def test_metadata_offer_them(server: AuthServer, name: str) -> None:
    metadata = (await server.visitor().get(f"/.well-known/{name}")).json()
    assert metadata["client_id_metadata_document_supported"] is True
    assert {"none", "private_key_jwt"} <= set(metadata["token_endpoint_auth_methods_supported"])


@requirement("C8")
async def test_the_whole_flow_with_a_document_that_is_read_once(
    server: AuthServer, internet: Internet, notebook: OAuthClient, browser: Browser
) -> None:
    tokens = await notebook.tokens(browser, scope="vals:read")
    claims = claims_of(tokens["access_token"])
    assert claims["client_id"] == URL
    renewed = (await notebook.refresh(tokens["refresh_token"])).json()
    assert renewed["scope"] == "vals:read"
    assert (await notebook.revoke(renewed["refresh_token"])).status_code == 200
    refused(await notebook.refresh(renewed["refresh_token"]), 400, "invalid_grant")
    assert internet.requests == [URL]
    assert internet.secure == ["app.example.com"], "the certificate is checked against the name"


@requirement("C8", "C7", "O33")
async def test_the_person_sees_whose_app_it_is(
    internet: Internet, notebook: OAuthClient, browser: Browser
) -> None:
    page = await browser.sign_in(await browser.open(notebook.authorize_url(Pkce.new())))
    assert "Notebook" in page.text
    assert "<bdi>app.example.com</bdi></strong>: that is where its description was read" in page.text
    await browser.decide(page)
    account = await browser.open(f"{ISSUER}/account")
    assert "is one of <bdi>app.example.com</bdi>" in account.text


@requirement("C7", "K219")
async def test_a_described_app_on_this_computer_is_warned_of_and_never_remembered(
    server: AuthServer, internet: Internet, browser: Browser
) -> None:
    internet.publish(URL, document(redirect_uris=["http://127.0.0.1/callback"]))
    app = app_at(server, redirect_uri="http://127.0.0.1:53211/callback")
    page = await browser.sign_in(await browser.open(app.authorize_url(Pkce.new())))
    assert "any program can claim this name" in page.text
    assert "remember" not in forms_of(page.text)[0].inputs


@requirement("G136", "C8")
@pytest.mark.parametrize(
    "url",
    [
        "http://app.example.com/oauth/client.json",
        "https://app.example.com",
        "https://app.example.com/",
        "https://app.example.com/oauth/./client.json",
        "https://app.example.com/oauth/../client.json",
        "https://app.example.com/oauth/%2e%2E/client.json",
        "https://app.example.com/oauth/.%2e/client.json",
        "https://app.example.com/..",
        "https://app.example.com/oauth/client.json#top",
        "https://app.example.com/oauth/client.json#",
        "https://ada@app.example.com/oauth/client.json",
        "https://ada:pass@app.example.com/oauth/client.json",
        "https://app.example.com/oauth/client json",
        "https://app.example.com/oauth\\client.json",
        "https:/app.example.com/oauth/client.json",
        "https:app.example.com/oauth/client.json",
        "https:///app.example.com/client.json",
        "https://app.example.com/%zz",
        "https://app.example.com/\u00e9",
        "HTTPS://app.example.com/oauth/client.json",
        "https://APP.example.com/oauth/client.json",
        "https://app.example.com./oauth/client.json",
        "https://app.example.com:0/oauth/client.json",
        "https://app.example.com:65536/oauth/client.json",
        "https://app.example.com:/oauth/client.json",
        "https://app_.example.com/oauth/client.json",
        "https://xn--.example.com;/oauth/client.json",
        "https://app.example.com/" + "a" * 1000,
        "ftp://app.example.com/client.json",
        "file:///etc/passwd",
        "data:application/json,{}",
    ],
)
async def test_a_url_with_a_twin_or_a_trick_is_no_client(
    server: AuthServer, internet: Internet, url: str
) -> None:
    internet.publish(url, document(url))
    told_to_the_person(await begin(app_at(server, url)))
    assert internet.connected == []


@requirement("C9", "G143")
@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.0.0.1:6379",
        "[::1]",
        "[::ffff:10.0.0.1]",
        "0x7f.1",
        "0x7f000001",
        "017700000001",
        "2130706433",
        "127.1",
        "169.254.169.254",
        "100.64.0.1",
        "10.0.0.1",
        "localhost",
        "localhost.",
        "redis",
        "93.184.216.34",
    ],
)
async def test_an_address_or_a_bare_name_is_no_host(
    server: AuthServer, internet: Internet, host: str
) -> None:
    url = f"https://{host}/oauth/client.json"
    internet.publish(url, document(url))
    told_to_the_person(await begin(app_at(server, url)))
    assert internet.connected == []


@requirement("C9", "G143")
@pytest.mark.parametrize(
    "addresses",
    [
        ["127.0.0.1"],
        ["10.1.2.3"],
        ["169.254.169.254"],
        ["100.64.0.1"],
        ["192.168.1.1"],
        ["0.0.0.1"],
        ["::1"],
        ["::"],
        ["fe80::1"],
        ["fe80::1%eth0"],
        ["fd00::1"],
        ["::ffff:10.0.0.1"],
        ["::ffff:93.184.216.34", "::ffff:127.0.0.1"],
        ["64:ff9b::7f00:1"],
        ["64:ff9b:1::1"],
        ["2002:7f00:1::"],
        ["2001:0:7f00:1::"],
        ["ff02::1"],
        ["224.0.0.1"],
        ["255.255.255.255"],
        [PUBLIC_ADDRESS, "127.0.0.1"],
        ["127.0.0.1", PUBLIC_ADDRESS],
        [],
    ],
)
async def test_a_name_that_leads_inside_is_not_connected_to(
    server: AuthServer, internet: Internet, notebook: OAuthClient, addresses: list[str]
) -> None:
    internet.names["app.example.com"] = [addresses]
    assert "not on the public internet" in told_to_the_person(await begin(notebook))
    assert internet.connected == []
    assert await server.works()


@requirement("C9", "G143")
async def test_a_name_that_changes_between_check_and_use_changes_nothing(
    internet: Internet, notebook: OAuthClient
) -> None:
    internet.names["app.example.com"] = [[PUBLIC_ADDRESS], ["127.0.0.1"]]
    assert await is_accepted(notebook)
    assert internet.connected == [PUBLIC_ADDRESS], "what was judged is what was connected to"


async def test_the_second_address_serves_when_the_first_does_not(
    internet: Internet, notebook: OAuthClient
) -> None:
    internet.names["app.example.com"] = [["93.184.216.1", "93.184.216.2", "93.184.216.3"]]
    internet.refused = {"93.184.216.1"}
    assert await is_accepted(notebook)
    assert internet.connected == ["93.184.216.1", "93.184.216.2"]
    other = app_at_other(internet, notebook)
    internet.refused = {"93.184.216.1", "93.184.216.2"}
    internet.names["other.example.com"] = internet.names["app.example.com"]
    told_to_the_person(await begin(other), 503)


def app_at_other(internet: Internet, notebook: OAuthClient) -> OAuthClient:
    url = "https://other.example.com/client.json"
    internet.publish(url, document(url))
    return OAuthClient(notebook.http, ISSUER, REDIRECT_URI, client_id=url)


NOT_USABLE: dict[str, list[bytes]] = {
    "301": answer("", 301, Location=URL),
    "302": answer("", 302, Location="http://169.254.169.254/"),
    "307": answer("", 307, Location="https://127.0.0.1/"),
    "204": answer("", 204, Content_Length=""),
    "206": answer(json.dumps(document()), 206),
    "404": answer("{}", 404),
    "410": answer("{}", 410),
    "html": answer("<html>Just a moment</html>", content_type="text/html"),
    "html as json": answer("<html>"),
    "no type": answer(json.dumps(document()), content_type=""),
    "empty": answer(""),
    "list": answer("[]"),
    "null": answer("null"),
    "cut off json": answer(json.dumps(document())[:-1]),
    "duplicate members": answer('{"client_id": "x", ' + json.dumps(document())[1:]),
    "nan": answer(json.dumps(document(extra=float("nan")))),
    "deep": answer('{"client_id": ' + "[" * 1000 + "]" * 1000 + "}"),
    "not utf-8": answer(b'{"client_id": "\xff"}'),
    "utf-16": answer(json.dumps(document()).encode("utf-16")),
    "gzip": answer(b"\x1f\x8b" + b"0" * 100, Content_Encoding="gzip"),
    "gzip by name alone": answer(json.dumps(document()), Content_Encoding="gzip"),
    "announced too long": answer(json.dumps(document()), Content_Length="5121"),
    "announced far too long": answer(json.dumps(document()), Content_Length="9" * 18),
    "too long": answer(json.dumps(document(filling="x" * 5120))),
    "too long in pieces": [
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n",
        *[b"400\r\n" + b" " * 1024 + b"\r\n"] * 10_000,
    ],
}


@requirement("G138", "G139", "G140", "G141")
@pytest.mark.parametrize("kind", NOT_USABLE)
async def test_what_is_no_document_is_told_to_the_person_and_not_kept(
    server: AuthServer, internet: Internet, notebook: OAuthClient, kind: str
) -> None:
    internet.answers[URL] = NOT_USABLE[kind]
    assert "description of this app" in told_to_the_person(await begin(notebook))
    assert internet.requests == [URL], "no redirect was followed"
    assert not await server.redis.exists(f"vt:client:{URL}")
    internet.publish(URL, document())
    assert await is_accepted(notebook), "an error is not kept"


@requirement("G137", "G146", "G132", "C8")
@pytest.mark.parametrize(
    "members",
    [
        {"client_id": None},
        {"client_id": URL + "/"},
        {"client_id": URL.replace("example.com", "example.com:443")},
        {"client_id": URL.replace("app.", "App.")},
        {"client_id": URL.replace("https", "HTTPS")},
        {"client_id": URL.replace("/oauth", "/oauth/x/..")},
        {"client_id": "https://evil.example.com/client.json"},
        {"client_id": [URL]},
        {"redirect_uris": None},
        {"redirect_uris": []},
        {"redirect_uris": REDIRECT_URI},
        {"redirect_uris": ["javascript:alert(1)", "http://app.example.com/callback"]},
        {"redirect_uris": [REDIRECT_URI, 7]},
        {"redirect_uris": [REDIRECT_URI] * 21},
        {"token_endpoint_auth_method": "client_secret_basic"},
        {"token_endpoint_auth_method": "client_secret_post"},
        {"token_endpoint_auth_method": "client_secret_jwt"},
        {"token_endpoint_auth_method": "tls_client_auth"},
        {"token_endpoint_auth_method": 7},
        {"client_secret": "secret"},
        {"client_secret_expires_at": 0},
        {"token_endpoint_auth_method": "private_key_jwt"},
        {"token_endpoint_auth_method": "private_key_jwt", "jwks_uri": "http://app.example.com/jwks"},
        {"token_endpoint_auth_method": "private_key_jwt", "jwks_uri": "https://127.0.0.1/jwks"},
        {"token_endpoint_auth_method": "private_key_jwt", "jwks": {"keys": []}},
        {"jwks": {"keys": [{"kty": "RSA", "n": "AQAB", "e": "AQAB", "d": "AQAB"}]}},
        {"jwks": {"keys": [{"kty": "oct", "k": "AQAB"}]}},
        {"jwks": {"keys": []}, "jwks_uri": "https://app.example.com/jwks"},
        {"grant_types": ["client_credentials"]},
        {"response_types": ["token"]},
        {"client_name": 7},
    ],
)
async def test_a_document_that_says_something_else_is_refused(
    internet: Internet, notebook: OAuthClient, members: dict[str, Any]
) -> None:
    internet.publish(URL, document(**members))
    assert "description of this app" in told_to_the_person(await begin(notebook))


async def test_a_document_needs_little_and_may_say_more(
    server: AuthServer, internet: Internet, browser: Browser
) -> None:
    url = "https://app.example.com:8443/a/client;v=1.json?x=%20y"
    internet.publish(
        url,
        {
            "client_id": url,
            "redirect_uris": ["javascript:alert(1)", REDIRECT_URI, "weird-scheme:/cb"],
            "token_endpoint_auth_methods_supported": ["none"],
            "__proto__": {"admin": True},
            "contacts": [None],
        },
        Content_Type="Application/Something+JSON; charset=utf-8",
    )
    app = app_at(server, url)
    tokens = await app.tokens(browser)
    assert claims_of(tokens["access_token"])["client_id"] == url
    told_to_the_person(await begin(app, redirect_uri="weird-scheme:/cb"))
    page = await browser.open(app.authorize_url(Pkce.new()))
    assert "An app without a name" in page.text
    assert "app.example.com:8443" in page.text


@requirement("A2", "G148")
@pytest.mark.parametrize(
    "redirect_uri", ["https://app.example.com/callback2", "https://evil.example.com/callback", None]
)
async def test_the_answer_goes_where_the_document_says_alone(
    notebook: OAuthClient, redirect_uri: str | None
) -> None:
    response = await begin(notebook, redirect_uri=redirect_uri)
    if redirect_uri is None:
        assert is_begun(response), "there is but one"
    else:
        told_to_the_person(response)


FRESH: dict[str, tuple[dict[str, str], int]] = {
    "nothing said": ({}, 3600),
    "max-age": ({"Cache_Control": "public, max-age=1000"}, 1000),
    "short": ({"Cache_Control": "max-age=1"}, LEAST_FRESH_SECONDS),
    "a year": ({"Cache_Control": "max-age=31536000"}, MOST_FRESH_SECONDS),
    "huge": ({"Cache_Control": "max-age=" + "9" * 40}, 3600),
    "half gone": ({"Cache_Control": 'max-age="1000"', "Age": "600"}, 400),
    "expires": (
        {"Expires": "Wed, 25 Nov 2026 10:20:00 GMT", "Date": "Wed, 25 Nov 2026 10:00:00 GMT"},
        1200,
    ),
    "expired": ({"Expires": "0"}, LEAST_FRESH_SECONDS),
}


@requirement("G144", "G148", "C17")
@pytest.mark.parametrize("kind", FRESH)
async def test_a_document_is_read_again_when_its_time_is_over(
    server: AuthServer, internet: Internet, notebook: OAuthClient, kind: str
) -> None:
    headers, seconds = FRESH[kind]
    internet.publish(URL, document(), **headers)
    assert await is_accepted(notebook)
    moved = "https://app.example.com/moved"
    internet.publish(URL, document(redirect_uris=[moved]), **headers)
    server.clock.advance(seconds - 2)
    assert await is_accepted(notebook)
    told_to_the_person(await begin(notebook, redirect_uri=moved))
    assert internet.requests == [URL]
    server.clock.advance(4)
    told_to_the_person(await begin(notebook))
    assert await is_accepted(notebook, redirect_uri=moved)
    assert internet.requests == [URL, URL]


@requirement("G144")
@pytest.mark.parametrize("control", ["no-store", "no-cache", "private, No-Store, max-age=1000"])
async def test_a_document_that_is_not_to_be_kept_is_read_every_time(
    internet: Internet, notebook: OAuthClient, browser: Browser, control: str
) -> None:
    internet.publish(URL, document(), Cache_Control=control)
    await notebook.tokens(browser)
    assert internet.requests == [URL]
    await notebook.tokens(browser)
    assert internet.requests == [URL, URL]


@requirement("K219")
async def test_a_person_is_asked_again_when_the_redirect_uris_change(
    server: AuthServer, internet: Internet, notebook: OAuthClient, browser: Browser
) -> None:
    page = await browser.sign_in(await browser.open(notebook.authorize_url(Pkce.new())))
    pkce = Pkce.new()
    page = await browser.open(notebook.authorize_url(pkce))
    sent = await browser.send(page, decision="approve", remember="on")
    code = httpx.URL(sent.headers["location"]).params["code"]
    assert (await notebook.redeem(code, pkce.verifier)).status_code == 200
    assert "location" in (await browser.open(notebook.authorize_url(Pkce.new()))).headers
    internet.publish(URL, document(redirect_uris=[REDIRECT_URI, "https://app.example.com/second"]))
    server.clock.advance(3599)
    await browser.http.get("/account")
    server.clock.advance(2)
    page = await browser.sign_in(await browser.open(notebook.authorize_url(Pkce.new())))
    assert ("decision", "approve") in forms_of(page.text)[0].buttons


AWAY: dict[str, Callable[[Internet], None]] = {
    "no address": lambda internet: internet.names.update({"app.example.com": [OSError("no such name")]}),
    "refused": lambda internet: internet.refused.add(PUBLIC_ADDRESS),
    "503": lambda internet: internet.answers.update({URL: answer("{}", 503)}),
    "403": lambda internet: internet.answers.update({URL: answer("<html>", 403, "text/html")}),
    "429": lambda internet: internet.answers.update({URL: answer("{}", 429)}),
    "nothing": lambda internet: internet.answers.update({URL: []}),
    "no http": lambda internet: internet.answers.update({URL: [b"SSH-2.0-OpenSSH\r\n"]}),
    "cut off": lambda internet: internet.answers.update({URL: [answer(json.dumps(document()))[0][:-5]]}),
}


@requirement("G139")
@pytest.mark.parametrize("kind", AWAY)
async def test_a_host_that_is_away_is_a_fault_for_new_apps_and_none_for_known_ones(
    server: AuthServer, internet: Internet, notebook: OAuthClient, browser: Browser, kind: str
) -> None:
    other = app_at_other(internet, notebook)
    tokens = await other.tokens(browser)
    internet.names["other.example.com"] = internet.names.get("app.example.com", [[PUBLIC_ADDRESS]])
    AWAY[kind](internet)
    internet.answers[other.client_id] = internet.answers[URL]
    internet.names["other.example.com"] = internet.names.get("app.example.com", [[PUBLIC_ADDRESS]])
    page = await begin(notebook)
    assert "could not be read" in told_to_the_person(page, 503)
    server.clock.advance(4000)
    assert await is_accepted(other)
    assert (await other.refresh(tokens["refresh_token"])).status_code == 200
    server.clock.advance(STALE_SECONDS)
    told_to_the_person(await begin(other), 503)
    assert await server.works()


async def test_an_app_that_was_withdrawn_gets_no_new_people_and_keeps_the_old(
    server: AuthServer, internet: Internet, notebook: OAuthClient, browser: Browser
) -> None:
    tokens = await notebook.tokens(browser)
    del internet.answers[URL]
    server.clock.advance(3601)
    told_to_the_person(await begin(notebook))
    assert (await notebook.refresh(tokens["refresh_token"])).status_code == 200


@requirement("G142")
@pytest.mark.parametrize("after", [0, 1, 40])
async def test_a_slow_document_is_given_up_and_its_host_left_alone_for_a_while(
    open_server: OpenServer, after: int
) -> None:
    internet = Internet()
    whole = answer(json.dumps(document()))[0]
    async with open_server() as server:
        fast = internet.fetcher(seconds=0.05)
        server.app.state.services.client_documents._fetcher = fast
        internet.answers[URL] = [whole[:after], HANG] if after else [HANG]
        app = app_at(server)
        told_to_the_person(await begin(app), 503)
        internet.publish(URL, document())
        told_to_the_person(await begin(app), 503)
        assert internet.requests == [URL], "nobody else waits for it"
        server.clock.advance(AWAY_SECONDS + 1)
        assert await is_accepted(app)


@requirement("G145")
async def test_many_people_at_once_cost_one_fetch(internet: Internet, notebook: OAuthClient) -> None:
    internet.answers[URL] = [HANG, *answer(json.dumps(document()))]
    # No more than the store has connections for: on a busy machine the others would be told to come again.
    waiting = [asyncio.create_task(is_accepted(notebook)) for _ in range(24)]
    await internet.hanging.wait()
    # The first one hangs up; the others wait for the same document.
    waiting[0].cancel()
    await asyncio.wait([waiting[0]])
    internet.released.set()
    assert all(await asyncio.gather(*waiting[1:]))
    assert internet.requests == [URL]


@requirement("G145")
async def test_one_host_has_few_fetches_at_a_time_and_others_are_not_kept_waiting(
    server: AuthServer, internet: Internet
) -> None:
    urls = [f"https://slow.example.com/{number}/client.json" for number in range(10)]
    for url in urls:
        internet.answers[url] = [HANG, *answer(json.dumps(document(url)))]
    waiting = [asyncio.create_task(begin(app_at(server, url))) for url in urls]
    turned_away = [await each for each in itertools.islice(asyncio.as_completed(waiting), 6)]
    for response in turned_away:
        told_to_the_person(response, 503)
    assert len(internet.requests) == 4
    assert await is_accepted(app_at(server)), "another host is served meanwhile"
    internet.released.set()
    answers = await asyncio.gather(*waiting)
    assert sum(is_begun(response) for response in answers) == 4


@requirement("G145")
async def test_documents_that_nobody_knows_are_counted_and_known_ones_are_not(
    server: AuthServer, internet: Internet, notebook: OAuthClient
) -> None:
    internet.publish(URL, document(), Cache_Control="no-store")
    assert await is_accepted(notebook)
    for number in range(620):
        answer_to_one = await begin(app_at(server, f"https://evil.example.com/{number}/client.json"))
        if answer_to_one.status_code == 429:
            break
    assert 590 < number < 620
    assert int(answer_to_one.headers["retry-after"]) > 0
    assert await is_accepted(notebook), "a known one is read again all the same"
    assert internet.requests[-1] == URL
    assert await server.works()


async def test_a_client_that_nobody_uses_does_not_stay(server: AuthServer, notebook: OAuthClient) -> None:
    assert await is_accepted(notebook)
    assert 0 < await server.redis.ttl(f"vt:client:{URL}") <= 3600
    await notebook.tokens(server.browser())
    assert await server.redis.ttl(f"vt:client:{URL}") > 30 * 86_400
    server.clock.advance(3601)
    assert await is_accepted(notebook)
    assert await server.redis.ttl(f"vt:client:{URL}") > 30 * 86_400, "reading it again takes nothing away"


@requirement("A2", "C9")
async def test_programs_make_nothing_be_fetched(server: AuthServer, internet: Internet) -> None:
    for path in ("/oauth/token", "/oauth/revoke", "/oauth/introspect"):
        form = {"grant_type": "refresh_token", "refresh_token": "x", "token": "x", "client_id": URL}
        refused(await server.visitor().post(path, data=form), 401, "invalid_client")
    assert internet.connected == []


WELL_KNOWN = {
    "https://claude.ai/oauth/mcp-oauth-client-metadata": "https://claude.ai/api/mcp/auth_callback",
    "https://claude.ai/oauth/claude-code-client-metadata": "http://localhost:61234/callback",
    "https://chatgpt.com/oauth/client.json": "https://chatgpt.com/connector_platform_oauth_redirect",
    "https://chatgpt.com/oauth/codex/client.json": "http://127.0.0.1:5000/callback",
    "https://vscode.dev/oauth/client-metadata.json": "https://vscode.dev/redirect",
    "https://zed.dev/oauth/client-metadata.json": "http://127.0.0.1:5000/callback",
    "https://opencode.ai/oauth/opencode/client.json": "http://localhost:5000/callback",
}


@pytest.mark.parametrize("url", WELL_KNOWN)
@pytest.mark.parametrize("kind", ["403", "404", "html", "no address"])
async def test_well_known_clients_connect_though_their_host_turns_us_away(
    server: AuthServer, url: str, kind: str
) -> None:
    match kind:
        case "403" | "404":
            server.internet.answers[url] = answer("<html>", int(kind), "text/html")
        case "html":
            server.internet.answers[url] = answer("<html>", content_type="text/html")
        case _:
            server.internet.names[httpx.URL(url).host] = [OSError("no such name")]
    app = app_at(server, url, WELL_KNOWN[url])
    assert await is_accepted(app)
    # The original counts as soon as it can be had.
    server.internet.names.clear()
    server.internet.publish(url, document(url, redirect_uris=["https://new.example.com/callback"]))
    server.clock.advance(AWAY_SECONDS + 1)
    assert await is_accepted(app, redirect_uri="https://new.example.com/callback")


async def test_what_the_operator_pins_is_never_fetched(
    open_server: OpenServer, internet: Internet, tmp_path: Any, browser: Browser
) -> None:
    (tmp_path / "notebook.json").write_text(json.dumps(document(client_name="Pinned")))
    other = "https://other.example.com/client.json"
    server_internet = Internet()
    server_internet.publish(other, document(other))
    for mode in ("fetch", "pinned"):
        changes = {"oauth_client_documents_dir": str(tmp_path), "oauth_client_documents": mode}
        async with open_server(**changes) as server:
            page = await server.browser().open(app_at(server).authorize_url(Pkce.new()))
            assert "Pinned" in page.text
            assert server.internet.connected == []
            tokens = await app_at(server).tokens(server.browser())
            assert claims_of(tokens["access_token"])["client_id"] == URL
            if mode == "pinned":
                told_to_the_person(await begin(app_at(server, other)))
                assert await is_accepted(app_at(server, *next(iter(WELL_KNOWN.items()))))
                assert server.internet.connected == []


async def test_switched_off_a_url_is_an_unknown_client(open_server: OpenServer) -> None:
    async with open_server(oauth_client_documents="off") as server:
        server.internet.publish(URL, document())
        metadata = (await server.visitor().get("/.well-known/oauth-authorization-server")).json()
        assert metadata["client_id_metadata_document_supported"] is False
        told_to_the_person(await begin(app_at(server)))
        assert server.internet.connected == []
        assert await server.works()


async def test_the_operator_says_whose_apps_are_allowed(open_server: OpenServer) -> None:
    async with open_server(oauth_client_document_hosts="app.example.com, claude.ai") as server:
        server.internet.publish(URL, document())
        other = "https://sub.app.example.com/client.json"
        server.internet.publish(other, document(other))
        assert await is_accepted(app_at(server))
        assert "operator" in told_to_the_person(await begin(app_at(server, other)))
        assert server.internet.requests == [URL]


@requirement("O35", "G147")
async def test_no_registration_can_take_the_name_of_a_document(server: AuthServer) -> None:
    registered = await server.visitor().post(
        "/oauth/register", json={"client_id": URL, "redirect_uris": ["https://evil.example.com/cb"]}
    )
    assert registered.json()["client_id"] != URL
    told_to_the_person(await begin(app_at(server, URL, "https://evil.example.com/cb")))
