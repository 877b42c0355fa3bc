"""Reading an event stream (HTML Living Standard section 9.2)."""

import json
from typing import Any

import httpx


def messages_of(stream: str | bytes) -> list[dict[str, Any]]:
    """Return the JSON messages of a stream, in order; comments are left out."""
    text = stream.decode() if isinstance(stream, bytes) else stream
    return [
        json.loads(line.removeprefix("data: ")) for line in text.splitlines() if line.startswith("data: ")
    ]


def is_stream(response: httpx.Response) -> bool:
    """Return whether a response is an event stream."""
    return response.headers["content-type"].startswith("text/event-stream")
