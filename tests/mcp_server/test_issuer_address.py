"""Where the issuer's documents are read, when it has a path or another address inside (RFC 8414, 3.1)."""

import json

import httpx
import pytest

from tests.support.resource_server import OpenServer, Outside, streamed
from tests.support.tokens import SigningKey

pytestmark = pytest.mark.anyio

INSIDE = "http://auth-server.internal:9000"
WELL_KNOWN = "/.well-known/oauth-authorization-server"


class Issuer(Outside):
    """An issuer that answers at two addresses and nowhere else."""

    documents: dict[str, object]

    def answer(self, request: httpx.Request) -> httpx.Response:
        """Answer one request of the server."""
        self.fetched.append(str(request.url))
        document = self.documents.get(str(request.url))
        return streamed(404, b"") if document is None else streamed(200, json.dumps(document).encode())


@pytest.fixture
def outside(signing_key: SigningKey) -> Issuer:
    return Issuer(keys=[signing_key.public_jwk()])


@pytest.mark.parametrize(
    ("issuer", "internal", "origin", "path"),
    [
        ("https://auth.test/tenant", INSIDE, INSIDE, "/tenant"),
        ("https://auth.test/a/b", INSIDE, INSIDE, "/a/b"),
        ("https://auth.test/tenant", None, "https://auth.test", "/tenant"),
        ("https://auth.test", INSIDE, INSIDE, ""),
        ("https://auth.test", None, "https://auth.test", ""),
    ],
)
async def test_an_internal_address_replaces_the_origin_and_keeps_the_path(
    open_server: OpenServer, outside: Issuer, issuer: str, internal: str | None, origin: str, path: str
) -> None:
    keys, metadata = f"{origin}{path}/.well-known/jwks.json", f"{origin}{WELL_KNOWN}{path}"
    outside.documents = {keys: {"keys": outside.keys}, metadata: {"issuer": issuer}}
    async with open_server(oauth_issuer_url=issuer, auth_server_internal_url=internal) as server:
        assert (await server.present(server.token())).status_code == 200
        assert (await server.http.get(WELL_KNOWN)).json() == {"issuer": issuer}
        assert set(outside.fetched) == {keys, metadata}
        # What clients are told is the issuer, never where it is reached inside.
        resource = await server.http.get("/.well-known/oauth-protected-resource")
        assert resource.json()["authorization_servers"] == [issuer]
