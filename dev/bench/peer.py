"""The peer: FastMCP, stateless, with the same guard (`JWTVerifier` on our keys) and a tool that does little.

Runs in an environment of its own (requirements/bench.txt), so it imports nothing of this project.
"""

import os

import uvicorn
from fastmcp import FastMCP
from fastmcp.server.auth.providers.jwt import JWTVerifier

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
    uvicorn.run(
        server.http_app(path="/mcp", stateless_http=True, json_response=True),
        host="127.0.0.1",
        port=int(os.environ["BENCH_PORT"]),
        access_log=False,
        log_level="warning",
    )
