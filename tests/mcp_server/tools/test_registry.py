"""What a decorated function becomes: definition, schemas, and how it takes what clients really send."""

import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import httpx
import pytest
from jsonschema import Draft202012Validator
from mcp_types.methods import serialize_server_result
from pydantic import BaseModel, ConfigDict, Field

from mcp_server.tools.catalog import build_registry
from mcp_server.tools.registry import Annotations, Tool, ToolRegistry, tool
from shared.policy import SCOPES
from tests.support.tool_caller import Caller, stubbed, text_of

pytestmark = pytest.mark.anyio

ALL_TOOLS = build_registry().visible(frozenset(SCOPES))
REVISIONS = ("2025-03-26", "2025-06-18", "2025-11-25", "2026-07-28")


class Item(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: str
    size: Annotated[int, Field(ge=1)] = 1


class Echo(BaseModel):
    text: str
    number: int
    flag: bool
    items: list[Item]
    maybe: int | None = None
    color: str


@tool(scope="x:read", title="Echo", annotations=Annotations(True, False, True, open_world=False))
async def echo(
    context: object,
    text: Annotated[str, Field(max_length=5, pattern="^[a-z]*$", description="Some text.")],
    number: Annotated[int, Field(ge=0, le=9)] = 3,
    flag: bool = False,
    items: list[Item] | None = None,
    maybe: int | None = None,
    color: Literal["red", "blue"] = "red",
) -> Echo:
    """Echo what
    was sent.

    Second paragraph.
    """
    return Echo(text=text, number=number, flag=flag, items=items or [], maybe=maybe, color=color)


@pytest.fixture
def nobody() -> Caller:
    return stubbed(lambda _request: httpx.Response(500))


async def call(caller: Caller, **arguments: object) -> dict[str, Any]:
    result = await echo.call(caller, arguments)
    assert not result.is_error, text_of(result)
    return dict(result.structured_content)


async def refusal(caller: Caller, arguments: Mapping[str, object]) -> str:
    result = await echo.call(caller, arguments)
    assert result.is_error
    text = str(text_of(result))
    assert "pydantic" not in text
    assert "Input should" not in text
    return text


def test_the_definition_says_everything_a_client_shows() -> None:
    definition = echo.definition.model_dump(by_alias=True, exclude_none=True)
    assert definition["name"] == "echo"
    assert definition["title"] == "Echo"
    assert definition["description"] == "Echo what was sent.\n\nSecond paragraph."
    assert definition["annotations"] == {
        "title": "Echo",
        "readOnlyHint": True,
        "destructiveHint": False,
        "idempotentHint": True,
        "openWorldHint": False,
    }


def test_the_input_schema_is_closed_and_plain() -> None:
    schema = echo.definition.input_schema
    assert schema["type"] == "object"
    assert schema["additionalProperties"] is False
    assert schema["required"] == ["text"]
    assert schema["properties"]["text"] == {
        "type": "string",
        "maxLength": 5,
        "pattern": "^[a-z]*$",
        "description": "Some text.",
    }
    assert schema["properties"]["maybe"] == {"type": "integer"}
    assert schema["properties"]["items"]["items"]["properties"]["size"] == {
        "type": "integer",
        "minimum": 1,
        "default": 1,
    }


def test_members_that_may_be_absent_are_not_required_of_answers() -> None:
    schema = echo.definition.output_schema
    assert schema is not None
    assert schema["required"] == ["text", "number", "flag", "items", "color"]
    assert schema["properties"]["maybe"] == {"type": "integer"}


async def test_a_result_is_structured_and_the_same_json_as_text(nobody: Caller) -> None:
    result = await echo.call(nobody, {"text": "a"})
    assert json.loads(text_of(result)) == result.structured_content
    assert "maybe" not in result.structured_content


@pytest.mark.parametrize(
    "sent",
    [
        {"number": 5, "flag": True, "items": [{"name": "n", "size": 2}], "maybe": 7},
        {"number": "5", "flag": "true", "items": '[{"name": "n", "size": "2"}]', "maybe": "7"},
        {"number": 5.0, "flag": 1, "items": [{"name": "n", "size": 2.0}], "maybe": 7.0},
    ],
)
async def test_values_spelt_as_strings_or_json_are_understood(
    nobody: Caller, sent: dict[str, object]
) -> None:
    result = await call(nobody, text="a", **sent)
    assert result["number"] == 5
    assert result["flag"] is True
    assert result["items"] == [{"name": "n", "size": 2}]
    assert result["maybe"] == 7


async def test_null_stands_for_an_argument_not_given(nobody: Caller) -> None:
    result = await call(nobody, text="a", number=None, items=None, maybe=None, color=None)
    assert (result["number"], result["items"], result["color"]) == (3, [], "red")


@pytest.mark.parametrize(
    ("sent", "named"),
    [
        ({}, "`text` is required"),
        ({"text": None}, "`text` is required"),
        ({"text": 5}, "`text` must be text"),
        ({"text": "\ud800"}, "`text` must be text"),
        ({"text": "abcdef"}, "`text` must have at most 5 characters"),
        ({"text": "A"}, "`text` must match"),
        ({"text": "a", "number": "five"}, "`number` must be a whole number"),
        ({"text": "a", "number": 1.5}, "`number` must be a whole number"),
        ({"text": "a", "number": "9" * 5000}, "`number` must be a whole number"),
        ({"text": "a", "number": 10}, "`number` must be at most 9"),
        ({"text": "a", "number": "-1"}, "`number` must be at least 0"),
        ({"text": "a", "flag": "perhaps"}, "`flag` must be true or false"),
        ({"text": "a", "items": "no json"}, "`items` must be a list"),
        ({"text": "a", "items": "[" * 100_000}, "`items` must be a list"),
        ({"text": "a", "items": ["x"]}, "`items[0]` must be an object"),
        ({"text": "a", "items": [{"size": 1}]}, "`items[0].name` is required"),
        ({"text": "a", "items": [{"name": "n", "sise": 1}]}, "`items[0].sise` is not known"),
        ({"text": "a", "color": "green"}, "`color` must be 'red' or 'blue'"),
    ],
)
async def test_a_wrong_argument_is_named_with_what_it_must_be(
    nobody: Caller, sent: dict[str, object], named: str
) -> None:
    assert named in await refusal(nobody, sent)


async def test_an_unknown_argument_is_refused_with_the_list_of_known_ones(nobody: Caller) -> None:
    text = await refusal(nobody, {"text": "a", "limt": 5, "x" * 500: 1})
    assert "`limt`" in text
    assert "`text`, `number`, `flag`, `items`, `maybe`, `color`" in text
    assert len(text) < 300


async def test_every_problem_is_named_at_once(nobody: Caller) -> None:
    text = await refusal(nobody, {"text": 1, "number": "x", "color": "green"})
    assert all(name in text for name in ("`text`", "`number`", "`color`"))


def test_a_name_can_be_added_once() -> None:
    registry = ToolRegistry()
    registry.add(echo)
    with pytest.raises(ValueError, match="echo"):
        registry.add(echo)
    assert registry.get("echo") is echo
    assert registry.get("other") is None


def _members(schema: object) -> list[tuple[str, object]]:
    if isinstance(schema, dict):
        return [*schema.items(), *(pair for value in schema.values() for pair in _members(value))]
    if isinstance(schema, list):
        return [pair for value in schema for pair in _members(value)]
    return []


@pytest.mark.parametrize("known", ALL_TOOLS, ids=lambda known: known.name)
def test_every_tool_has_valid_lean_schemas_and_a_description(known: Tool) -> None:
    definition = known.definition
    assert definition.output_schema is not None
    assert definition.title
    assert definition.description
    for schema in (definition.input_schema, definition.output_schema):
        Draft202012Validator.check_schema(schema)
        assert schema["type"] == "object"
        members = _members(schema)
        assert not [name for name, _ in members if name in ("$ref", "$defs", "title", "anyOf")]
        assert not [name for name, value in members if value is None]
    assert definition.input_schema["additionalProperties"] is False
    assert all(member.get("description") for member in definition.input_schema["properties"].values())
    assert definition.annotations is not None
    assert None not in definition.annotations.model_dump().values()


@pytest.mark.parametrize("revision", REVISIONS)
async def test_definitions_and_results_fit_every_revision(nobody: Caller, revision: str) -> None:
    listing = {
        "tools": [known.definition.model_dump(by_alias=True, exclude_none=True) for known in ALL_TOOLS],
        "resultType": "complete",
        "ttlMs": 0,
        "cacheScope": "private",
    }
    listed = serialize_server_result("tools/list", revision, listing)
    assert [known["name"] for known in listed["tools"]] == [known.name for known in ALL_TOOLS]
    assert listed["tools"][0]["inputSchema"] == ALL_TOOLS[0].definition.input_schema
    result = await echo.call(nobody, {"text": "a"})
    dumped = result.model_dump(by_alias=True, exclude_none=True, mode="json")
    called = serialize_server_result("tools/call", revision, dumped)
    assert called["structuredContent"] == result.structured_content
    assert called["isError"] is False
