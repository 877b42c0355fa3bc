"""The 24 names of the first Val Town MCP server, with its own arguments, and without its bugs."""

import base64
from typing import Any

import pytest

from mcp_server.tools.catalog import build_registry
from mcp_server.tools.originals import ORIGINALS
from shared.policy import SCOPE_OF_TOOL, SCOPES
from tests.support.resource_server import Server
from tests.support.tool_caller import Caller, text_of

pytestmark = pytest.mark.anyio

PNG = bytes.fromhex("89504e47fffe")


async def val_id(caller: Caller, name: str = "ada/hello-http") -> str:
    return str((await caller.ok("get_val", val=name))["val"]["id"])


CALLS: list[tuple[str, dict[str, Any]]] = [
    ("get-user", {"username": "grace"}),
    ("get-my-info", {}),
    ("get-val", {"username": "ada", "valName": "hello-http"}),
    ("search-vals", {"query": "hello", "limit": 5}),
    ("create-val", {"name": "made", "privacy": "public"}),
    ("delete-val", {"valId": "VAL"}),
    ("list-my-vals", {"limit": 5, "offset": 0}),
    ("list-branches", {"valId": "VAL", "limit": 5}),
    ("get-branch", {"valId": "VAL", "branchId": "draft"}),
    ("create-branch", {"valId": "VAL", "name": "other"}),
    ("delete-branch", {"valId": "VAL", "branchId": "draft"}),
    ("list-files", {"valId": "VAL", "path": "", "recursive": False}),
    ("get-file", {"valId": "VAL", "path": "main.ts"}),
    ("create-file-or-directory", {"valId": "VAL", "path": "a.ts", "type": "script", "content": "x"}),
    ("create-file-or-directory", {"valId": "VAL", "path": "dir", "type": "directory"}),
    ("update-file", {"valId": "VAL", "path": "main.ts", "content": "x"}),
    ("delete-file-or-directory", {"valId": "VAL", "path": "main.ts"}),
    ("delete-file-or-directory", {"valId": "VAL", "path": "lib", "recursive": True}),
    ("execute-sql", {"statement": "DELETE FROM notes"}),
    ("execute-sql-batch", {"statements": ["SELECT 1", "SELECT 2"], "mode": "read"}),
    ("sqlite-query", {"statement": "SELECT * FROM notes"}),
    ("sqlite-exec", {"statements": ["DELETE FROM notes"]}),
    ("list-blobs", {"prefix": "g"}),
    ("get-blob", {"key": "greeting"}),
    ("store-blob", {"key": "k", "data": "text", "contentType": "text/plain"}),
    ("delete-blob", {"key": "greeting"}),
]


def test_there_are_24_and_each_is_called_here() -> None:
    assert len(ORIGINALS) == 24
    assert {name for name, _ in CALLS} == {original.name for original in ORIGINALS}
    assert {original.tool for original in ORIGINALS} <= set(SCOPE_OF_TOOL)


@pytest.mark.parametrize(("name", "arguments"), CALLS)
async def test_an_old_name_works_with_its_old_arguments(
    examples: Caller, name: str, arguments: dict[str, Any]
) -> None:
    if "valId" in arguments:
        arguments = {**arguments, "valId": await val_id(examples)}
    result = await examples.result(name, **arguments)
    assert not result.is_error, text_of(result)


async def test_old_names_are_in_no_list_and_need_the_scope_of_what_they_stand_for(linked: Server) -> None:
    client = linked.client(scope=" ".join(SCOPES))
    listed = {tool["name"] for tool in (await client.modern("tools/list")).json()["result"]["tools"]}
    assert not listed.intersection(original.name for original in ORIGINALS)
    reader = linked.client(scope="blobs:read")
    arguments = {"name": "delete-blob", "arguments": {"key": "greeting"}}
    refused = await reader.modern("tools/call", arguments, mcp_name="delete-blob")
    assert refused.status_code == 403
    assert "blobs:write" in refused.headers["www-authenticate"]
    assert linked.outside.val_town_requests == []


async def test_an_argument_the_old_name_does_not_know_is_refused_by_name(examples: Caller) -> None:
    assert "`valid`" in await examples.refused("get-file", valid="x", path="main.ts")
    assert "`val` is required" in await examples.refused("get-file", path="main.ts")


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("delete-val", {"valId": "VAL"}),
        ("delete-branch", {"valId": "VAL", "branchId": "draft"}),
        ("delete-file-or-directory", {"valId": "VAL", "path": "main.ts"}),
        ("delete-blob", {"key": "greeting"}),
        ("delete_env_var", {"val": "ada/hello-http", "key": "KEY"}),
    ],
)
async def test_a_deletion_that_worked_says_so(examples: Caller, name: str, arguments: dict[str, Any]) -> None:
    if "valId" in arguments:
        arguments = {**arguments, "valId": await val_id(examples)}
    assert (await examples.ok(name, **arguments))["deleted"] is True
    deletion = examples.requests[-1]
    assert deletion.method == "DELETE"
    assert "content-type" not in deletion.headers
    assert "content-length" not in deletion.headers
    # It is really gone.
    assert (await examples.result(name, **arguments)).is_error


async def test_bytes_in_a_blob_are_not_corrupted(examples: Caller) -> None:
    encoded = base64.b64encode(PNG).decode()
    await examples.ok("store-blob", key="p.png", data=encoded, isBase64=True, contentType="image/png")
    blob = await examples.ok("get-blob", key="p.png")
    assert (blob["encoding"], blob["content"], blob["size"]) == ("base64", encoded, len(PNG))


async def test_a_blob_of_megabytes_is_read_in_parts(examples: Caller) -> None:
    content = bytes(range(256)) * 8192
    await examples.ok("put_blob", key="big", content=base64.b64encode(content).decode(), encoding="base64")
    read = bytearray()
    offset: int | None = 0
    while offset is not None:
        part = await examples.ok("get_blob", key="big", offset=offset, limit=256 * 1024)
        read += base64.b64decode(str(part["content"]))
        offset = part.get("next_offset")
    assert read == content


async def test_sql_takes_parameters(examples: Caller) -> None:
    hostile = "'); DROP TABLE notes; --"
    await examples.ok("sqlite_execute", sql="INSERT INTO notes (text) VALUES (?)", parameters=[hostile])
    found = await examples.ok(
        "sqlite-query", statement="SELECT text FROM notes WHERE id = :id", named_parameters={"id": 3}
    )
    assert found["rows"] == [[hostile]]


async def test_sql_goes_to_endpoints_that_exist(examples: Caller) -> None:
    await examples.ok("sqlite-query", statement="SELECT 1")
    await examples.ok("sqlite-exec", statements=["SELECT 1"])
    assert {request.url.path for request in examples.requests} == {"/v1/sqlite/batch"}


def test_every_alias_has_the_scope_of_its_tool() -> None:
    registry = build_registry()
    for original in ORIGINALS:
        alias, tool = registry.get(original.name), registry.get(original.tool)
        assert alias is not None
        assert tool is not None
        assert alias.scope == tool.scope
