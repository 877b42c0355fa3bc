"""Parameters that are like good ones, and are none, are refused however often the good ones came."""

from typing import Any

import pytest

from tests.requirements import requirement
from tests.support.mcp_client import modern_meta
from tests.support.resource_server import Server

pytestmark = pytest.mark.anyio

GOOD: dict[str, Any] = {"name": "whoami", "arguments": {}, "_meta": {**modern_meta(), "progressToken": 1}}


@requirement("I181")
@pytest.mark.parametrize(
    "changed",
    [
        {"arguments": []},
        {"arguments": "{}"},
        {"_meta": {**modern_meta(), "progressToken": {}}},
        {"_meta": {**modern_meta(), "io.modelcontextprotocol/clientCapabilities": []}},
        {"_meta": {**modern_meta(), "io.modelcontextprotocol/clientInfo": {"name": 1, "version": "1"}}},
        {"inputResponses": 1},
        {"requestState": 1},
    ],
)
async def test_what_differs_from_good_parameters_is_looked_at(
    server: Server, changed: dict[str, Any]
) -> None:
    client = server.client()
    for _ in range(2):
        assert (await client.modern("tools/call", GOOD)).status_code == 200
        refused = await client.modern("tools/call", {**GOOD, **changed})
        assert (refused.status_code, refused.json()["error"]["code"]) == (400, -32602)
        assert (await client.modern("tools/call", {**GOOD, "arguments": {"x": [1]}})).status_code == 200
