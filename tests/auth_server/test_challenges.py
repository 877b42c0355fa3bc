"""Every 401 has a challenge (RFC 9110 section 11.6.1), and an empty password is none (RFC 6749, 2.3.1)."""

import base64

import httpx
import pytest

from dev.flow import OAuthClient
from tests.auth_server.answers import refused
from tests.requirements import requirement

pytestmark = pytest.mark.anyio

FORM = {"grant_type": "refresh_token", "refresh_token": "unknown", "token": "unknown"}
PATHS = pytest.mark.parametrize("path", ["/oauth/token", "/oauth/revoke", "/oauth/introspect"])


def basic(client_id: str, secret: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{client_id}:{secret}".encode()).decode()}


def authenticated(response: httpx.Response) -> bool:
    """Return whether only the token was wrong, which only the token endpoint minds."""
    return response.status_code == 200 or response.json()["error"] == "invalid_grant"


@requirement("O17", "D82")
@PATHS
async def test_every_refusal_of_a_client_has_a_challenge(path: str, client: OAuthClient) -> None:
    known, http = {"client_id": client.client_id}, client.http
    for answer in (
        await http.post(path, data=FORM),
        await http.post(path, data={**FORM, "client_id": "unknown"}),
        await http.post(path, data={**FORM, "client_id": "unknown", "client_secret": "x"}),
        await http.post(path, data=FORM, headers=basic("unknown", "x")),
        await http.post(path, data={**FORM, **known}),
        await http.post(path, data={**FORM, **known, "client_secret": "wrong"}),
        await http.post(path, data=FORM, headers=basic(client.client_id, "wrong")),
        await http.post(path, data=FORM, headers=basic(client.client_id, "")),
        await http.post(path, data={**FORM, **known, "client_assertion": "x"}),
        await http.post(path, data=FORM, headers={"Authorization": "Bearer x"}),
    ):
        refused(answer, 401, "invalid_client")
        assert answer.headers["www-authenticate"].startswith("Basic ")
    assert authenticated(await client.post(path, FORM))


@pytest.mark.parametrize("path", ["/oauth/token", "/oauth/revoke"])
async def test_a_public_client_may_send_basic_with_an_empty_secret(
    path: str, public_client: OAuthClient
) -> None:
    http, client_id = public_client.http, public_client.client_id
    assert authenticated(await http.post(path, data=FORM, headers=basic(client_id, "")))
    refused(await http.post(path, data=FORM, headers=basic(client_id, "x")), 401, "invalid_client")
