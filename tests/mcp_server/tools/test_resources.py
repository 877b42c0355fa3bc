"""Resources, prompts and completions beyond files, against the sandbox's examples, through `/mcp`."""

import base64
import json
from typing import Any

import pytest

from mcp_server.resources.guidance import TOPICS
from shared.policy import SCOPE_OF_PROMPT, SCOPE_OF_RESOURCE
from tests.requirements import requirement
from tests.support.resource_server import Server

pytestmark = pytest.mark.anyio

EXAMPLES = {
    "valtown://me": "valtown://me",
    "valtown://vals": "valtown://vals",
    "valtown://guides/{topic}": "valtown://guides/editing",
    "valtown://vals/{owner}/{name}/readme": "valtown://vals/ada/hello-http/readme",
    "valtown://vals/{owner}/{name}/files/{+path}": "valtown://vals/ada/hello-http/files/lib/greet.ts",
    "valtown://vals/{owner}/{name}/branches/{branch}/files/{+path}": (
        "valtown://vals/ada/hello-http/branches/draft/files/lib/greet.ts"
    ),
    "valtown://blobs/{+key}": "valtown://blobs/greeting",
    "valtown://sqlite/schema": "valtown://sqlite/schema",
}
ARGUMENTS = {
    "review_val": {"val": "ada/hello-http"},
    "new_http_val": {"description": "a clock"},
    "new_cron_val": {"description": "a report a day"},
    "valley": {"request": "a clock"},
    "debug_val": {"val": "ada/hello-http", "symptom": "500"},
}


async def read(server: Server, scope: str, uri: str) -> Any:
    return await server.client(scope=scope).modern("resources/read", {"uri": uri})


async def content(server: Server, scope: str, uri: str) -> dict[str, Any]:
    response = await read(server, scope, uri)
    assert response.status_code == 200, response.text
    (found,) = response.json()["result"]["contents"]
    return dict(found)


async def completed(
    server: Server, uri: str, variable: str, typed: str, known: dict[str, str] | None = None
) -> list[str]:
    params = {
        "ref": {"type": "ref/resource", "uri": uri},
        "argument": {"name": variable, "value": typed},
        "context": {"arguments": known or {}},
    }
    response = await server.client(scope="read").modern("completion/complete", params)
    assert response.status_code == 200, response.text
    return list(response.json()["result"]["completion"]["values"])


def test_everything_there_is_has_an_example() -> None:
    assert set(EXAMPLES) == set(SCOPE_OF_RESOURCE)
    assert set(ARGUMENTS) == set(SCOPE_OF_PROMPT)


@requirement("I187")
@pytest.mark.parametrize(("template", "uri"), EXAMPLES.items(), ids=EXAMPLES)
async def test_a_resource_is_read_with_its_scope_and_with_no_other(
    linked: Server, template: str, uri: str
) -> None:
    scope = SCOPE_OF_RESOURCE[template] or ""
    refused = await read(linked, "email:send" if scope != "email:send" else "", uri)
    assert refused.status_code == 403
    assert linked.outside.val_town_requests == []
    assert (await content(linked, scope, uri))["uri"] == uri
    assert {request.method for request in linked.outside.val_town_requests} <= {"GET", "POST"}


@pytest.mark.parametrize("name", ARGUMENTS)
async def test_a_prompt_needs_its_scope_and_says_what_was_asked(linked: Server, name: str) -> None:
    params = {"name": name, "arguments": ARGUMENTS[name]}
    refused = await linked.client(scope="email:send").modern("prompts/get", params, mcp_name=name)
    assert refused.status_code == 403
    given = await linked.client(scope=SCOPE_OF_PROMPT[name]).modern("prompts/get", params, mcp_name=name)
    (message,) = given.json()["result"]["messages"]
    assert message["role"] == "user"
    assert all(value in message["content"]["text"] for value in ARGUMENTS[name].values())


async def test_they_hold_what_they_say(linked: Server) -> None:
    vals = json.loads((await content(linked, "vals:read", "valtown://vals"))["text"])["vals"]
    assert {val["name"] for val in vals} == {"hello-http", "nightly-report"}
    readme = await content(linked, "files:read", "valtown://vals/ada/hello-http/readme")
    assert readme["text"].startswith("# hello-http")
    on_branch = await content(
        linked, "files:read", EXAMPLES["valtown://vals/{owner}/{name}/branches/{branch}/files/{+path}"]
    )
    assert on_branch["text"] == "changed on the branch\n"
    schema = json.loads((await content(linked, "sqlite:read", "valtown://sqlite/schema"))["text"])
    assert [table["name"] for table in schema["tables"]] == ["notes"]
    for topic in TOPICS:
        assert (await content(linked, "vals:read", f"valtown://guides/{topic}"))["text"].startswith("# ")


async def test_a_blob_with_a_strange_key_is_read_as_its_bytes(linked: Server) -> None:
    client = linked.client(scope="blobs:write")
    key, data = "a/b c?#%.bin", b"\x00\xff\xfe"
    arguments = {"key": key, "content": base64.b64encode(data).decode(), "encoding": "base64"}
    await client.modern("tools/call", {"name": "put_blob", "arguments": arguments}, mcp_name="put_blob")
    found = await content(linked, "blobs:read", "valtown://blobs/a/b%20c%3F%23%25.bin")
    assert base64.b64decode(found["blob"]) == data


@pytest.mark.parametrize(
    ("scope", "uri"),
    [
        ("vals:read", "valtown://guides/secrets"),
        ("vals:read", "valtown://guides/..%2f__init__.py"),
        ("files:read", "valtown://vals/grace/counter/readme"),
        ("files:read", "valtown://vals/ada/gone/readme"),
        ("files:read", "valtown://vals/ada/hello-http/branches/gone/files/main.ts"),
        ("blobs:read", "valtown://blobs/gone"),
        ("blobs:read", "valtown://blobs/%2e%2e"),
        ("blobs:read", "valtown://blobs/a%0d%0ab"),
    ],
)
async def test_what_is_not_there_is_invalid_params(linked: Server, scope: str, uri: str) -> None:
    response = await read(linked, scope, uri)
    assert (response.status_code, response.json()["error"]["code"]) == (400, -32602)


async def test_branches_keys_and_topics_are_suggested(linked: Server) -> None:
    on_branch = "valtown://vals/{owner}/{name}/branches/{branch}/files/{+path}"
    known = {"owner": "ada", "name": "hello-http"}
    assert await completed(linked, on_branch, "branch", "dr", known) == ["draft"]
    assert await completed(linked, on_branch, "branch", "dr") == []
    assert await completed(linked, "valtown://blobs/{+key}", "key", "gr") == ["greeting"]
    assert await completed(linked, "valtown://guides/{topic}", "topic", "ed") == ["editing"]
