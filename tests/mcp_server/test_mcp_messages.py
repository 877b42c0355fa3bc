"""JSON-RPC messages and batches (JSON-RPC 2.0; MCP "Messages")."""

import json
from typing import Any

import pytest

from tests.requirements import requirement
from tests.support.mcp_client import MODERN
from tests.support.resource_server import Server

pytestmark = pytest.mark.anyio


def _error(response: Any) -> int:
    code = response.json()["error"]["code"]
    assert isinstance(code, int)
    return code


@requirement("I181")
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b'{"jsonrpc": "2.0", "id": 1, "id": 2, "method": "ping"}',
        b'{"jsonrpc": "2.0", "id": NaN, "method": "ping"}',
        b'{"jsonrpc": "2.0", "id": 1, "method": "ping", "params": {"x": Infinity}}',
        b'{"jsonrpc": "2.0", "id": 1, "method": "\\ud800"}',
        b'{"jsonrpc": "2.0", "id": 1, "method": "\xff"}',
        b'{"jsonrpc": "2.0", "id": ' + b"9" * 10_000 + b', "method": "ping"}',
        b'{"jsonrpc": "2.0", "id": 1, "method": "ping", "params": '
        + b'{"a":' * 20_000
        + b"1"
        + b"}" * 20_001,
        '{"jsonrpc": "2.0", "id": 1, "method": "ping"}'.encode("utf-16"),
    ],
)
async def test_bodies_that_are_no_unambiguous_json_are_parse_errors(server: Server, body: bytes) -> None:
    response = await server.client().post(body)
    assert (response.status_code, _error(response)) == (400, -32700)
    assert "id" not in response.json()


@requirement("I181")
@pytest.mark.parametrize(
    "message",
    [
        "ping",
        1,
        None,
        {},
        {"id": 1, "method": "ping"},
        {"jsonrpc": "1.0", "id": 1, "method": "ping"},
        {"jsonrpc": "2.0", "id": None, "method": "ping"},
        {"jsonrpc": "2.0", "id": True, "method": "ping"},
        {"jsonrpc": "2.0", "id": 1.5, "method": "ping"},
        {"jsonrpc": "2.0", "id": {}, "method": "ping"},
        {"jsonrpc": "2.0", "id": 1, "method": 7},
        {"jsonrpc": "2.0", "id": 1},
    ],
)
async def test_json_that_is_no_message_is_an_invalid_request(server: Server, message: Any) -> None:
    response = await server.client().post(json.dumps(message).encode())
    assert (response.status_code, _error(response)) == (400, -32600)


@requirement("I181")
@pytest.mark.parametrize("params", ["x", [1], 5, None])
async def test_params_must_be_an_object(server: Server, params: Any) -> None:
    response = await server.client().post({"jsonrpc": "2.0", "id": 1, "method": "ping", "params": params})
    assert (response.status_code, _error(response)) == (400, -32602)


@pytest.mark.parametrize("request_id", [0, -1, 2**60, "", "a" * 100, "ünïcode"])
async def test_ids_come_back_as_they_were(server: Server, request_id: Any) -> None:
    response = await server.client().post({"jsonrpc": "2.0", "id": request_id, "method": "ping"})
    assert response.json() == {"jsonrpc": "2.0", "id": request_id, "result": {}}


@requirement("I180")
async def test_batches_only_where_2025_03_26_applies(server: Server) -> None:
    client = server.client()
    batch = [
        {"jsonrpc": "2.0", "id": 1, "method": "ping"},
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        {"jsonrpc": "2.0", "id": 2, "method": "nonsense"},
        {"jsonrpc": "2.0", "id": 3, "method": "initialize", "params": {}},
        "no message",
    ]
    for headers in ({}, {"mcp_protocol_version": "2025-03-26"}):
        response = await client.post(batch, **headers)
        assert response.status_code == 200
        answers = response.json()
        assert [answer.get("id") for answer in answers] == [1, 2, 3, None]
        assert [answer.get("error", {}).get("code") for answer in answers] == [None, -32601, -32600, -32600]
    for version in ("2025-06-18", "2025-11-25", MODERN):
        refused = await client.post(batch, mcp_protocol_version=version)
        assert (refused.status_code, _error(refused)) == (400, -32600)


async def test_a_batch_of_notifications_is_owed_nothing(server: Server) -> None:
    response = await server.client().post([{"jsonrpc": "2.0", "method": "notifications/initialized"}])
    assert (response.status_code, response.content) == (202, b"")


@pytest.mark.parametrize("length", [0, 21])
async def test_batches_are_bounded(server: Server, length: int) -> None:
    batch = [{"jsonrpc": "2.0", "id": n, "method": "ping"} for n in range(length)]
    response = await server.client().post(batch)
    assert (response.status_code, _error(response)) == (400, -32600)
    accepted = await server.client().post([{"jsonrpc": "2.0", "id": n, "method": "ping"} for n in range(20)])
    assert len(accepted.json()) == 20


async def test_messages_never_quote_the_validation_library(server: Server) -> None:
    response = await server.client().handshake("tools/call", {"name": ["secret-value"]})
    assert (response.status_code, _error(response)) == (200, -32602)
    assert "pydantic" not in response.text
    assert "secret-value" not in response.text
    assert "params.name" in response.json()["error"]["message"]
