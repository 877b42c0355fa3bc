"""The official Python SDK's own server, stateless, with the SDK's guard and the same tools; one does little.

The SDK leaves reading a token to a `TokenVerifier`; this one is PyJWT with kept keys, on the event loop,
which is as fast as it goes. `fast` and `plain` as with FastMCP.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

import jwt
import mcp_types
import uvicorn
from mcp.server import MCPServer
from mcp.server.auth.provider import AccessToken
from mcp.server.auth.settings import AuthSettings
from mcp.server.mcpserver.tools import Tool

FAST: dict[str, Any] = {"http": "httptools", "loop": "uvloop", "access_log": False, "log_level": "warning"}
PLAIN: dict[str, Any] = {"http": "h11", "loop": "asyncio"}


class Verifier:
    """Checks signature, issuer, audience and expiry."""

    def __init__(self) -> None:
        """Take where the keys are."""
        self._keys = jwt.PyJWKClient(os.environ["BENCH_JWKS"], cache_keys=True, lifespan=3600)

    async def verify_token(self, token: str) -> AccessToken | None:
        """Return what a token says, or None."""
        try:
            claims = jwt.decode(
                token,
                self._keys.get_signing_key_from_jwt(token),
                algorithms=["RS256"],
                issuer=os.environ["BENCH_ISSUER"],
                audience=os.environ["BENCH_AUDIENCE"],
            )
        except jwt.PyJWTError:
            return None
        return AccessToken(
            token=token,
            client_id=claims["client_id"],
            scopes=claims["scope"].split(),
            expires_at=claims["exp"],
            resource=claims["aud"],
            subject=claims["sub"],
        )


def whoami() -> dict[str, str]:
    """Say something, and ask nobody."""
    return {"credential": "oauth"}


def tool(definition: mcp_types.Tool) -> Tool:
    """Return the tool that is called, or one that is only listed, as it is defined."""
    made = Tool.from_function(
        whoami,
        name=definition.name,
        title=definition.title,
        description=definition.description,
        icons=definition.icons,
        annotations=definition.annotations,
    )
    if definition.name != whoami.__name__:
        made.parameters = definition.input_schema
        made.fn_metadata.output_schema = definition.output_schema
    return made


server = MCPServer(
    "peer",
    tools=[
        tool(mcp_types.Tool.model_validate(listed))
        for listed in json.loads(Path(os.environ["BENCH_TOOLS"]).read_text(encoding="utf-8"))
    ],
    token_verifier=Verifier(),
    auth=AuthSettings.model_validate(
        {
            "issuer_url": os.environ["BENCH_ISSUER"],
            "resource_server_url": os.environ["BENCH_AUDIENCE"],
            "validate_token_resource": True,
        }
    ),
)


if __name__ == "__main__":
    is_fast = sys.argv[1] == "fast"
    uvicorn.run(
        server.streamable_http_app(stateless_http=True, json_response=is_fast),
        host="127.0.0.1",
        port=int(os.environ["BENCH_PORT"]),
        **(FAST if is_fast else PLAIN),
    )
