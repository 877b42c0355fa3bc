"""Streamable HTTP: JSON until there is something to tell on the way, then an event stream."""

import asyncio
from typing import Any

import pytest
from starlette.responses import Response

from mcp_server.endpoints.reply import Reply
from mcp_server.tools.context import ToolContext
from shared.redis.client import StoreError
from tests.support.events import is_stream, messages_of
from tests.support.mcp_client import McpClient, modern_meta
from tests.support.resource_server import OpenServer, Server
from tests.support.trial_features import offering

pytestmark = pytest.mark.anyio

STREAM = {"accept": "application/json, text/event-stream"}
TOKEN = {"progressToken": "p-1"}


async def report(context: ToolContext) -> None:
    for progress in (1, 1, 0.5, 2, 3):
        await context.report_progress(progress, 3, f"{progress} of 3")


async def fail_at_once(context: ToolContext) -> None:
    raise StoreError("away")


async def fail_on_the_way(context: ToolContext) -> None:
    await context.report_progress(1)
    raise StoreError("away")


async def log(context: ToolContext) -> None:
    await context.log("debug", "detail")
    await context.log("info", {"step": 1})
    await context.log("error", "bad")


async def report_from_many_tasks(context: ToolContext) -> None:
    async with asyncio.TaskGroup() as tasks:
        for number in range(20):
            tasks.create_task(context.log("info", number))


FEATURES = offering(report, fail_at_once, fail_on_the_way, log, report_from_many_tasks)


async def call(client: McpClient, name: str, meta: dict[str, Any], **headers: str) -> Any:
    params = {"name": name, "_meta": {**modern_meta(), **meta}}
    return await client.modern("tools/call", params, **{**STREAM, **headers})


async def test_progress_makes_the_answer_a_stream_that_ends_with_the_result(open_server: OpenServer) -> None:
    async with open_server(features=FEATURES) as server:
        response = await call(server.client(), "report", TOKEN)
    assert response.status_code == 200
    assert is_stream(response)
    assert response.headers["x-accel-buffering"] == "no"
    assert response.headers["cache-control"] == "no-store"
    assert "content-length" not in response.headers
    *progress, answer = messages_of(response.text)
    assert [message["method"] for message in progress] == ["notifications/progress"] * 3
    assert [message["params"]["progress"] for message in progress] == [1, 2, 3]
    assert progress[0]["params"] == {
        "progressToken": "p-1",
        "progress": 1,
        "total": 3,
        "message": "1 of 3",
    }
    assert answer["id"] == 1
    assert answer["result"]["content"][0]["text"] == "done"
    assert answer["result"]["resultType"] == "complete"


async def test_progress_that_nobody_asked_for_is_not_sent(open_server: OpenServer) -> None:
    async with open_server(features=FEATURES) as server:
        response = await call(server.client(), "report", {})
    assert response.headers["content-type"] == "application/json"
    assert response.json()["result"]["content"][0]["text"] == "done"


@pytest.mark.parametrize("accept", ["application/json", "*/*", ""])
async def test_a_client_that_takes_no_stream_gets_json(open_server: OpenServer, accept: str) -> None:
    async with open_server(features=FEATURES) as server:
        response = await call(server.client(), "report", TOKEN, accept=accept)
    assert response.headers["content-type"] == "application/json"
    assert response.json()["result"]["content"][0]["text"] == "done"


@pytest.mark.parametrize("version", ["2025-03-26", "2025-06-18", "2025-11-25"])
async def test_handshake_revisions_stream_too(open_server: OpenServer, version: str) -> None:
    body = {
        "jsonrpc": "2.0",
        "id": 7,
        "method": "tools/call",
        "params": {"name": "report", "_meta": {"progressToken": 5}},
    }
    async with open_server(features=FEATURES) as server:
        response = await server.client().post(body, mcp_protocol_version=version, **STREAM)
    *progress, answer = messages_of(response.text)
    assert {message["params"]["progressToken"] for message in progress} == {5}
    assert answer["id"] == 7
    assert "resultType" not in answer["result"]


async def test_a_batch_is_one_stream_with_one_array_at_its_end(open_server: OpenServer) -> None:
    batch = [
        {
            "jsonrpc": "2.0",
            "id": number,
            "method": "tools/call",
            "params": {"name": "report", "_meta": {"progressToken": number}},
        }
        for number in (1, 2)
    ]
    async with open_server(features=FEATURES) as server:
        response = await server.client().post(batch, **STREAM)
    *progress, answers = messages_of(response.text)
    assert [message["params"]["progressToken"] for message in progress] == [1, 1, 1, 2, 2, 2]
    assert [answer["id"] for answer in answers] == [1, 2]  # type: ignore[index] # an array here


