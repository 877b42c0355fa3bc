"""The suite's tools that ask the client."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import mcp_types
from mcp_types import CallToolResult

from mcp_server.tools.context import Question, ToolContext
from mcp_server.tools.registry import Tool, tool
from tests.conformance.tools import READS, said


def form(message: str, name: str, kind: str = "string") -> Question:
    """Return a form with one field."""
    schema = {"type": "object", "properties": {name: {"type": kind}}, "required": [name]}
    params = mcp_types.ElicitRequestFormParams(message=message, requested_schema=schema)
    return mcp_types.ElicitRequest(params=params)


def sampling(text: str, max_tokens: int = 100) -> Question:
    """Return a question to the client's model."""
    message = mcp_types.SamplingMessage(role="user", content=mcp_types.TextContent(type="text", text=text))
    params = mcp_types.CreateMessageRequestParams(messages=[message], max_tokens=max_tokens)
    return mcp_types.CreateMessageRequest(params=params)


def roots() -> Question:
    """Return the question for the client's roots."""
    return mcp_types.ListRootsRequest(params=mcp_types.RequestParams())


def content_of(answer: Mapping[str, Any], name: str) -> Any:
    """Return a field of a form that was sent."""
    return (answer.get("content") or {}).get(name)


def asking(name: str, questions: Mapping[str, Question], reply: str, *, bound: bool = True) -> Tool:
    """Return a tool that asks questions in one round and then answers with a text."""

    async def ask(context: ToolContext) -> CallToolResult:
        """Ask, then answer."""
        await context.ask(questions, bound=bound)
        return said(reply)

    return named(name, ask)


def named(name: str, function: Callable[..., Awaitable[CallToolResult]]) -> Tool:
    """Return a tool of another name than its function's."""
    function.__name__ = name
    return tool(scope=None, title=name, annotations=READS)(function)


@tool(scope=None, title="Name", annotations=READS)
async def test_input_required_result_elicitation(context: ToolContext) -> CallToolResult:
    """Greet by name; the answer may come unasked."""
    answers = await context.ask({"user_name": form("What is your name?", "name")}, bound=False)
    return said(f"Hello, {content_of(answers['user_name'], 'name')}!")


@tool(scope=None, title="Two rounds", annotations=READS)
async def test_input_required_result_multi_round(context: ToolContext) -> CallToolResult:
    """Ask one thing after another."""
    first = await context.ask({"step1": form("Step 1: What is your name?", "name")})
    second = await context.ask({"step2": form("Step 2: What is your favorite color?", "color")})
    return said(f"{content_of(first['step1'], 'name')} likes {content_of(second['step2'], 'color')}.")


@tool(scope=None, title="By capability", annotations=READS)
async def test_input_required_result_capabilities(context: ToolContext) -> CallToolResult:
    """Ask only for what the client can do."""
    questions: dict[str, Question] = {}
    if context.can_ask("sampling"):
        questions["sample"] = sampling("Say hello.")
    if context.can_ask("elicitation"):
        questions["name"] = form("What is your name?", "name")
    await context.ask(questions)
    return said("Answered.")


@tool(scope=None, title="Sampling", annotations=READS)
async def test_sampling(context: ToolContext, prompt: str) -> CallToolResult:
    """Ask the client's model."""
    answers = await context.ask({"sample": sampling(prompt)})
    return said(str(answers["sample"].get("content")))


@tool(scope=None, title="Elicitation", annotations=READS)
async def test_elicitation(context: ToolContext, message: str) -> CallToolResult:
    """Ask the client's person."""
    answers = await context.ask({"form": form(message, "response")})
    return said(f"Action: {answers['form']['action']}")


@tool(scope=None, title="Stream and ask", annotations=READS)
async def test_streaming_elicitation(context: ToolContext) -> CallToolResult:
    """Report progress, then ask."""
    await context.report_progress(1, 2)
    await context.ask({"form": form("Go on?", "ok", "boolean")})
    return said("Went on.")


_CONFIRM: Final = {"confirm": form("Please confirm", "ok", "boolean")}

TOOLS: Final[tuple[Tool, ...]] = (
    test_sampling,
    test_elicitation,
    test_streaming_elicitation,
    asking("test_elicitation_sep1034_defaults", _CONFIRM, "Answered."),
    asking("test_elicitation_sep1330_enums", _CONFIRM, "Answered."),
    test_input_required_result_elicitation,
    test_input_required_result_multi_round,
    test_input_required_result_capabilities,
    asking(
        "test_input_required_result_sampling",
        {"capital_question": sampling("What is the capital of France?")},
        "Paris.",
    ),
    asking("test_input_required_result_list_roots", {"client_roots": roots()}, "Seen."),
    asking("test_input_required_result_request_state", _CONFIRM, "state-ok"),
    asking("test_input_required_result_tampered_state", _CONFIRM, "Not tampered with."),
    asking(
        "test_input_required_result_multiple_inputs",
        {
            "user_name": form("What is your name?", "name"),
            "greeting": sampling("Generate a greeting", 50),
            "client_roots": roots(),
        },
        "All answered.",
    ),
)
