"""What real clients do that no RFC asks for, by the reports of their users and their own documentation.

What an RFC asks for is tested under its number, and is not repeated here.
"""

from typing import Any

import httpx
import pytest

from dev.flow import OAuthClient, Pkce, claims_of
from tests.auth_server.answers import refused, told_to_the_client, told_to_the_person
from tests.auth_server.conftest import OpenServer
from tests.auth_server.deployment import ISSUER, OTHER_RESOURCE, REDIRECT_URI, RESOURCE, AuthServer
from tests.requirements import requirement

pytestmark = pytest.mark.anyio

CURSOR = [
    "cursor://anysphere.cursor-mcp/oauth/callback",
    "http://localhost:8787/callback",
    "https://www.cursor.com/agents/mcp/oauth/callback",
]
VS_CODE = [
    "https://insiders.vscode.dev/redirect",
    "https://vscode.dev/redirect",
    "http://127.0.0.1",
    "http://127.0.0.1/",
    "http://127.0.0.1:33418",
    "http://127.0.0.1:33418/",
]
NEW_PORT = "http://127.0.0.1:53211/"
FORM = {"grant_type": "refresh_token", "refresh_token": "unknown"}
APP = "https://app.example"


async def register(http: httpx.AsyncClient, **metadata: Any) -> httpx.Response:
    return await http.post("/oauth/register", json={"redirect_uris": [REDIRECT_URI], **metadata})


def names(header: str) -> set[str]:
    return {name.strip().lower() for name in header.split(",")}


# Resource indicators.


@requirement("A28", "O37")
@pytest.mark.parametrize(
    "spelling",
    [
        "https://mcp.test/mcp/",
        "https://MCP.test/mcp/",
        "https://mcp.test:443/mcp",
        "https://mcp.test",
        "https://mcp.test/",
    ],
)
async def test_another_spelling_of_the_resource_is_the_configured_one_in_every_leg(
    server: AuthServer, client: OAuthClient, spelling: str
) -> None:
    """A slash: clients on pydantic's AnyHttpUrl (fastmcp 1431; python-sdk 1264, 1265 and 1400).

    The origin alone: RFC 8707 section 2 has it stand for the one resource on its host.
    """
    code, pkce = await server.code(client, resource=spelling)
    tokens = (await client.redeem(code, pkce.verifier, resource=spelling)).json()
    newer = (await client.refresh(tokens["refresh_token"], resource=spelling)).json()
    assert [claims_of(issued["access_token"])["aud"] for issued in (tokens, newer)] == [RESOURCE] * 2


@requirement("A28")
async def test_an_origin_with_several_resources_names_none_of_them(open_server: OpenServer) -> None:
    """The neighbour of the test before: nobody guesses which of two was meant."""
    async with open_server(oauth_resources="https://mcp.test/other") as server:
        client = await server.registered()
        response = await server.visitor().get(client.authorize_url(Pkce.new(), resource="https://mcp.test"))
        told_to_the_client(
            response, "invalid_target", redirect_uri=REDIRECT_URI, state="state-of-the-client", issuer=ISSUER
        )
        tokens = await client.tokens(server.browser(), resource="https://mcp.test/other/")
        assert claims_of(tokens["access_token"])["aud"] == "https://mcp.test/other"


async def test_a_refresh_without_resource_and_scope_keeps_both(
    server: AuthServer, client: OAuthClient
) -> None:
    """Codex leaves out `resource` when it refreshes (its issue 33403)."""
    tokens = await client.tokens(server.browser(), resource=OTHER_RESOURCE, scope="vals:write offline_access")
    newer = (await client.refresh(tokens["refresh_token"])).json()
    assert claims_of(newer["access_token"])["aud"] == OTHER_RESOURCE
    assert newer["scope"] == tokens["scope"] == "vals:write offline_access"


