"""Multi round-trip requests of 2026-07-28: a call asks the person, and its state travels with the client."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import mcp_types
import pytest

from mcp_server.tools.context import ToolContext
from tests.requirements import requirement
from tests.support.mcp_client import McpClient, modern_meta
from tests.support.resource_server import OpenServer, Outside, Server
from tests.support.tokens import SigningKey
from tests.support.trial_features import offering
from tests.support.with_sandbox import ADA_TOKEN, WithSandbox, running_sandbox

pytestmark = pytest.mark.anyio

VAL = "ada/hello-http"
YES = {"action": "accept", "content": {"confirm": True}}
FORM = {"elicitation": {}}


@pytest.fixture
async def outside(signing_key: SigningKey, tmp_path: Path, anyio_backend: str) -> AsyncIterator[Outside]:
    async with running_sandbox(tmp_path) as sandbox:
        yield WithSandbox(keys=[signing_key.public_jwk()], sandbox=sandbox)


@pytest.fixture
async def ada(server: Server) -> McpClient:
    """Return a client that may do everything, linked to Ada's account."""
    await server.link(ADA_TOKEN)
    return server.client(scope="read write")


async def delete(
    client: McpClient,
    capabilities: dict[str, Any] = FORM,
    *,
    val: str = VAL,
    confirm: bool | None = None,
    **params: Any,
) -> httpx.Response:
    arguments: dict[str, Any] = {"val": val} if confirm is None else {"val": val, "confirm": confirm}
    meta = {**modern_meta(), "io.modelcontextprotocol/clientCapabilities": capabilities}
    return await client.modern(
        "tools/call", {"name": "delete_val", "arguments": arguments, "_meta": meta, **params}
    )


async def asked(client: McpClient, **arguments: Any) -> str:
    """Return the state of a call that asks."""
    result = (await delete(client, **arguments)).json()["result"]
    assert result["resultType"] == "input_required"
    state = result["requestState"]
    assert isinstance(state, str)
    return state


def answered(state: str, answer: object = YES) -> dict[str, Any]:
    """Return the params that carry an answer back."""
    return {"requestState": state, "inputResponses": {"confirm": answer}}


async def exists(client: McpClient, val: str = VAL) -> bool:
    result = (await client.call("get_val", val=val)).json()["result"]
    return not result.get("isError", False)


async def test_deleting_asks_the_person_and_names_what_goes(ada: McpClient) -> None:
    response = await delete(ada)
    assert response.status_code == 200
    result = response.json()["result"]
    assert result["resultType"] == "input_required"
    question = result["inputRequests"]["confirm"]
    assert question["method"] == "elicitation/create"
    assert question["params"]["mode"] == "form"
    assert VAL in question["params"]["message"]
    assert question["params"]["requestedSchema"]["properties"]["confirm"]["type"] == "boolean"
    assert "content" not in result
    assert await exists(ada)


async def test_a_yes_deletes(ada: McpClient) -> None:
    response = await delete(ada, **answered(await asked(ada)))
    result = response.json()["result"]
    assert result["resultType"] == "complete"
    assert result["structuredContent"]["deleted"] is True
    assert not await exists(ada)


@pytest.mark.parametrize(
    "answer",
    [
        {"action": "decline"},
        {"action": "cancel"},
        {"action": "accept", "content": {"confirm": False}},
        {"action": "accept"},
        {"action": "accept", "content": {"confirm": "true"}},
    ],
)
async def test_anything_but_a_yes_deletes_nothing(ada: McpClient, answer: dict[str, Any]) -> None:
    result = (await delete(ada, **answered(await asked(ada), answer))).json()["result"]
    assert result["structuredContent"]["deleted"] is False
    assert await exists(ada)


async def test_the_model_cannot_answer_for_the_person_where_the_person_can_be_asked(ada: McpClient) -> None:
    await asked(ada, confirm=True)
    assert await exists(ada)


@pytest.mark.parametrize("capabilities", [{}, {"sampling": {}}, {"elicitation": {"url": {}}}])
async def test_a_client_that_cannot_ask_must_confirm_by_argument(
    ada: McpClient, capabilities: dict[str, Any]
) -> None:
    for confirm in (None, False):
        refused = (await delete(ada, capabilities, confirm=confirm)).json()["result"]
        assert refused["isError"] is True
        assert "confirm: true" in refused["content"][0]["text"]
        assert await exists(ada)
    done = (await delete(ada, capabilities, confirm=True)).json()["result"]
    assert done["structuredContent"]["deleted"] is True
    assert not await exists(ada)


async def test_handshake_clients_must_confirm_by_argument(ada: McpClient) -> None:
    call = {"name": "delete_val", "arguments": {"val": VAL}}
    refused = (await ada.handshake("tools/call", call)).json()["result"]
    assert refused["isError"] is True
    call["arguments"] = {"val": VAL, "confirm": True}
    assert (await ada.handshake("tools/call", call)).json()["result"]["structuredContent"]["deleted"] is True


