"""A tool's result is written by hand for speed: it says what the wire models would have said."""

import json

import mcp_types
import pytest
from mcp_types.methods import serialize_server_result
from pydantic import BaseModel

from mcp_server.protocol.encoding import Encoder
from mcp_server.protocol.versions import REVISIONS, Revision


class Odd(BaseModel):
    """What is hard to write."""

    text: str
    number: float
    items: list[str | None]
    nothing: str | None = None


@pytest.mark.parametrize("revision", REVISIONS.values(), ids=REVISIONS)
@pytest.mark.parametrize("text", ["", '"}],"isError":true,"x":["', "\\\n\r\x00\x1f\u2028é😀"])
def test_it_says_what_the_wire_models_would_have_said(revision: Revision, text: str) -> None:
    encoder = Encoder(mcp_types.Implementation(name="val-town", version="1"))
    content = Odd(text=text, number=1.5, items=[text, None])
    shown = content.model_dump_json(exclude_none=True)
    whole = mcp_types.CallToolResult(
        content=[mcp_types.TextContent(type="text", text=shown)],
        structured_content=content.model_dump(mode="json", exclude_none=True),
    )
    written = json.loads(encoder.encode_structured(content, revision))
    assert written == json.loads(encoder.encode_call(whole, revision))
    serialize_server_result("tools/call", revision.name, written)
