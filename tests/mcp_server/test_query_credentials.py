"""A credential in the query beside the header, however the query is stuffed (RFC 6750 section 2)."""

import httpx
import pytest

from tests.requirements import requirement
from tests.support.mcp_client import McpClient, modern_meta
from tests.support.resource_server import Server

pytestmark = pytest.mark.anyio

MANY = "&a" * 200


async def _get(server: Server, query: str) -> httpx.Response:
    return await server.http.get(f"/mcp?{query}", headers={"Authorization": f"Bearer {server.token()}"})


@requirement("O25")
@pytest.mark.parametrize(
    "query",
    ["access_token=1", f"access_token=1{MANY}", f"a{MANY}&access_token=1", "access_token=1" + "&a=b" * 99],
    ids=["alone", "first of many", "last of many", "of a hundred"],
)
async def test_a_second_credential_in_the_query_is_an_invalid_request(server: Server, query: str) -> None:
    response = await _get(server, query)
    assert response.status_code == 400
    assert 'error="invalid_request"' in response.headers["www-authenticate"]


@pytest.mark.parametrize("query", ["", f"a{MANY}", "my_access_token=1", "a=access_token"])
async def test_any_other_query_does_not_matter(server: Server, query: str) -> None:
    # The credential is good, so it is the method that is wrong.
    assert (await _get(server, query)).status_code == 405
    client = McpClient(server.http, server.token(), url=f"/mcp?{query}")
    listed = await client.modern("tools/list", {"_meta": modern_meta()})
    assert listed.status_code == 200
