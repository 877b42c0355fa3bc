"""The suite's resources and prompts."""

import base64
from collections.abc import Mapping, Sequence
from typing import Final

from mcp_types import ContentBlock, PromptMessage, TextContent
from pydantic import BaseModel

from mcp_server.prompts.registry import prompt
from mcp_server.resources.registry import resource
from mcp_server.tools.context import ToolContext
from tests.conformance.questions import content_of, form
from tests.conformance.tools import PIXEL, embedded, picture


class Data(BaseModel):
    """What the template gives."""

    id: str
    templateTest: bool  # noqa: N815 - the suite's name
    data: str


@resource("test://static-text", scope=None, title="Text", mime_type="text/plain")
async def static_text(context: ToolContext) -> str:
    """A text."""
    return "This is the content of the static text resource."


@resource("test://static-binary", scope=None, title="Image", mime_type="image/png")
async def static_binary(context: ToolContext) -> bytes:
    """An image."""
    return base64.b64decode(PIXEL)


@resource("test://watched-resource", scope=None, title="Watched", mime_type="text/plain")
async def watched_resource(context: ToolContext) -> str:
    """A text that never changes."""
    return "Nothing happens here."


@resource("test://template/{id}/data", scope=None, title="Template", mime_type="application/json")
async def template_data(context: ToolContext, id: str) -> Data:  # noqa: A002 - the suite's name
    """Data by id."""
    return Data(id=id, templateTest=True, data=f"Data for ID: {id}")


async def suggest(_context: ToolContext, typed: str, _known: Mapping[str, str]) -> list[str]:
    """Return words that begin with what was typed."""
    return [word for word in ("test", "testing", "paris", "park") if word.startswith(typed)]


def of_user(*content: ContentBlock | str) -> list[PromptMessage]:
    """Return messages of the user; a string is text."""
    blocks = [TextContent(type="text", text=item) if isinstance(item, str) else item for item in content]
    return [PromptMessage(role="user", content=block) for block in blocks]


@prompt(scope=None, title="Simple")
async def test_simple_prompt(context: ToolContext) -> str:
    """A prompt without arguments."""
    return "This is a simple prompt for testing."


@prompt(scope=None, title="Arguments", completions={"arg1": suggest, "arg2": suggest})
async def test_prompt_with_arguments(context: ToolContext, arg1: str, arg2: str) -> str:
    """A prompt with two arguments."""
    return f"Prompt with arguments: arg1='{arg1}', arg2='{arg2}'"


@prompt(scope=None, title="Embedded resource")
async def test_prompt_with_embedded_resource(
    context: ToolContext,
    resourceUri: str,  # noqa: N803 - the suite's name
) -> Sequence[PromptMessage]:
    """A prompt with a resource."""
    shown = embedded(resourceUri, "text/plain", "Embedded resource content for testing.")
    return of_user(shown, "Please process the embedded resource above.")


@prompt(scope=None, title="Image")
async def test_prompt_with_image(context: ToolContext) -> Sequence[PromptMessage]:
    """A prompt with an image."""
    return of_user(picture(), "Please analyze the image above.")


@prompt(scope=None, title="Asking")
async def test_input_required_result_prompt(context: ToolContext) -> str:
    """A prompt that asks first."""
    answers = await context.ask({"user_context": form("What context should the prompt use?", "context")})
    return f"Use this context: {content_of(answers['user_context'], 'context')}"


RESOURCES: Final = (static_text, static_binary, watched_resource, template_data)
PROMPTS: Final = (
    test_simple_prompt,
    test_prompt_with_arguments,
    test_prompt_with_embedded_resource,
    test_prompt_with_image,
    test_input_required_result_prompt,
)