async def test_a_fault_before_the_first_notification_has_its_own_status(open_server: OpenServer) -> None:
    async with open_server(features=FEATURES) as server:
        response = await call(server.client(), "fail_at_once", TOKEN)
    assert response.status_code == 503
    assert response.headers["retry-after"]
    assert response.json()["id"] == 1


async def test_a_fault_after_it_is_the_last_message_of_the_stream(open_server: OpenServer) -> None:
    async with open_server(features=FEATURES) as server:
        response = await call(server.client(), "fail_on_the_way", TOKEN)
    assert response.status_code == 200
    progress, answer = messages_of(response.text)
    assert progress["method"] == "notifications/progress"
    assert (answer["id"], answer["error"]["code"]) == (1, 503)


@pytest.mark.parametrize(
    ("level", "sent"),
    [(None, []), ("debug", ["debug", "info", "error"]), ("warning", ["error"]), ("emergency", [])],
)
async def test_log_messages_come_at_the_level_a_request_asks_for(
    open_server: OpenServer, level: str | None, sent: list[str]
) -> None:
    meta = {} if level is None else {"io.modelcontextprotocol/logLevel": level}
    async with open_server(features=FEATURES) as server:
        response = await call(server.client(), "log", meta)
    assert is_stream(response) is bool(sent)
    messages = messages_of(response.text) if sent else []
    assert [message["params"]["level"] for message in messages[:-1]] == sent


async def test_a_log_level_that_is_none_is_refused(open_server: OpenServer) -> None:
    async with open_server(features=FEATURES) as server:
        response = await call(server.client(), "log", {"io.modelcontextprotocol/logLevel": "loud"})
    assert (response.status_code, response.json()["error"]["code"]) == (400, -32602)


async def test_without_sessions_the_handshake_revisions_log_from_info_on(open_server: OpenServer) -> None:
    async with open_server(features=FEATURES) as server:
        client = server.client()
        assert (await client.handshake("logging/setLevel", {"level": "error"})).json()["result"] == {}
        body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "log"}}
        response = await client.post(body, mcp_protocol_version="2025-11-25", **STREAM)
        unknown = await client.handshake("logging/setLevel", {"level": "loud"})
    *logged, answer = messages_of(response.text)
    assert [message["params"]["level"] for message in logged] == ["info", "error"]
    assert logged[0]["params"]["data"] == {"step": 1}
    assert answer["result"]["content"][0]["text"] == "done"
    assert unknown.json()["error"]["code"] == -32602


async def test_a_stream_for_the_legacy_header_says_that_it_is_deprecated(open_server: OpenServer) -> None:
    async with open_server(features=FEATURES) as server:
        client = McpClient(server.http, headers={"X-Val-Town-Token": "vtwn_x"})
        response = await call(client, "report", TOKEN)
    assert is_stream(response)
    assert response.headers["deprecation"] == "true"


async def test_tasks_of_one_call_report_without_getting_in_each_other_s_way(open_server: OpenServer) -> None:
    async with open_server(features=FEATURES) as server:
        meta = {"io.modelcontextprotocol/logLevel": "info"}
        response = await call(server.client(), "report_from_many_tasks", meta)
    *logged, answer = messages_of(response.text)
    assert sorted(message["params"]["data"] for message in logged) == list(range(20))
    assert answer["result"]["content"][0]["text"] == "done"


async def test_nothing_follows_the_answer_and_the_stream_begins_before_all_else() -> None:
    sent: list[str] = []
    slow = asyncio.Event()

    async def send(message: Any) -> None:
        # A client that reads slowly: the first message takes its time.
        if not sent:
            await slow.wait()
        sent.append(message["type"])

    async def receive() -> Any:
        await asyncio.Event().wait()

    reply = Reply({"headers": [(b"accept", b"text/event-stream")]}, receive, send)
    async with asyncio.TaskGroup() as tasks:
        for _ in range(2):
            tasks.create_task(reply.notify(b"{}"))
        await asyncio.sleep(0)
        slow.set()
    await reply.finish(Response(b"{}"))
    await reply.notify(b"{}")
    assert sent == ["http.response.start", *["http.response.body"] * 3]


async def test_a_silent_stream_is_kept_alive_with_comments(server: Server) -> None:
    sent: list[bytes] = []
    enough = asyncio.Event()

    async def send(message: Any) -> None:
        sent.append(message.get("body", b""))
        if sent.count(b": keep-alive\n\n") == 2:
            enough.set()

    async def receive() -> Any:
        await asyncio.Event().wait()

    scope = {"headers": [(b"accept", b"text/event-stream")]}
    reply = Reply(scope, receive, send, check_seconds=0.001, keep_alive_seconds=0.002)
    await reply.notify(b"{}")
    await enough.wait()
    reply.close()
    assert sent[1] == b"event: message\ndata: {}\n\n"
