"""Every tool through `/mcp`: that it works, is refused without its scope, and says when nothing is there."""

from typing import Any

import pytest
from jsonschema import Draft202012Validator
from pydantic import ValidationError

from mcp_server.settings import McpSettings
from mcp_server.tools.catalog import TOOLSETS, build_registry
from shared.policy import SCOPE_OF_TOOL, SCOPES
from tests.requirements import requirement
from tests.support.resource_server import OpenServer, Server
from tests.support.tool_examples import EXAMPLES, Example

pytestmark = pytest.mark.anyio

REGISTRY = build_registry()
ENTITIES = [(name, example) for name, example in EXAMPLES.items() if example.missing is not None]
SCOPED = [(name, scope) for name, scope in SCOPE_OF_TOOL.items() if scope is not None]

READING = [(name, scope) for name, scope in SCOPED if scope.endswith(":read")]


async def call(server: Server, scope: str, tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
    response = await server.client(scope=scope).modern(
        "tools/call", {"name": tool, "arguments": arguments}, mcp_name=tool
    )
    assert response.status_code == 200, response.text
    return dict(response.json()["result"])


def test_every_tool_has_an_example() -> None:
    assert set(EXAMPLES) == set(SCOPE_OF_TOOL)


@pytest.mark.parametrize(("name", "example"), EXAMPLES.items(), ids=EXAMPLES)
async def test_it_works_with_its_scope_alone_and_gives_what_it_promises(
    linked: Server, name: str, example: Example
) -> None:
    result = await call(linked, SCOPE_OF_TOOL[name] or "user:read", name, example.arguments)
    assert not result.get("isError"), result
    tool = REGISTRY.get(name)
    assert tool is not None
    schema = tool.definition.output_schema
    assert schema is not None
    Draft202012Validator(schema).validate(result["structuredContent"])
    assert "s3cret-of-ada" not in str(result)


@requirement("I187")
@pytest.mark.parametrize(("name", "scope"), SCOPED, ids=[name for name, _ in SCOPED])
async def test_without_its_scope_it_is_403_and_val_town_hears_nothing(
    linked: Server, name: str, scope: str
) -> None:
    others = [
        other for other, policy in SCOPES.items() if other != scope and scope not in _implied(policy.implies)
    ]
    response = await linked.client(scope=" ".join(others)).modern(
        "tools/call", {"name": name, "arguments": EXAMPLES[name].arguments}, mcp_name=name
    )
    assert response.status_code == 403
    challenge = response.headers["www-authenticate"]
    assert 'error="insufficient_scope"' in challenge
    assert scope in challenge.partition('scope="')[2].partition('"')[0].split()
    assert linked.outside.val_town_requests == []


def _implied(names: tuple[str, ...]) -> set[str]:
    return {*names, *(deeper for name in names for deeper in _implied(SCOPES[name].implies))}


@pytest.mark.parametrize(("name", "example"), ENTITIES, ids=[name for name, _ in ENTITIES])
async def test_what_is_not_there_is_a_result_that_says_so(
    linked: Server, name: str, example: Example
) -> None:
    arguments = {**example.arguments, **(example.missing or {})}
    result = await call(linked, SCOPE_OF_TOOL[name] or "", name, arguments)
    assert result["isError"] is True
    assert "structuredContent" not in result
    text = result["content"][0]["text"]
    assert any(
        word in text for word in ("404", "no such table", "There is no table", "has no branch", "at neither")
    )


@pytest.mark.parametrize(("name", "scope"), READING, ids=[name for name, _ in READING])
async def test_a_tool_of_a_reading_scope_sends_nothing_that_writes(
    linked: Server, name: str, scope: str
) -> None:
    tool = REGISTRY.get(name)
    assert tool is not None
    assert tool.definition.annotations is not None
    assert tool.definition.annotations.read_only_hint
    await call(linked, scope, name, EXAMPLES[name].arguments)
    for request in linked.outside.val_town_requests:
        reads = request.method == "GET"
        reads_sql = request.url.path == "/v1/sqlite/batch" and b'"mode":"read"' in request.content
        assert reads or reads_sql, request.url.path


async def test_the_list_is_trimmed_to_the_chosen_sets(open_server: OpenServer) -> None:
    async with open_server(val_town_toolsets="Sqlite, blobs") as server:
        client = server.client(scope=" ".join(SCOPES))
        listed = (await client.modern("tools/list")).json()["result"]["tools"]
        families = (*TOOLSETS["blobs"], *TOOLSETS["sqlite"])
        expected = {"whoami", *(tool.name for family in families for tool in family.TOOLS)}
        assert {tool["name"] for tool in listed} == expected
        gone = await client.modern("tools/call", {"name": "get_me", "arguments": {}}, mcp_name="get_me")
        assert gone.json()["error"]["code"] == -32602
        for name in ("get-my-info", "sqlite-query"):
            called = await client.modern("tools/call", {"name": name, "arguments": {}}, mcp_name=name)
            assert ("error" in called.json()) is (name == "get-my-info")


def test_a_set_that_is_none_stops_the_start_and_names_those_there_are() -> None:
    with pytest.raises(ValidationError) as caught:
        McpSettings.model_validate({"val_town_toolsets": "vals,blob"})
    assert "does not know blob; there are: user, vals," in str(caught.value)