async def test_a_client_that_names_the_form_mode_can_be_asked(ada: McpClient) -> None:
    result = (await delete(ada, {"elicitation": {"form": {}, "url": {}}})).json()["result"]
    assert result["resultType"] == "input_required"


async def test_a_yes_that_nobody_asked_for_asks(ada: McpClient) -> None:
    result = (await delete(ada, inputResponses={"confirm": YES})).json()["result"]
    assert result["resultType"] == "input_required"
    assert await exists(ada)


@pytest.mark.parametrize("answer", [5, None, [], {"action": "maybe"}, {"content": {"confirm": True}}])
async def test_an_answer_that_is_none_is_refused_or_asked_for_again(ada: McpClient, answer: object) -> None:
    response = await delete(ada, **answered(await asked(ada), answer))
    body = response.json()
    if "error" in body:
        assert (response.status_code, body["error"]["code"]) == (400, -32602)
    else:
        assert body["result"]["resultType"] == "input_required"
    assert await exists(ada)


async def assert_refused(response: httpx.Response, client: McpClient) -> None:
    assert (response.status_code, response.json()["error"]["code"]) == (400, -32602)
    assert response.json()["id"] == 1
    assert await exists(client)


@requirement("I198", "C11")
@pytest.mark.parametrize("change", ["cut", "longer", "flipped", "guessed", "empty"])
async def test_a_state_that_was_altered_or_guessed_is_refused(ada: McpClient, change: str) -> None:
    state = await asked(ada)
    changed = {
        "cut": state[:-4],
        "longer": f"{state}-x",
        "flipped": state[:-9] + ("A" if state[-9] != "A" else "B") + state[-8:],
        "guessed": "v1.00000000.AAAAAAAAAAAAAAAA.AAAA",
        "empty": "",
    }[change]
    if change == "guessed":
        # It names a key that no replica has: the questions are asked again.
        result = (await delete(ada, **answered(changed))).json()["result"]
        assert result["resultType"] == "input_required"
        assert await exists(ada)
        return
    await assert_refused(await delete(ada, **answered(changed)), ada)


@requirement("I198", "C11")
@pytest.mark.parametrize(
    "claims",
    [{"sub": "user-eve"}, {"gid": "grant-2"}, {"client_id": "client-2"}],
)
async def test_a_state_of_somebody_else_is_refused_like_a_wrong_one(
    server: Server, ada: McpClient, claims: dict[str, str]
) -> None:
    state = await asked(ada)
    other = server.client(scope="read write", **claims)
    response = await delete(other, **answered(state))
    assert (response.status_code, response.json()["error"]["code"]) == (400, -32602)
    wrong = await delete(other, **answered(f"{state[:-4]}AAAA"))
    assert response.json()["error"] == wrong.json()["error"]
    assert await exists(ada)
    accepted = await delete(ada, **answered(state))
    assert accepted.json()["result"]["structuredContent"]["deleted"] is True


@requirement("I198")
async def test_a_state_of_another_call_is_refused(ada: McpClient) -> None:
    state = await asked(ada)
    await assert_refused(await delete(ada, val="ada/nightly-report", **answered(state)), ada)
    await assert_refused(await delete(ada, confirm=True, **answered(state)), ada)
    other_tool = await ada.modern(
        "tools/call", {"name": "get_val", "arguments": {"val": VAL}, **answered(state)}
    )
    await assert_refused(other_tool, ada)


@requirement("I198")
async def test_a_state_that_expired_asks_again(server: Server, ada: McpClient) -> None:
    state = await asked(ada)
    server.clock.advance(599)
    # A later answer to the same state, in a state of its own, so that nothing is deleted yet.
    declined = await delete(ada, **answered(state, {"action": "decline"}))
    assert declined.json()["result"]["structuredContent"]["deleted"] is False
    server.clock.advance(2)
    again = (await delete(ada, **answered(state))).json()["result"]
    assert again["resultType"] == "input_required"
    assert await exists(ada)


async def test_the_order_of_arguments_in_a_retry_does_not_matter(ada: McpClient) -> None:
    first = await ada.modern(
        "tools/call",
        {
            "name": "delete_val",
            "arguments": {"val": VAL, "confirm": False},
            "_meta": {**modern_meta(), "io.modelcontextprotocol/clientCapabilities": FORM},
        },
    )
    state = first.json()["result"]["requestState"]
    retry = await ada.modern(
        "tools/call",
        {
            "name": "delete_val",
            "arguments": {"confirm": False, "val": VAL},
            "_meta": {**modern_meta(), "io.modelcontextprotocol/clientCapabilities": FORM},
            **answered(state),
        },
    )
    assert retry.json()["result"]["structuredContent"]["deleted"] is True


