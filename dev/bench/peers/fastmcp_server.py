"""FastMCP, stateless, with the same guard (`JWTVerifier` on our keys) and a tool that does little.

`fast`: answers in JSON, uvloop and httptools, no line in a log. `plain`: as `pip install fastmcp` runs it,
which brings neither, answers in event streams, and logs each request.
"""

import os
import sys
from typing import Any

from fastmcp import FastMCP
from fastmcp.server.auth.providers.jwt import JWTVerifier

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


@server.tool
def whoami() -> dict[str, str]:
    """Say something, and ask nobody."""
    return {"credential": "oauth"}


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