@pytest.mark.parametrize("repeated", ["vals:write offline_access", "offline_access vals:write vals:write"])
async def test_a_refresh_may_repeat_the_scope_in_any_order(
    server: AuthServer, client: OAuthClient, repeated: str
) -> None:
    """Clients repeat what they asked for on every request, `offline_access` with it."""
    tokens = await client.tokens(server.browser(), scope="vals:write offline_access")
    newer = (await client.refresh(tokens["refresh_token"], scope=repeated)).json()
    assert newer["scope"] == tokens["scope"]


# Registration.


async def test_cursor_registers_three_kinds_of_redirect_uris_at_once(server: AuthServer) -> None:
    """Cursor registers its own scheme, this computer and its web address together, as a web application.

    One URI that is refused would end the whole registration.
    """
    client = await server.registered(
        redirect_uris=CURSOR, token_endpoint_auth_method="none", application_type="web"
    )
    for redirect_uri in CURSOR:
        client.redirect_uri = redirect_uri
        assert "refresh_token" in await client.tokens(server.browser())


async def test_vs_code_comes_back_on_a_port_that_it_did_not_register(server: AuthServer) -> None:
    """VS Code registers its port with and without a slash, and takes another when that one is in use."""
    client = await server.registered(
        redirect_uris=VS_CODE,
        token_endpoint_auth_method="none",
        grant_types=["authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:device_code"],
    )
    for redirect_uri in (*VS_CODE, NEW_PORT):
        client.redirect_uri = redirect_uri
        assert "refresh_token" in await client.tokens(server.browser())


async def test_copilot_registers_one_port_and_uses_another(server: AuthServer) -> None:
    """GitHub Copilot CLI, which registers no scope either; Claude Code does it with `localhost`."""
    client = await server.registered("http://127.0.0.1:40001/", token_endpoint_auth_method="none")
    client.redirect_uri = NEW_PORT
    assert "access_token" in await client.tokens(server.browser())
    told_to_the_person(
        await server.visitor().get(client.authorize_url(Pkce.new(), redirect_uri="http://localhost:53211/"))
    )


@pytest.mark.parametrize("scheme", ["javascript", "data", "file", "blob", "about", "vbscript"])
async def test_no_setting_lets_a_dangerous_scheme_in(open_server: OpenServer, scheme: str) -> None:
    """The neighbour of Cursor's scheme: what a browser runs or reads itself is no way back to an app."""
    with pytest.raises(ValueError, match="oauth_redirect_schemes"):
        async with open_server(oauth_redirect_schemes=f"cursor,{scheme}"):
            pass


@pytest.mark.parametrize("nothing", [None, ""])
async def test_members_without_a_value_count_as_left_out(
    http: httpx.AsyncClient, nothing: str | None
) -> None:
    """Clients send every member they know, with null or "" for what they have not set."""
    plain = (await register(http)).json()
    members = [
        "token_endpoint_auth_method",
        "application_type",
        "grant_types",
        "response_types",
        "scope",
        "client_name",
        "client_uri",
        "logo_uri",
        "policy_uri",
        "tos_uri",
        "contacts",
        "jwks",
        "jwks_uri",
        "software_id",
        "software_version",
        "software_statement",
    ]
    response = await register(http, **dict.fromkeys(members, nothing))
    assert response.status_code == 201, response.text
    told = response.json()
    own = {"client_id", "client_secret", "client_id_issued_at"}
    own |= {"registration_access_token", "registration_client_uri"}
    assert {name: told[name] for name in told if name not in own} == {
        name: plain[name] for name in plain if name not in own
    }


@pytest.mark.parametrize("member", ["grant_types", "response_types"])
async def test_an_empty_list_counts_as_left_out(http: httpx.AsyncClient, member: str) -> None:
    """As null does: some write an empty list for what they have not set."""
    plain = (await register(http)).json()
    assert (await register(http, **{member: []})).json()[member] == plain[member]


async def test_an_update_with_null_keeps_the_method_of_the_client(server: AuthServer) -> None:
    """A client that reads its registration, and writes back every member it knows."""
    client = server.client()
    told = await client.register(token_endpoint_auth_method="none", client_name="Mine alone", scope="read")
    metadata = {
        "client_id": client.client_id,
        "redirect_uris": [REDIRECT_URI],
        "token_endpoint_auth_method": None,
        "jwks": None,
        "jwks_uri": None,
    }
    response = await client.http.put(
        told["registration_client_uri"],
        json=metadata,
        headers={"Authorization": f"Bearer {told['registration_access_token']}"},
    )
    assert response.status_code == 200, response.text
    assert response.json()["token_endpoint_auth_method"] == "none"


