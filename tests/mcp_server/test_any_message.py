"""Whatever a message is, the answer is JSON-RPC with a status that says whose fault it is, and never 500."""

import asyncio
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.requirements import requirement
from tests.support.mcp_client import HANDSHAKE, MODERN, modern_meta
from tests.support.resource_server import Server

pytestmark = pytest.mark.anyio

METHODS = (
    "initialize",
    "ping",
    "server/discover",
    "logging/setLevel",
    "tools/list",
    "tools/call",
    "resources/list",
    "resources/templates/list",
    "resources/read",
    "resources/subscribe",
    "prompts/list",
    "prompts/get",
    "completion/complete",
    "subscriptions/listen",
    "notifications/initialized",
    "nonsense",
)
NAMES = (
    "name",
    "arguments",
    "uri",
    "cursor",
    "level",
    "ref",
    "type",
    "argument",
    "value",
    "context",
    "requestState",
    "inputResponses",
    "progressToken",
    "protocolVersion",
    "capabilities",
    "clientInfo",
    "version",
    "action",
    "content",
    "io.modelcontextprotocol/logLevel",
    "io.modelcontextprotocol/clientCapabilities",
    "elicitation",
)
WORDS = st.sampled_from(
    (
        "whoami",
        "delete_val",
        "review_val",
        "valtown://me",
        "valtown://vals/a/b/files/c",
        "valtown://vals/{owner}/{name}/files/{+path}",
        "ref/prompt",
        "ref/resource",
        "accept",
        "info",
        "val",
        "v1.00000000.AAAA.AAAA",
        "",
        "\x00",
        "é",
    )
)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | WORDS
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=5),
    max_leaves=12,
)
PARAMS = st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=6)


@requirement("I181")
@pytest.mark.parametrize("era", [MODERN, HANDSHAKE, "2025-03-26"])
async def test_no_message_breaks_the_server(server: Server, era: str) -> None:
    client = server.client(scope="read write")

    @settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
    @given(method=st.sampled_from(METHODS), params=PARAMS, meta=PARAMS)
    def draw(method: str, params: dict[str, Any], meta: dict[str, Any]) -> None:
        drawn.append((method, {**params, "_meta": {**meta, **(modern_meta() if era == MODERN else {})}}))

    drawn: list[tuple[str, dict[str, Any]]] = []
    # Beside the loop: a server that hears no heartbeat for five seconds answers 503.
    await asyncio.to_thread(draw)
    for method, params in drawn:
        name = params.get("uri" if method == "resources/read" else "name")
        headers = {"mcp_protocol_version": era, "mcp_method": method}
        if isinstance(name, str) and name.isascii() and name.isprintable() and name == name.strip():
            headers["mcp_name"] = name
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        response = await client.post(body, **headers)
        assert response.status_code in (200, 400, 404), (method, params, response.text)
        if response.status_code == 200:
            answer = response.json()
            assert answer["id"] == 1
            assert ("result" in answer) is not ("error" in answer)
