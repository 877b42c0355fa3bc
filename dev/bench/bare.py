"""The floor: bare uvicorn reads a request and returns bytes that were prepared, by path."""

import json
import os
from pathlib import Path
from typing import Any

_BODIES: dict[str, bytes] = {
    path: body.encode()
    for path, body in json.loads(Path(os.environ["BENCH_BODIES"]).read_text(encoding="utf-8")).items()
}


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Answer one request."""
    if scope["type"] != "http":
        return
    while (await receive()).get("more_body"):
        pass
    body = _BODIES[scope["path"]]
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
