"""A driver that calls tools as the protocol layer does, with a Val Town to talk to."""

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import httpx
from mcp_types import CallToolResult, TextContent

from mcp_server.auth.principal import Principal
from mcp_server.tools.catalog import build_registry
from mcp_server.tools.context import Question
from shared.valtown.client import ValTownClient
from shared.valtown.transport import DEFAULT_BOUNDS, Bounds

BASE_URL = "http://sandbox.test"

PRINCIPAL = Principal(
    subject="user-1",
    client_id="client-1",
    grant_id="grant-1",
    granted=("read", "write"),
    scopes=frozenset({"vals:read", "vals:write", "files:read", "files:write", "user:read"}),
    expires_at=1_800_000_000,
    token_id="jti-1",
)


@dataclass
class Caller:
    """Calls tools by name; `requests` is what reached Val Town, `progress` what was reported on the way."""

    transport: httpx.AsyncBaseTransport
    token: str = "vtwn_sandbox_ada"
    principal: Principal = PRINCIPAL
    requests: list[httpx.Request] = field(default_factory=list)
    progress: list[float] = field(default_factory=list)
    bounds: Bounds = DEFAULT_BOUNDS

    def with_token(self, token: str) -> "Caller":
        return replace(self, token=token)

    async def valtown(self) -> ValTownClient:
        async def remember(request: httpx.Request) -> None:
            self.requests.append(request)

        async def no_pause(_seconds: float) -> None:
            return None

        http = httpx.AsyncClient(transport=self.transport, event_hooks={"request": [remember]})
        return ValTownClient(http, BASE_URL, self.token, bounds=self.bounds, sleep=no_pause)

    async def report_progress(
        self, progress: float, total: float | None = None, message: str | None = None
    ) -> None:
        self.progress.append(progress)

    async def log(self, level: str, data: object) -> None:
        return None

    def can_ask(self, capability: str = "elicitation") -> bool:
        return False

    async def ask(
        self, questions: Mapping[str, Question], *, bound: bool = True
    ) -> Mapping[str, Mapping[str, Any]]:
        raise AssertionError("this client cannot be asked")

    async def confirm(self, message: str) -> bool:
        raise AssertionError("this client cannot be asked")

    async def result(self, tool: str, **arguments: object) -> CallToolResult:
        found = build_registry().get(tool)
        assert found is not None
        return await found.call(self, arguments)

    async def ok(self, tool: str, **arguments: object) -> dict[str, object]:
        """Return the structured content of a call that must succeed."""
        result = await self.result(tool, **arguments)
        assert not result.is_error, text_of(result)
        assert isinstance(result.structured_content, dict)
        return result.structured_content

    async def refused(self, tool: str, **arguments: object) -> str:
        """Return the text of a call that must be an error result."""
        result = await self.result(tool, **arguments)
        assert result.is_error
        assert result.structured_content is None
        text = text_of(result)
        assert self.token not in text
        return text


def text_of(result: CallToolResult) -> str:
    (content,) = result.content
    assert isinstance(content, TextContent)
    return content.text


def stubbed(answer: Callable[[httpx.Request], httpx.Response]) -> Caller:
    """Return a caller whose Val Town answers by a function."""

    async def handle(request: httpx.Request) -> httpx.Response:
        given = answer(request)
        return httpx.Response(given.status_code, headers=given.headers, stream=_Body(given.content))

    return Caller(httpx.MockTransport(handle))


class _Body(httpx.AsyncByteStream):
    """A body as it comes from a connection."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._content
