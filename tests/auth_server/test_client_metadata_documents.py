"""Client ID metadata documents are not offered: a URL is an unknown client, and nothing is fetched."""

import pytest

from dev.flow import OAuthClient, Pkce
from tests.auth_server.answers import refused, told_to_the_person
from tests.auth_server.deployment import AuthServer
from tests.requirements import requirement

pytestmark = pytest.mark.anyio


@requirement("M2")
@pytest.mark.parametrize("name", ["oauth-authorization-server", "openid-configuration"])
async def test_the_metadata_do_not_offer_them(server: AuthServer, name: str) -> None:
    metadata = (await server.visitor().get(f"/.well-known/{name}")).json()
    assert metadata.get("client_id_metadata_document_supported", False) is False


@requirement("A2", "C9", "G143")
@pytest.mark.parametrize(
    "client_id",
    [
        "https://client.example.com/oauth/metadata.json",
        "https://val-town.test/v1/me",
        "http://127.0.0.1/",
        "http://169.254.169.254/latest/meta-data/",
        "https://[::ffff:10.0.0.1]/client.json",
        "file:///etc/passwd",
    ],
)
async def test_a_url_is_an_unknown_client_and_is_never_fetched(
    server: AuthServer, client: OAuthClient, client_id: str
) -> None:
    url = client.authorize_url(Pkce.new(), client_id=client_id)
    told_to_the_person(await server.visitor().get(url))
    for path in ("/oauth/token", "/oauth/revoke"):
        form = {"grant_type": "refresh_token", "refresh_token": "x", "token": "x"}
        refused(
            await server.visitor().post(path, data={**form, "client_id": client_id}), 401, "invalid_client"
        )
    assert server.val_town.requests == []
    assert await server.works()
