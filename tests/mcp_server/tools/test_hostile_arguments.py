"""Whatever a client sends as an argument, only a tool's own endpoints are called (CVE-2026-32871)."""

import re
from collections.abc import Iterator
from typing import Any, Final

import httpx
import pytest
from fastapi import FastAPI

from mcp_server.tools.catalog import build_registry
from shared.policy import SCOPES
from tests.requirements import requirement
from tests.support.tool_caller import Caller
from tests.support.tool_examples import EXAMPLES

pytestmark = pytest.mark.anyio

PAYLOADS: Final[tuple[object, ...]] = (
    "..",
    ".",
    "../..",
    "../../v1/me",
    "..\\..\\v1\\me",
    "/v1/me",
    "/../v1/me",
    "%2e%2e",
    "%2e%2e%2fv1%2fme",
    "%252e%252e%252f",
    "..%2f..%2fv1%2fme",
    "..;/v1/me",
    "a/../../../v1/me",
    "a/./b",
    "a//b",
    "//evil.example",
    "//evil.example/v1/me",
    "https://evil.example/x/ada/hello-http",
    "https://val.town@evil.example/x/ada/hello-http",
    "https://www.val.town.evil.example/x/a/b",
    "http://127.0.0.1:6379/",
    "@evil.example",
    "ada/hello-http/../../me",
    "ada/hello-http?x=1",
    "ada/hello-http#x",
    "?branch_id=1",
    "#fragment",
    "a?b=c&path=d",
    "a&path=b",
    "a\r\nX-Injected: 1",
    "a\nb",
    "a\x00b",
    "\x7f",
    "\ud800",
    "é/ü",
    "\uff20\uff0e\uff0e\uff0f",
    "",
    " ",
    "x" * 10_240,
    "'; DROP TABLE notes; --",
    '" OR ""="',
    "{{7*7}}${7*7}",
    0,
    -1,
    1.5,
    float("nan"),
    True,
    [],
    ["../v1/me"],
    {},
    {"a": {"b": ["../v1/me"]}},
)

SEGMENT: Final = "[^/?#]+"
ENDPOINTS: Final = (
    "/v1/me",
    "/v1/alias/{}",
    "/v1/users/{}",
    "/v2/me/vals",
    "/v2/vals",
    "/v2/vals/{}",
    "/v2/vals/{}/branches",
    "/v2/vals/{}/branches/{}",
    "/v2/vals/{}/files",
    "/v2/vals/{}/files/content",
    "/v2/vals/{}/environment_variables",
    "/v2/vals/{}/environment_variables/{}",
    "/v2/alias/vals/{}/{}",
    "/v2/orgs",
    "/v2/orgs/{}/memberships",
    "/v1/blob",
    "/v1/blob/{}",
    "/v1/sqlite/execute",
    "/v1/sqlite/batch",
    "/v1/email",
    "/v1/telemetry/logs",
    "/v1/telemetry/traces",
)
# How a val, branch or user that is named otherwise is looked up.
LOOK_UPS: Final = frozenset(
    {
        ("GET", "/v2/alias/vals/{}/{}"),
        ("GET", "/v2/vals/{}/branches"),
        ("GET", "/v1/alias/{}"),
        ("GET", "/v2/vals/{}/files"),
    }
)
TOOLS: Final = build_registry().visible(frozenset(SCOPES))


def text_arguments(schema: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    """Give the place of every text in a tool's arguments; "0" is the first item of a list."""
    for name, member in schema.get("properties", {}).items():
        yield from ((name, *rest) for rest in _texts(member))


def _texts(member: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    if member.get("type") in ("string", None):
        yield ()
    elif member["type"] == "array":
        yield from (("0", *rest) for rest in _texts(member["items"]))
    elif member["type"] == "object":
        yield from text_arguments(member)


def changed(arguments: dict[str, Any], place: tuple[str, ...], payload: object) -> dict[str, Any]:
    """Return the arguments with a payload at a place."""
    first, *rest = place
    value = payload
    for step in reversed(rest):
        value = [value] if step == "0" else {step: value}
    return {**arguments, first: value}


def endpoint_of(request: httpx.Request) -> tuple[str, str]:
    """Return the method and the one template that a request's path, as it is sent, fits."""
    path = request.url.raw_path.partition(b"?")[0].decode("ascii")
    if re.fullmatch(r"/run/[0-9a-f-]{36}/[0-9a-f-]{36}/.*", path):
        assert "authorization" not in request.headers
        assert not {".", ".."}.intersection(path.lower().replace("%2e", ".").split("/"))
        return request.method, "/run"
    (template,) = [one for one in ENDPOINTS if re.fullmatch(one.replace("{}", SEGMENT), path)]
    assert request.headers["authorization"] == "Bearer vtwn_sandbox_ada"
    return request.method, template


@requirement("I186")
@pytest.mark.parametrize("tool", TOOLS, ids=[tool.name for tool in TOOLS])
async def test_no_argument_leads_a_tool_to_another_endpoint(
    tool: Any, sandbox: FastAPI, second_sandbox: FastAPI
) -> None:
    caller = Caller(httpx.ASGITransport(sandbox))
    arguments = EXAMPLES[tool.name].arguments
    places = list(text_arguments(tool.definition.input_schema))
    refused = 0
    seen: set[tuple[str, str]] = set()
    for place in places:
        for payload in PAYLOADS:
            result = await tool.call(caller, changed(arguments, place, payload))
            refused += bool(result.is_error)
            assert result.is_error is not None
    for request in caller.requests:
        assert (request.url.scheme, request.url.netloc) == ("http", b"sandbox.test")
        assert "x-injected" not in request.headers
        seen.add(endpoint_of(request))
    assert seen <= (await endpoints_of_the_example(second_sandbox, tool)) | LOOK_UPS
    assert not places or refused


async def endpoints_of_the_example(sandbox: FastAPI, tool: Any) -> set[tuple[str, str]]:
    caller = Caller(httpx.ASGITransport(sandbox))
    await tool.call(caller, EXAMPLES[tool.name].arguments)
    return {endpoint_of(request) for request in caller.requests}


def test_the_walk_finds_texts_at_every_depth() -> None:
    places = {tool.name: set(text_arguments(tool.definition.input_schema)) for tool in TOOLS}
    assert ("initial_files", "0", "path") in places["create_val"]
    assert ("paths", "0") in places["read_files"]
    assert ("statements", "0", "sql") in places["sqlite_batch"]
    assert ("attachments", "0", "filename") in places["send_email"]
    assert len(PAYLOADS) >= 40