async def test_what_no_rfc_knows_is_ignored(http: httpx.AsyncClient) -> None:
    """Clients register for grants, response types and members that are of other servers (turnstone 1082)."""
    response = await register(
        http,
        grant_types=[
            "authorization_code",
            "refresh_token",
            "client_credentials",
            "urn:ietf:params:oauth:grant-type:jwt-bearer",
            "urn:ietf:params:oauth:grant-type:device_code",
        ],
        response_types=["code", "code id_token", "none"],
        scope="openid profile offline_access read",
        application_type="native",
        software_id="2e6dc280-f3c3-4e01-99a7-8181dbd1d23d",
        x_of_our_own={"a": [1, None]},
    )
    assert response.status_code == 201
    told = response.json()
    assert told["grant_types"] == ["authorization_code", "refresh_token"]
    assert told["response_types"] == ["code"]
    assert set(told["scope"].split()) == {"read", "offline_access"}
    assert "x_of_our_own" not in told


@pytest.mark.parametrize("method", ["none", "client_secret_post", "client_secret_basic"])
async def test_no_answer_of_a_flow_has_a_null(server: AuthServer, method: str) -> None:
    """The TypeScript SDK takes null in metadata, registration and tokens for a fault."""
    client = server.client()
    answers = [await client.register(token_endpoint_auth_method=method)]
    answers.append(await client.tokens(server.browser()))
    answers.append((await client.refresh(answers[-1]["refresh_token"])).json())
    answers.append((await client.refresh("unknown")).json())
    if client.client_secret is not None:
        answers.append((await client.introspect(answers[1]["access_token"])).json())
    for answer in answers:
        assert None not in answer.values()


# Authorization.


async def test_a_client_may_look_before_the_browser_does(server: AuthServer, client: OAuthClient) -> None:
    """fastmcp opens the authorization URL itself, and the browser only when that was no error."""
    pkce = Pkce.new()
    url = client.authorize_url(pkce)
    for _ in range(2):
        looked = await server.visitor().get(url)
        assert looked.status_code in (200, 302, 303, 307, 308)
    callback = await server.browser().approve(url)
    assert (await client.redeem(callback.parameters["code"], pkce.verifier)).status_code == 200


async def test_fastmcp_is_told_that_its_registration_is_gone(server: AuthServer, client: OAuthClient) -> None:
    """fastmcp registers anew when its look at the authorization URL is answered with 400."""
    client.client_id = "client_gone"
    told_to_the_person(await server.visitor().get(client.authorize_url(Pkce.new())), 400)


@pytest.mark.parametrize(
    "parameters",
    [
        {"state": None, "scope": None, "resource": None},
        {"prompt": "consent", "scope": "read offline_access", "resource": RESOURCE},
        {"prompt": "consent", "scope": "openid profile email offline_access"},
        {"scope": "", "resource": "", "state": "", "nonce": "", "audience": "https://mcp.test/mcp"},
    ],
)
async def test_a_flow_goes_through_with_what_clients_add_and_leave_out(
    server: AuthServer, client: OAuthClient, parameters: dict[str, str | None]
) -> None:
    """No `state`: the example of the TypeScript SDK. No `resource`: Claude Desktop and Cursor (pad 380).

    `prompt=consent` with `offline_access`: the Python SDK, when the metadata offer that scope.
    """
    callback_and_tokens = await client.tokens(server.browser(), **parameters)
    assert claims_of(callback_and_tokens["access_token"])["aud"] == RESOURCE
    assert "refresh_token" in callback_and_tokens


