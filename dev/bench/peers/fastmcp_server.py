"""FastMCP, stateless, with the same guard (`JWTVerifier` on our keys) and the same tools; one does little.

`fast`: answers in JSON, uvloop and httptools, no line in a log. `plain`: as `pip install fastmcp` runs it,
which brings neither, answers in event streams, and logs each request.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

import mcp_types
from fastmcp import FastMCP
from fastmcp.server.auth.providers.jwt import JWTVerifier
from fastmcp.tools import Tool

FAST: dict[str, Any] = {"http": "httptools", "loop": "uvloop", "access_log": False, "log_level": "warning"}
PLAIN: dict[str, Any] = {"http": "h11", "loop": "asyncio"}

server = FastMCP(
    "peer",
    auth=JWTVerifier(
        jwks_uri=os.environ["BENCH_JWKS"],
        issuer=os.environ["BENCH_ISSUER"],
        audience=os.environ["BENCH_AUDIENCE"],
        algorithm="RS256",
    ),
)


def whoami() -> dict[str, str]:
    """Say something, and ask nobody."""
    return {"credential": "oauth"}


def tool(definition: mcp_types.Tool) -> Tool:
    """Return the tool that is called, or one that is only listed, as it is defined."""
    shown: dict[str, Any] = {
        "name": definition.name,
        "title": definition.title,
        "description": definition.description,
        "icons": definition.icons,
        "annotations": definition.annotations,
    }
    if definition.name == whoami.__name__:
        return Tool.from_function(whoami, **shown)
    return Tool(parameters=definition.input_schema, output_schema=definition.output_schema, **shown)


for listed in json.loads(Path(os.environ["BENCH_TOOLS"]).read_text(encoding="utf-8")):
    server.add_tool(tool(mcp_types.Tool.model_validate(listed)))


if __name__ == "__main__":
    is_fast = sys.argv[1] == "fast"
    server.run(
        transport="http",
        show_banner=False,
        host="127.0.0.1",
        port=int(os.environ["BENCH_PORT"]),
        path="/mcp",
        stateless_http=True,
        json_response=is_fast,
        uvicorn_config=FAST if is_fast else PLAIN,
    )
