"""The host of a redirect URI is one name or address and nothing around it (RFC 3986 section 3.2.2)."""

import httpx
import pytest

from tests.auth_server.answers import refused
from tests.requirements import requirement

pytestmark = pytest.mark.anyio


async def register(http: httpx.AsyncClient, uri: str) -> httpx.Response:
    return await http.post("/oauth/register", json={"redirect_uris": [uri]})


@requirement("G126")
@pytest.mark.parametrize(
    "uri",
    [
        "http://[::1]evil.example/cb",
        "http://[::1].evil.example/cb",
        "http://evil.example[::1]/cb",
        "http://evil.example:80[::1]/cb",
        "http://[::1]:80evil/cb",
        "http://localhost,evil.example/cb",
        "https://./cb",
        "https://../cb",
        "https://.client.example.com/cb",
        "https://a..b/cb",
        "https://client.example.com../cb",
        "https://-client.example.com/cb",
        "https://[v1.x]/cb",
        "https://[]/cb",
        "https://a%2eb/cb",
        "https://" + "a" * 64 + ".example/cb",
    ],
)
async def test_what_is_no_host_is_refused(http: httpx.AsyncClient, uri: str) -> None:
    refused(await register(http, uri), 400, "invalid_redirect_uri")


@requirement("G126")
@pytest.mark.parametrize(
    "uri",
    [
        "http://[::1]/cb",
        "http://[::1]:54321/cb",
        "http://127.0.0.1:1/cb",
        "http://localhost:65535/cb",
        "https://client.example.com/cb",
        "https://client.example.com./cb",
        "https://client.example.com:8443/cb",
        "https://a-b.example/cb",
        "https://a_b.example/cb",
        "https://1.example/cb",
        "https://intranet/cb",
        "https://[2001:db8::1]:8443/cb",
        "https://" + "a" * 63 + ".example/cb",
    ],
)
async def test_ordinary_hosts_are_registered(http: httpx.AsyncClient, uri: str) -> None:
    response = await register(http, uri)
    assert response.status_code == 201
    assert response.json()["redirect_uris"] == [uri]