async def test_any_replica_takes_a_state_of_another(open_server: OpenServer) -> None:
    async with open_server() as one, open_server() as two:
        await one.link(ADA_TOKEN)
        state = await asked(one.client(scope="read write"))
        done = await delete(two.client(scope="read write"), **answered(state))
    assert done.json()["result"]["structuredContent"]["deleted"] is True


async def test_questions_work_for_the_legacy_header_too(open_server: OpenServer) -> None:
    ada, grace = ({"X-Val-Town-Token": f"vtwn_sandbox_{name}"} for name in ("ada", "grace"))
    async with open_server() as one, open_server(oauth_enabled=False) as two:
        state = await asked(McpClient(one.http, headers=ada))
        stolen = await delete(McpClient(two.http, headers=grace), **answered(state))
        assert (stolen.status_code, stolen.json()["error"]["code"]) == (400, -32602)
        done = await delete(McpClient(two.http, headers=ada), **answered(state))
    assert done.json()["result"]["structuredContent"]["deleted"] is True


async def test_without_any_key_a_question_is_answered_where_it_was_asked(open_server: OpenServer) -> None:
    ada = {"X-Val-Town-Token": ADA_TOKEN}
    without = {"oauth_enabled": False, "oauth_encryption_key": None}
    async with open_server(**without) as one, open_server(**without) as two:
        state = await asked(McpClient(one.http, headers=ada))
        elsewhere = await delete(McpClient(two.http, headers=ada), **answered(state))
        assert elsewhere.json()["result"]["resultType"] == "input_required"
        done = await delete(McpClient(one.http, headers=ada), **answered(state))
    assert done.json()["result"]["structuredContent"]["deleted"] is True


async def test_the_state_tells_its_bearer_nothing(ada: McpClient) -> None:
    state = await asked(ada)
    assert VAL not in state
    assert "user-ada" not in state


async def test_what_a_client_cannot_do_is_named_when_a_call_needs_it(open_server: OpenServer) -> None:
    async def ask_the_model(context: ToolContext) -> None:
        text = mcp_types.TextContent(type="text", text="?")
        message = mcp_types.SamplingMessage(role="user", content=text)
        params = mcp_types.CreateMessageRequestParams(messages=[message], max_tokens=1)
        await context.ask({"model": mcp_types.CreateMessageRequest(params=params)})

    async with open_server(features=offering(ask_the_model)) as server:
        modern = await server.client().call("ask_the_model")
        handshake = await server.client().handshake("tools/call", {"name": "ask_the_model"})
    assert modern.status_code == 400
    error = modern.json()["error"]
    assert (error["code"], error["data"]["requiredCapabilities"]) == (-32021, {"sampling": {}})
    assert (handshake.status_code, handshake.json()["error"]["code"]) == (200, -32602)


async def test_a_question_that_changed_is_asked_again(open_server: OpenServer) -> None:
    messages = iter(("Delete three files?", "Delete four files?", "Delete four files?"))

    async def change(context: ToolContext) -> None:
        await context.confirm(next(messages))

    async with open_server(features=offering(change)) as server:
        client = server.client()

        async def call(**params: Any) -> dict[str, Any]:
            meta = {**modern_meta(), "io.modelcontextprotocol/clientCapabilities": FORM}
            response = await client.modern("tools/call", {"name": "change", "_meta": meta, **params})
            result: dict[str, Any] = response.json()["result"]
            return result

        first = await call()
        second = await call(**answered(first["requestState"]))
        assert second["inputRequests"]["confirm"]["params"]["message"] == "Delete four files?"
        third = await call(**answered(second["requestState"]))
        assert third["resultType"] == "complete"


async def test_answers_beyond_any_form_are_refused(open_server: OpenServer) -> None:
    async def ask_twice(context: ToolContext) -> None:
        await context.confirm("First?")
        await context.ask({"second": mcp_types.ElicitRequest(params=_named("Second?"))})

    def _named(message: str) -> mcp_types.ElicitRequestFormParams:
        schema = {"type": "object", "properties": {"name": {"type": "string"}}}
        return mcp_types.ElicitRequestFormParams(message=message, requested_schema=schema)

    meta = {**modern_meta(), "io.modelcontextprotocol/clientCapabilities": FORM}
    async with open_server(features=offering(ask_twice)) as server:
        client = server.client()
        first = await client.modern("tools/call", {"name": "ask_twice", "_meta": meta})
        state = first.json()["result"]["requestState"]
        large = {"action": "accept", "content": {"confirm": True, "more": "x" * 70_000}}
        refused = await client.modern(
            "tools/call", {"name": "ask_twice", "_meta": meta, **answered(state, large)}
        )
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, -32602)
