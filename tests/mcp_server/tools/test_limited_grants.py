"""A grant limited to chosen vals reaches no other by any tool, resource or completion."""

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

import httpx
import pytest
from fastapi import FastAPI

from mcp_server.tools.catalog import build_registry
from shared.oauth.authorization_details import MAX_VALS, details_of
from shared.policy import RESOURCE_SCOPES, SCOPE_OF_PROMPT, SCOPE_OF_RESOURCE
from tests.support.mcp_client import McpClient
from tests.support.resource_server import VAL_TOWN, Server, assert_invalid_token
from tests.support.tool_examples import EXAMPLES, MISSING_ID

pytestmark = pytest.mark.anyio

EVERYTHING = " ".join(RESOURCE_SCOPES)
CHOSEN, OTHER = "nightly-report", "hello-http"
OF_THE_ACCOUNT = ("blobs:", "sqlite:", "user:", "orgs:", "email:")

TOUCHES_OTHERS = [
    name
    for name, example in EXAMPLES.items()
    if example.arguments.get("val", f"ada/{CHOSEN}") != f"ada/{CHOSEN}" or name in ("create_val", "remix_val")
]
LISTS_WITHOUT_OTHERS = ["list_my_vals", "list_public_vals", "search_vals", "get_logs", "get_recent_errors"]


@dataclass
class Vals:
    """What is at Val Town: the id of the chosen val, and everything that gives another away."""

    chosen: str
    others: dict[str, str]
    branches: dict[str, str]


@pytest.fixture
async def vals(sandbox: FastAPI) -> Vals:
    headers = {"Authorization": "Bearer vtwn_sandbox_ada"}
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(sandbox), base_url=VAL_TOWN, headers=headers
    ) as http:
        found = {val["name"]: val["id"] for val in (await http.get("/v2/vals?limit=100")).json()["data"]}
        branches = {
            branch["id"]: name
            for name, val_id in found.items()
            for branch in (await http.get(f"/v2/vals/{val_id}/branches?limit=100&offset=0")).json()["data"]
        }
    chosen = found.pop(CHOSEN)
    assert OTHER in found
    return Vals(chosen, found, branches)


def limited(server: Server, vals: Vals, *more: str) -> McpClient:
    return server.client(scope=EVERYTHING, **details_of([vals.chosen, *more]))


