"""Tools of Val Town's own MCP server (https://api.val.town/v3/mcp): what its REST API cannot do.

One `tools/call` is one POST, without a session; the answer is JSON or an event stream with one response
(MCP "Streamable HTTP"). The server publishes no list of its tools: names and arguments are those that Val
Town's guides and clients use.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from pydantic_core import from_json

from shared.valtown.endpoints.family import Family
from shared.valtown.errors import BadRequest, Unavailable
from shared.valtown.models import Val
from shared.valtown.transport import Answer

MAX_TEXT: Final = 100_000
"""Characters of an answer that are kept."""

_STRANGE: Final = "The answer of Val Town's MCP server is not what MCP promises."


@dataclass(frozen=True, slots=True)
class OfficialResult:
    """What a tool of Val Town's server said: its text, its structured content if any, whether it failed."""

    text: str
    structured: Mapping[str, Any] | None
    is_error: bool


class Official(Family):
    """Calls that are forwarded, with the credential of the grant and about one val each."""

    async def call_official(
        self, url: str, tool: str, val: Val, arguments: Mapping[str, object]
    ) -> OfficialResult:
        """Return what a tool of the server at `url` says about a val.

        Raises:
            BadRequest: the server does not know the tool, or not with these arguments.
            Unavailable: its answer cannot be used; a write may have been made.
        """
        given = {name: value for name, value in arguments.items() if value is not None}
        named = f"{val.author.username}/{val.name}" if val.author.username else val.id
        message = {
            "jsonrpc": "2.0",
            "id": 1,
            "method": "tools/call",
            "params": {"name": tool, "arguments": {"val": named, **given}},
        }
        answer = await self._transport.post_rpc(url, message)
        return _result(_response(answer))


def _response(answer: Answer) -> Mapping[str, Any]:
    """Return the JSON-RPC response in an answer, wherever it stands in an event stream."""
    is_stream = answer.headers.get("content-type", "").lower().startswith("text/event-stream")
    for text in _events(answer.body) if is_stream else (answer.body,):
        try:
            message = from_json(text)
        except ValueError:
            continue
        if (
            isinstance(message, dict)
            and message.get("id") == 1
            and ("result" in message or "error" in message)
        ):
            return message
    raise Unavailable(answer.status, _STRANGE)


def _events(body: bytes) -> list[bytes]:
    events = body.replace(b"\r\n", b"\n").split(b"\n\n")
    return [
        b"\n".join(line[5:].removeprefix(b" ") for line in event.split(b"\n") if line.startswith(b"data:"))
        for event in events
    ]


def _result(response: Mapping[str, Any]) -> OfficialResult:
    error = response.get("error")
    if isinstance(error, dict):
        message = " ".join(str(error.get("message", "")).split())[:500]
        raise BadRequest(None, f"Val Town's MCP server refused the call: {message or 'no reason given'}.")
    result = response.get("result")
    content = result.get("content") if isinstance(result, dict) else None
    if not isinstance(result, dict) or not isinstance(content, list):
        raise Unavailable(None, _STRANGE)
    texts = [
        part["text"]
        for part in content
        if isinstance(part, dict) and part.get("type") == "text" and isinstance(part.get("text"), str)
    ]
    structured = result.get("structuredContent")
    return OfficialResult(
        "\n".join(texts)[:MAX_TEXT],
        structured if isinstance(structured, dict) else None,
        result.get("isError") is True,
    )
