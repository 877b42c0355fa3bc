"""The suite's tools that ask nothing."""

import asyncio
import base64
from typing import Annotated, Any, Final

from mcp_types import (
    AudioContent,
    CallToolResult,
    ContentBlock,
    EmbeddedResource,
    ImageContent,
    TextContent,
    TextResourceContents,
)
from pydantic import Field

from mcp_server.tools.context import MissingCapabilityError, ToolContext
from mcp_server.tools.failures import ToolError
from mcp_server.tools.registry import Annotations, Tool, tool

READS: Final = Annotations(read_only=True, destructive=False, idempotent=True, open_world=False)
PIXEL: Final = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=="
)
SILENCE: Final = base64.b64encode(
    b"RIFF$\x00\x00\x00WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00"
    b"@\x1f\x00\x00@\x1f\x00\x00\x01\x00\x08\x00data\x00\x00\x00\x00"
).decode()
PAUSE: Final = 0.05


def said(*content: ContentBlock | str) -> CallToolResult:
    """Return a result of content blocks; a string is text."""
    blocks = [TextContent(type="text", text=item) if isinstance(item, str) else item for item in content]
    return CallToolResult(content=blocks)


def embedded(uri: str, mime_type: str, text: str) -> EmbeddedResource:
    """Return an embedded text resource."""
    contents = TextResourceContents(uri=uri, mime_type=mime_type, text=text)
    return EmbeddedResource(type="resource", resource=contents)


def picture() -> ImageContent:
    """Return an image of one pixel."""
    return ImageContent(type="image", data=PIXEL, mime_type="image/png")


@tool(scope=None, title="Text", annotations=READS)
async def test_simple_text(context: ToolContext) -> CallToolResult:
    """Return a text."""
    return said("This is a simple text response for testing.")


@tool(scope=None, title="Image", annotations=READS)
async def test_image_content(context: ToolContext) -> CallToolResult:
    """Return an image."""
    return said(picture())


@tool(scope=None, title="Audio", annotations=READS)
async def test_audio_content(context: ToolContext) -> CallToolResult:
    """Return a sound."""
    return said(AudioContent(type="audio", data=SILENCE, mime_type="audio/wav"))


@tool(scope=None, title="Embedded resource", annotations=READS)
async def test_embedded_resource(context: ToolContext) -> CallToolResult:
    """Return an embedded resource."""
    return said(embedded("test://embedded-resource", "text/plain", "This is an embedded resource content."))


@tool(scope=None, title="Several kinds", annotations=READS)
async def test_multiple_content_types(context: ToolContext) -> CallToolResult:
    """Return text, an image and a resource."""
    data = embedded("test://mixed-content-resource", "application/json", '{"test":"data","value":123}')
    return said("Multiple content types test:", picture(), data)


@tool(scope=None, title="Log messages", annotations=READS)
async def test_tool_with_logging(context: ToolContext) -> CallToolResult:
    """Send three log messages."""
    for message in ("Tool execution started", "Tool processing data", "Tool execution completed"):
        await context.log("info", message)
        await asyncio.sleep(PAUSE)
    return said("Logged three messages.")


@tool(scope=None, title="Log message", annotations=READS)
async def test_logging_tool(context: ToolContext) -> CallToolResult:
    """Send one log message, if the request asks for any."""
    await context.log("warning", "A message.")
    return said("Done.")


@tool(scope=None, title="Progress", annotations=READS)
async def test_tool_with_progress(context: ToolContext) -> CallToolResult:
    """Report progress three times."""
    for progress in (0, 50, 100):
        await context.report_progress(progress, 100)
        await asyncio.sleep(PAUSE)
    return said("Reported three times.")


@tool(scope=None, title="Error", annotations=READS)
async def test_error_handling(context: ToolContext) -> CallToolResult:
    """Fail."""
    raise ToolError("This tool intentionally returns an error for testing")


@tool(scope=None, title="Reconnection", annotations=READS)
async def test_reconnection(context: ToolContext) -> CallToolResult:
    """Answer after a while; there is no stream to come back to."""
    await asyncio.sleep(PAUSE)
    return said("Answered.")


@tool(scope=None, title="Missing capability", annotations=READS)
async def test_missing_capability(context: ToolContext) -> CallToolResult:
    """Need what the client may not have."""
    if not context.can_ask("sampling"):
        raise MissingCapabilityError("sampling")
    return said("The client can be asked for a model's answer.")


@tool(scope=None, title="Header", annotations=READS)
async def test_x_mcp_header(
    context: ToolContext,
    region: Annotated[str, Field(json_schema_extra={"x-mcp-header": "Region"})] = "",  # noqa: PT028 - no test
) -> CallToolResult:
    """Take an argument that a header repeats."""
    return said(f"Region: {region}")


@tool(scope=None, title="JSON Schema 2020-12", annotations=READS)
async def json_schema_2020_12_tool(
    context: ToolContext,
    name: str = "",
    address: dict[str, str] | None = None,
    contactMethod: str = "",  # noqa: N803 - the suite's names
    phone: str = "",
    email: str = "",
) -> CallToolResult:
    """Tool with JSON Schema 2020-12 features"""
    return said(name)


SCHEMA_2020_12: Final[dict[str, Any]] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "$defs": {
        "address": {
            "$anchor": "addressDef",
            "type": "object",
            "properties": {"street": {"type": "string"}, "city": {"type": "string"}},
        }
    },
    "properties": {
        "name": {"type": "string"},
        "address": {"$ref": "#/$defs/address"},
        "contactMethod": {"type": "string", "enum": ["phone", "email"]},
        "phone": {"type": "string"},
        "email": {"type": "string"},
    },
    "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
    "if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
    "then": {"required": ["phone"]},
    "else": {"required": ["email"]},
    "additionalProperties": False,
}
# What a list shows passes through unchanged, whatever a schema is made of.
json_schema_2020_12_tool.definition.input_schema = SCHEMA_2020_12

TOOLS: Final[tuple[Tool, ...]] = (
    test_simple_text,
    test_image_content,
    test_audio_content,
    test_embedded_resource,
    test_multiple_content_types,
    test_tool_with_logging,
    test_logging_tool,
    test_tool_with_progress,
    test_error_handling,
    test_reconnection,
    test_missing_capability,
    test_x_mcp_header,
    json_schema_2020_12_tool,
)
