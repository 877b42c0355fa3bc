"""The issuer in every authorization response (RFC 9207 section 2)."""

from urllib.parse import parse_qsl, urlsplit

import pytest

from dev.flow import Callback, OAuthClient, Pkce, callback_of
from tests.auth_server.conftest import OpenServer
from tests.auth_server.deployment import AuthServer
from tests.requirements import requirement

pytestmark = pytest.mark.anyio


def issuers(callback: Callback) -> list[str]:
    return [value for name, value in parse_qsl(urlsplit(callback.url).query) if name == "iss"]


async def every_response(server: AuthServer, client: OAuthClient) -> list[Callback]:
    url = client.authorize_url(Pkce.new())
    return [
        await server.browser().approve(url),
        await server.browser().approve(url, decision="deny"),
        callback_of(await server.visitor().get(client.authorize_url(Pkce.new(), response_type="token"))),
        callback_of(await server.visitor().get(client.authorize_url(Pkce.new(), scope="vals:read  read"))),
    ]


@requirement("S1", "A34")
@pytest.mark.parametrize(
    "issuer", ["https://auth.test", "https://example.test/tenant", "http://127.0.0.1:9000"]
)
async def test_success_and_error_carry_the_issuer_of_the_metadata(
    open_server: OpenServer, issuer: str
) -> None:
    async with open_server(oauth_issuer_url=issuer) as server:
        well_known = f"{issuer}/.well-known/oauth-authorization-server"
        published = (await server.visitor().get(well_known)).json()["issuer"]
        client = await server.registered()
        for callback in await every_response(server, client):
            assert issuers(callback) == [published] == [issuer]


async def test_an_issuer_of_the_request_is_not_echoed(server: AuthServer, client: OAuthClient) -> None:
    callback = await server.browser().approve(client.authorize_url(Pkce.new(), iss="https://evil.test"))
    assert issuers(callback) == [server.settings.oauth_issuer_url]
