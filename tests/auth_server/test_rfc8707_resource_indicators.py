"""Resource indicators: one audience, bound when the person approves (RFC 8707 section 2)."""

import pytest

from dev.flow import OAuthClient, Pkce, claims_of
from tests.auth_server.answers import refused, told_to_the_client
from tests.auth_server.deployment import ISSUER, OTHER_RESOURCE, REDIRECT_URI, RESOURCE, AuthServer
from tests.requirements import requirement

pytestmark = pytest.mark.anyio

UNKNOWN = [
    "https://evil.test/mcp",
    "http://mcp.test/mcp",
    "https://mcp.test:8443/mcp",
    "https://mcp.test/mcp//",
    "https://mcp.test/mcp/admin",
    "https://mcp.test/mcp/../admin",
    "https://mcp.test/MCP",
    "https://mcp.test//",
    "https://mcp.test?",
    "https://mcp.test:80/mcp",
    "https://mcp.test:443:443/mcp",
    "https://mcp.test/mc",
    "https://mcp.test/mcp?x=1",
    "https://mcp.test/mcp#x",
    "https://mcp.test/mcp#",
    "https://user@mcp.test/mcp",
    "https://mcp.test.evil.test/mcp",
    "mcp.test/mcp",
    "mcp",
    "/mcp",
    "javascript:alert(1)",
    "https://[::1",
    "https://mcp.test/mcp https://other.test/mcp",
    "\x00",
    "https://mcp.\ntest/mcp",
    "https://mcp.test/mcp\n",
    "\thttps://mcp.test/mcp",
    "x" * 5000,
]


async def audience(server: AuthServer, client: OAuthClient, **parameters: str | None) -> str:
    tokens = await client.tokens(server.browser(), **parameters)
    aud: str = claims_of(tokens["access_token"])["aud"]
    return aud


@requirement("A28", "O37")
@pytest.mark.parametrize(
    ("resource", "expected"),
    [
        (None, RESOURCE),
        ("", RESOURCE),
        (RESOURCE, RESOURCE),
        (OTHER_RESOURCE, OTHER_RESOURCE),
        ("https://MCP.TEST/mcp", RESOURCE),
        ("HTTPS://mcp.test/mcp", RESOURCE),
    ],
)
async def test_the_audience_is_the_configured_spelling_of_what_was_asked(
    server: AuthServer, client: OAuthClient, resource: str | None, expected: str
) -> None:
    assert await audience(server, client, resource=resource) == expected


@requirement("I1", "A28")
@pytest.mark.parametrize("resource", UNKNOWN)
async def test_an_unknown_resource_is_an_invalid_target(
    server: AuthServer, client: OAuthClient, resource: str
) -> None:
    response = await server.visitor().get(client.authorize_url(Pkce.new(), resource=resource))
    told_to_the_client(
        response, "invalid_target", redirect_uri=REDIRECT_URI, state="state-of-the-client", issuer=ISSUER
    )


@requirement("A28")
async def test_two_resources_are_refused_and_the_same_one_twice_is_one(
    server: AuthServer, client: OAuthClient
) -> None:
    url = client.authorize_url(Pkce.new(), resource=RESOURCE)
    http = server.visitor()
    same = await http.get(f"{url}&resource={RESOURCE}")
    assert same.headers["location"].startswith("/oauth/sign-in")
    two = await http.get(f"{url}&resource={OTHER_RESOURCE}")
    told_to_the_client(
        two, "invalid_target", redirect_uri=REDIRECT_URI, state="state-of-the-client", issuer=ISSUER
    )


@requirement("I2", "C73")
@pytest.mark.parametrize("resource", [OTHER_RESOURCE, *UNKNOWN])
async def test_a_code_is_for_the_approved_resource_and_survives_another_request(
    server: AuthServer, client: OAuthClient, resource: str
) -> None:
    code, pkce = await server.code(client, resource=RESOURCE)
    refused(await client.redeem(code, pkce.verifier, resource=resource), 400, "invalid_target")
    tokens = (await client.redeem(code, pkce.verifier, resource=RESOURCE)).json()
    assert claims_of(tokens["access_token"])["aud"] == RESOURCE


@requirement("I2", "E104")
@pytest.mark.parametrize("resource", [OTHER_RESOURCE, *UNKNOWN])
async def test_a_refresh_is_for_the_approved_resource_and_nothing_is_rotated_otherwise(
    server: AuthServer, client: OAuthClient, resource: str
) -> None:
    tokens = await client.tokens(server.browser())
    refused(await client.refresh(tokens["refresh_token"], resource=resource), 400, "invalid_target")
    newer = (await client.refresh(tokens["refresh_token"], resource=RESOURCE)).json()
    assert claims_of(newer["access_token"])["aud"] == RESOURCE


@requirement("O37")
async def test_the_token_request_cannot_choose_the_audience(server: AuthServer, client: OAuthClient) -> None:
    code, pkce = await server.code(client, resource=OTHER_RESOURCE)
    refused(await client.redeem(code, pkce.verifier, resource=RESOURCE), 400, "invalid_target")
    tokens = (await client.redeem(code, pkce.verifier)).json()
    assert claims_of(tokens["access_token"])["aud"] == OTHER_RESOURCE
    newer = (await client.refresh(tokens["refresh_token"])).json()
    assert claims_of(newer["access_token"])["aud"] == OTHER_RESOURCE


async def test_a_token_request_for_two_resources_is_an_invalid_target(
    server: AuthServer, client: OAuthClient
) -> None:
    code, pkce = await server.code(client)
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "code_verifier": pkce.verifier,
        "client_id": client.client_id,
        "client_secret": client.client_secret or "",
        "resource": [RESOURCE, OTHER_RESOURCE],
    }
    refused(await client.http.post("/oauth/token", data=form), 400, "invalid_target")
    form["resource"] = [RESOURCE, RESOURCE]
    assert (await client.http.post("/oauth/token", data=form)).status_code == 200