async def call(client: McpClient, tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
    response = await client.modern("tools/call", {"name": tool, "arguments": arguments}, mcp_name=tool)
    assert response.status_code == 200, response.text
    return dict(response.json()["result"])


def nothing_of_others_was_asked(server: Server, vals: Vals) -> None:
    for request in server.outside.val_town_requests:
        target = unquote(str(request.url))
        assert not any(val_id in target for val_id in vals.others.values()), target
        assert request.url.path not in ("/v2/vals", "/v2/me/vals"), target
        for branch_id in request.url.params.get_list("branch_ids"):
            assert vals.branches[branch_id] == CHOSEN
        if request.url.path.startswith("/v1/telemetry"):
            assert request.url.params.get_list("branch_ids")


def test_every_tool_is_in_this_walk() -> None:
    rest = {name for name in EXAMPLES if name not in (*TOUCHES_OTHERS, *LISTS_WITHOUT_OTHERS)}
    own = {"whoami", "get_traces", "delete_val"}
    assert own <= rest
    for name in rest - own:
        tool = build_registry().get(name)
        assert tool is not None
        assert (tool.scope or "").startswith(OF_THE_ACCOUNT), name


@pytest.mark.parametrize("name", TOUCHES_OTHERS)
async def test_a_tool_cannot_touch_another_val(linked: Server, vals: Vals, name: str) -> None:
    result = await call(limited(linked, vals), name, EXAMPLES[name].arguments)
    assert result["isError"] is True
    assert "limited to chosen vals" in result["content"][0]["text"]
    nothing_of_others_was_asked(linked, vals)


@pytest.mark.parametrize("name", TOUCHES_OTHERS)
async def test_nor_by_the_id_of_the_val(linked: Server, vals: Vals, name: str) -> None:
    arguments = {**EXAMPLES[name].arguments}
    if "val" in arguments:
        arguments["val"] = vals.others[OTHER]
    result = await call(limited(linked, vals), name, arguments)
    assert result["isError"] is True
    assert all(request.url.path.startswith("/v1/") for request in linked.outside.val_town_requests)
    # Another val's branch id does not lead into it through the chosen one either.
    nothing_of_others_was_asked(linked, vals)


@pytest.mark.parametrize("name", TOUCHES_OTHERS)
async def test_the_same_call_works_on_a_val_that_was_chosen(linked: Server, vals: Vals, name: str) -> None:
    result = await call(limited(linked, vals, vals.others[OTHER]), name, EXAMPLES[name].arguments)
    assert bool(result.get("isError")) is (name in ("create_val", "remix_val")), result


@pytest.mark.parametrize("name", LISTS_WITHOUT_OTHERS)
async def test_lists_show_no_other_val(linked: Server, vals: Vals, name: str) -> None:
    for arguments in ({**EXAMPLES[name].arguments}, {"query": "e"} if name == "search_vals" else {}):
        result = await call(limited(linked, vals), name, arguments)
        assert not result.get("isError"), result
        text = json.dumps(result["structuredContent"])
        assert not any(other in text for other in (*vals.others, *vals.others.values()))
        foreign = [branch for branch, val in vals.branches.items() if val != CHOSEN]
        assert not any(branch in text for branch in foreign)
    nothing_of_others_was_asked(linked, vals)


async def test_the_list_of_vals_is_the_chosen_ones(linked: Server, vals: Vals) -> None:
    counter = vals.others["counter"]
    result = await call(limited(linked, vals, counter, MISSING_ID), "list_my_vals", {})
    listed = {val["name"] for val in result["structuredContent"]["vals"]}
    # Also somebody else's; one that was deleted since is not missed.
    assert listed == {CHOSEN, "counter"}


async def test_logs_and_runs_of_another_val_are_not_found_by_trace_branch_or_at_all(
    linked: Server, vals: Vals
) -> None:
    everybody = linked.client(scope=EVERYTHING)
    traces = (await call(everybody, "get_traces", {}))["structuredContent"]["traces"]
    assert {vals.branches[trace["attributes"]["branch.id"]] for trace in traces} == {CHOSEN}
    assert (await call(everybody, "get_logs", {}))["structuredContent"]["logs"]
    others = linked.client(scope=EVERYTHING, **details_of([vals.others[OTHER]]))
    for arguments in ({}, {"trace_ids": [trace["trace_id"] for trace in traces]}):
        logs = await call(others, "get_logs", arguments)
        assert logs["structuredContent"]["logs"] == []
    assert (await call(others, "get_traces", {}))["structuredContent"]["traces"] == []
    assert (await call(others, "get_recent_errors", {}))["structuredContent"]["errors"] == []
    linked.outside.val_town_requests.clear()
    foreign = next(branch for branch, val in vals.branches.items() if val == OTHER)
    for tool in ("get_logs", "get_traces", "get_recent_errors"):
        result = await call(limited(linked, vals), tool, {"val": f"ada/{CHOSEN}", "branch": foreign})
        assert result["isError"] is True
    nothing_of_others_was_asked(linked, vals)


async def test_resources_and_prompts_of_another_val_are_not_there(linked: Server, vals: Vals) -> None:
    client = limited(linked, vals)
    read = {
        uri: uri.replace("{owner}", "ada").replace("{name}", OTHER).replace("{branch}", "main")
        for uri in SCOPE_OF_RESOURCE
        if "{name}" in uri
    }
    assert len(read) == 3
    for template, uri in read.items():
        response = await client.modern("resources/read", {"uri": uri.replace("{+path}", "main.ts")})
        assert response.json()["error"]["code"] == -32602, template
    response = await client.modern("resources/read", {"uri": "valtown://vals"})
    text = response.json()["result"]["contents"][0]["text"]
    assert CHOSEN in text
    assert OTHER not in text
    for prompt in SCOPE_OF_PROMPT:
        response = await client.modern("prompts/get", {"name": prompt, "arguments": {"val": f"ada/{OTHER}"}})
        assert "GREET" not in response.text
    nothing_of_others_was_asked(linked, vals)


async def test_no_completion_suggests_another_val_or_what_is_in_it(linked: Server, vals: Vals) -> None:
    client = limited(linked, vals)
    seen: set[str] = set()
    references: list[tuple[dict[str, str], tuple[str, ...]]] = [
        ({"type": "ref/resource", "uri": uri}, ("owner", "name", "path", "branch"))
        for uri in SCOPE_OF_RESOURCE
        if "{" in uri
    ]
    references += [({"type": "ref/prompt", "name": name}, ("val", "branch")) for name in SCOPE_OF_PROMPT]
    for reference, names in references:
        for name in names:
            for typed in ("", "h", "main", "hello"):
                params = {
                    "ref": reference,
                    "argument": {"name": name, "value": typed},
                    "context": {"arguments": {"owner": "ada", "name": OTHER}},
                }
                response = await client.modern("completion/complete", params)
                seen.update(response.json()["result"]["completion"]["values"])
    assert any(CHOSEN in value for value in seen)
    assert not any(other in value for value in seen for other in vals.others)
    assert not {"main.ts", "main", "draft"} & seen
    nothing_of_others_was_asked(linked, vals)


async def test_whoami_tells_the_limit(linked: Server, vals: Vals) -> None:
    result = await call(limited(linked, vals), "whoami", {})
    assert result["structuredContent"]["vals"] == [vals.chosen]
    result = await call(linked.client(scope="read"), "whoami", {})
    assert "vals" not in result["structuredContent"]


@pytest.mark.parametrize(
    "details",
    [
        [],
        None,
        {},
        "all",
        [{"type": "val_town_vals"}],
        [{"type": "val_town_vals", "vals": []}],
        [{"type": "val_town_vals", "vals": [1]}],
        [{"type": "val_town_vals", "vals": ["not-an-id"]}],
        [{"type": "val_town_vals", "vals": [MISSING_ID], "actions": ["read"]}],
        [{"type": "payment_initiation", "vals": [MISSING_ID]}],
        [{"type": "val_town_vals", "vals": [MISSING_ID]}] * 2,
        [{"type": "val_town_vals", "vals": [MISSING_ID] * (MAX_VALS + 1)}],
    ],
    ids=str,
)
async def test_a_limit_that_is_not_understood_is_not_taken_for_none(server: Server, details: object) -> None:
    assert_invalid_token(await server.present(server.token(authorization_details=details)))
