"""Results to JSON, in the shape of the revision spoken (MCP "Results", "Caching").

Every result of 2026-07-28 says its type and which server gave it; what may be kept says for how long and for
whom. That is always the caller alone: every list and every reading depends on what was granted.
"""

from collections.abc import Mapping
from typing import Any, Final

import mcp_types
from mcp_types.methods import serialize_server_result
from pydantic import BaseModel, TypeAdapter
from pydantic_core import to_json

from mcp_server.protocol.calls import wire_of
from mcp_server.protocol.versions import Revision
from mcp_server.tools import icons
from mcp_server.tools.context import Question

_CALL_RESULT: Final = TypeAdapter(mcp_types.CallToolResult)


class Encoder:
    """Writes results; knows what the server says about itself."""

    def __init__(self, server: mcp_types.Implementation) -> None:
        """Take name, title, version and page of the server."""
        self._server = server.model_dump(mode="json", by_alias=True, exclude_none=True)
        drawn = [icon.model_dump(mode="json", by_alias=True, exclude_none=True) for icon in icons.SERVER]
        self._meta_at_end = b',"_meta":' + to_json({mcp_types.SERVER_INFO_META_KEY: self._server}) + b"}"
        # With every result goes the short form; the picture once, where clients meet the server.
        self.introduction: Mapping[str, object] = {**self._server, "icons": drawn}

    def encode(self, method: str, revision: Revision, result: Mapping[str, object]) -> bytes:
        """Return a result of any method; members that the revision does not have are dropped."""
        if revision.modern:
            result = {
                "resultType": "complete",
                "cacheScope": "private",
                **result,
                "_meta": {mcp_types.SERVER_INFO_META_KEY: self._server, **_members(result.get("_meta"))},
            }
        return to_json(serialize_server_result(method, revision.name, result))

    def encode_call(self, result: mcp_types.CallToolResult, revision: Revision) -> bytes:
        """Return a tool's result."""
        # Straight from the model: it was built here, and fits every revision but for what is set or left out
        # below. Validating it again would cost more than anything else in a request.
        if not revision.modern:
            return _CALL_RESULT.dump_json(result, by_alias=True, exclude_none=True, exclude={"result_type"})
        if result.meta is None:
            return _CALL_RESULT.dump_json(result, by_alias=True, exclude_none=True)[:-1] + self._meta_at_end
        meta = {**result.meta, mcp_types.SERVER_INFO_META_KEY: self._server}
        stamped = result.model_copy(update={"meta": meta})
        return _CALL_RESULT.dump_json(stamped, by_alias=True, exclude_none=True)

    def encode_structured(self, content: BaseModel, revision: Revision) -> bytes:
        """Return a tool's result that is a model: as structured content, and the same JSON as text."""
        # Written once and by hand: the model of the whole result would be built, checked and written again.
        text = content.model_dump_json(by_alias=True, exclude_none=True)
        pieces = (
            b'{"content":[{"type":"text","text":',
            to_json(text),
            b'}],"structuredContent":',
            text.encode(),
            b',"isError":false',
            b',"resultType":"complete"' + self._meta_at_end if revision.modern else b"}",
        )
        return b"".join(pieces)

    def encode_questions(self, questions: Mapping[str, Question], state: str) -> bytes:
        """Return the result that asks the client for input and to send the request again."""
        result: dict[str, Any] = {
            "resultType": "input_required",
            "inputRequests": {key: wire_of(question) for key, question in questions.items()},
            "requestState": state,
            "_meta": {mcp_types.SERVER_INFO_META_KEY: self._server},
        }
        return to_json(result)


def _members(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}