@pytest.mark.parametrize("user_agent", ["", None, "Claude-User", "python-httpx/0.28.1", "node"])
async def test_no_user_agent_is_turned_away(
    server: AuthServer, client: OAuthClient, user_agent: str | None
) -> None:
    """Claude Code has sent none at all (its issue 47390), and edges turn `Claude-User` away."""
    for http in (browser := server.browser()).http, client.http:
        del http.headers["user-agent"]
        if user_agent is not None:
            http.headers["user-agent"] = user_agent
    assert "access_token" in await client.tokens(browser)


# Token requests.


async def test_an_empty_secret_beside_the_id_of_a_public_client_is_none(
    public_client: OAuthClient,
) -> None:
    """Clients that keep "" for the secret they never got send it along, in the body or by Basic."""
    in_body = {**FORM, "client_id": public_client.client_id, "client_secret": ""}
    refused(await public_client.http.post("/oauth/token", data=in_body), 400, "invalid_grant")
    by_basic = httpx.BasicAuth(public_client.client_id, "")
    for form in (FORM, {**FORM, "client_id": public_client.client_id}):
        answer = await public_client.http.post("/oauth/token", data=form, auth=by_basic)
        refused(answer, 400, "invalid_grant")


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b'{"grant_type": "refresh_token"', "application/json", 400),
        (b'{"grant_type": "refresh_token", "refresh_token": null}', "application/json", 400),
        (b"grant_type=refresh_token", "application/json", 400),
        (b'{"grant_type": "refresh_token"}', "application/x-www-form-urlencoded", 400),
        (b"grant_type=refresh_token", "multipart/form-data; boundary=x", 415),
        (b"grant_type=refresh_token", "", 415),
    ],
)
async def test_a_token_request_in_another_shape_says_so(
    http: httpx.AsyncClient, body: bytes, content_type: str, status: int
) -> None:
    """Never 401 or `invalid_client`: the TypeScript SDK throws its registration away on that."""
    answer = await http.post("/oauth/token", content=body, headers={"Content-Type": content_type})
    assert refused(answer, status, "invalid_request")


# Where clients look.


@pytest.mark.parametrize(
    "path",
    [
        "/.well-known/oauth-authorization-server/mcp",
        "/.well-known/openid-configuration/mcp",
        "/mcp/.well-known/openid-configuration",
        "/mcp/.well-known/oauth-authorization-server",
    ],
)
async def test_metadata_of_another_issuer_are_not_found_without_detour(
    http: httpx.AsyncClient, path: str
) -> None:
    """The TypeScript SDK takes the MCP URL for the issuer when nothing says otherwise, then the origin.

    An answer in the wrong place would name another issuer than the URL, which strict clients refuse for good
    (RFC 8414 section 3.3); 404 sends them on, as a redirect or a 5xx would not.
    """
    response = await http.get(path, headers={"Origin": APP})
    assert response.status_code == 404
    assert response.json()["error"] == "not_found"


@pytest.mark.parametrize(
    "path",
    [
        "/.well-known/oauth-authorization-server",
        "/.well-known/oauth-authorization-server/mcp",
        "/.well-known/openid-configuration",
        "/.well-known/jwks.json",
        "/oauth/register",
        "/oauth/token",
        "/oauth/revoke",
    ],
)
async def test_a_client_in_a_browser_may_ask_and_read(http: httpx.AsyncClient, path: str) -> None:
    """MCP Inspector and other clients in a page; they send `MCP-Protocol-Version` here too."""
    method = "GET" if "well-known" in path else "POST"
    asked = {
        "Origin": APP,
        "Access-Control-Request-Method": method,
        "Access-Control-Request-Headers": "authorization,content-type,mcp-protocol-version",
    }
    preflight = await http.options(path, headers=asked)
    assert preflight.status_code == 204
    assert names(preflight.headers["access-control-allow-headers"]) >= names(
        asked["Access-Control-Request-Headers"]
    )
    assert method.lower() in names(preflight.headers["access-control-allow-methods"])
    answer = await http.request(method, path, headers={"Origin": APP})
    assert answer.headers["access-control-allow-origin"] == "*"
    assert {"www-authenticate", "retry-after"} <= names(answer.headers["access-control-expose-headers"])
