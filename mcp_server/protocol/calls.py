"""One call as a tool sees it: progress, log messages and questions in the manner of the revision spoken."""

from collections.abc import Mapping
from typing import Any, Final, Protocol, get_args

import mcp_types
from mcp_types import LoggingLevel
from pydantic import BaseModel, ValidationError

from mcp_server.auth.principal import Principal
from mcp_server.protocol.input_states import Answers, question_digest
from mcp_server.protocol.jsonrpc import MAX_ID_LENGTH, Request, encode_notification
from mcp_server.protocol.versions import Revision
from mcp_server.tools.context import Capability, InputRequiredError, MissingCapabilityError, Question
from shared.valtown.client import ValTownClient

_LEVELS: Final[tuple[str, ...]] = get_args(LoggingLevel)

_HANDSHAKE_LEVEL: Final = "info"
"""What handshake revisions get: `logging/setLevel` is a session's, and there is none to remember it."""

_CAPABILITY: Final[Mapping[str, Capability]] = {
    "elicitation/create": "elicitation",
    "sampling/createMessage": "sampling",
    "roots/list": "roots",
}
_ANSWER: Final[Mapping[str, type[BaseModel]]] = {
    "elicitation/create": mcp_types.ElicitResult,
    "sampling/createMessage": mcp_types.CreateMessageResult,
    "roots/list": mcp_types.ListRootsResult,
}
_AGREED: Final = "confirm"


class Host(Protocol):
    """What the transport gives to the calls of one request."""

    @property
    def principal(self) -> Principal:
        """The caller."""

    async def valtown(self) -> ValTownClient:
        """Return Val Town as the caller sees it."""

    async def notify(self, message: bytes) -> None:
        """Send a notification, unless the client takes none."""


class Call:
    """A `mcp_server.tools.context.ToolContext` for one request."""

    __slots__ = ("_answers", "_host", "_progress", "_revision", "found", "has_failed", "meta")

    def __init__(self, host: Host, revision: Revision, request: Request, answers: Answers) -> None:
        """Take the transport, the revision, the request and the answers that came with it."""
        meta = request.params.get("_meta")
        self._host = host
        self._revision = revision
        self.meta: Mapping[str, object] = meta if isinstance(meta, dict) else {}
        """`_meta` of the request, as it came."""
        self._answers = answers
        self._progress = float("-inf")
        self.found: dict[str, object] = {}
        """Answers that were valid, by the digest of their question."""
        self.has_failed = False
        """Whether the result says that the tool did not do it."""

    @property
    def principal(self) -> Principal:
        """The caller."""
        return self._host.principal

    async def valtown(self) -> ValTownClient:
        """Return Val Town as the caller sees it, as `ToolContext.valtown`."""
        return await self._host.valtown()

    async def report_progress(
        self, progress: float, total: float | None = None, message: str | None = None
    ) -> None:
        """Send `notifications/progress` when the request has a token and the value grew."""
        token = self.meta.get("progressToken")
        # It comes back with every notification, so it is bounded like an id.
        if not isinstance(token, str | int) or len(str(token)) > MAX_ID_LENGTH or progress <= self._progress:
            return
        self._progress = progress
        params: dict[str, object] = {"progressToken": token, "progress": progress}
        if total is not None:
            params["total"] = total
        if message is not None:
            params["message"] = message
        await self._host.notify(encode_notification("notifications/progress", params))

    async def log(self, level: LoggingLevel, data: object) -> None:
        """Send `notifications/message` when it is at or above the level that the request asks for."""
        wanted = self.meta.get(mcp_types.LOG_LEVEL_META_KEY) if self._revision.modern else _HANDSHAKE_LEVEL
        if wanted not in _LEVELS or _LEVELS.index(level) < _LEVELS.index(str(wanted)):
            return
        params = {"level": level, "logger": "val-town", "data": data}
        await self._host.notify(encode_notification("notifications/message", params))

    def can_ask(self, capability: Capability = "elicitation") -> bool:
        """Return whether this request's client declared the capability; forms, for elicitation."""
        if not self._revision.modern:
            return False
        declared = self.meta.get(mcp_types.CLIENT_CAPABILITIES_META_KEY)
        value = declared.get(capability) if isinstance(declared, dict) else None
        if not isinstance(value, dict):
            return False
        # An empty object stands for forms, which were there before other modes.
        return capability != "elicitation" or not value or "form" in value

    async def ask(
        self, questions: Mapping[str, Question], *, bound: bool = True
    ) -> Mapping[str, Mapping[str, Any]]:
        """Return the answers, as `ToolContext.ask`."""
        unanswered: dict[str, Question] = {}
        answers: dict[str, Mapping[str, Any]] = {}
        for key, question in questions.items():
            capability = _CAPABILITY[question.method]
            if not self.can_ask(capability):
                raise MissingCapabilityError(capability)
            answer = self._answer(key, question, bound=bound)
            if answer is None:
                unanswered[key] = question
            else:
                answers[key] = answer
        if unanswered:
            raise InputRequiredError(unanswered)
        return answers

    async def confirm(self, message: str) -> bool:
        """Return whether the person agrees: the form's box is ticked, and the form sent."""
        schema: dict[str, Any] = {
            "type": "object",
            "properties": {
                _AGREED: {"type": "boolean", "title": "Yes, do it", "default": False},
            },
            "required": [_AGREED],
        }
        params = mcp_types.ElicitRequestFormParams(message=message, requested_schema=schema)
        answers = await self.ask({_AGREED: mcp_types.ElicitRequest(params=params)})
        answer = answers[_AGREED]
        content = answer.get("content") or {}
        return answer["action"] == "accept" and content.get(_AGREED) is True

    def digests(self, questions: Mapping[str, Question]) -> frozenset[str]:
        """Return what identifies these questions in the state of the call."""
        return frozenset(question_digest(key, wire_of(question)) for key, question in questions.items())

    def _answer(self, key: str, question: Question, *, bound: bool) -> Mapping[str, Any] | None:
        digest = question_digest(key, wire_of(question))
        value = self._answers.earlier.get(digest)
        if value is None and (digest in self._answers.asked or not bound):
            value = _valid(question, self._answers.given.get(key))
        if not isinstance(value, Mapping):
            return None
        self.found[digest] = value
        return value


def wire_of(question: Question) -> dict[str, Any]:
    """Return a question as clients get it."""
    return question.model_dump(mode="json", by_alias=True, exclude_none=True)


def _valid(question: Question, value: object) -> dict[str, Any] | None:
    try:
        answer = _ANSWER[question.method].model_validate(value, by_name=False)
    except ValidationError:
        return None
    return answer.model_dump(mode="json", by_alias=True, exclude_none=True)
