"""Rows about MCP requests that ask Val Town nothing: authenticated, revocation checked, both eras."""

import asyncio
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import httpx
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from joserfc import jwt
from joserfc.jwk import RSAKey

from dev.bench import servers
from dev.bench.load import Target
from dev.bench.rows import Plan, Row, access_token, compare
from dev.deployment import Deployment
from dev.flow import claims_of
from dev.mcp_messages import McpRequest, handshake, modern

FRESH_TOKENS: Final = 12_000
"""More than a replica keeps verified, so that each is verified anew when its turn comes."""

CALLS: Final[Mapping[str, McpRequest]] = {
    "tools/list, 2026-07-28": modern("tools/list"),
    "tools/list, 2025-11-25": handshake("tools/list"),
    "tools/call whoami, 2026-07-28": modern("tools/call", {"name": "whoami", "arguments": {}}),
    "tools/call whoami, 2025-11-25": handshake("tools/call", {"name": "whoami", "arguments": {}}),
}


def mcp_rows(plan: Plan) -> Iterable[Row]:
    """Measure authenticated requests that ask Val Town nothing, against the floor and against FastMCP."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    with servers.ours(plan.folder, OAUTH_JWT_PRIVATE_KEY=pem) as deployment:
        token = asyncio.run(access_token(deployment))
        bodies = asyncio.run(_answers(deployment, token))
        paths = {name: f"/{number}" for number, name in enumerate(bodies)}
        with servers.bare(plan.folder, {paths[name]: body for name, body in bodies.items()}) as bare_url:
            for name, request in CALLS.items():
                yield compare(
                    plan,
                    name,
                    "bare uvicorn, same bytes",
                    target(name, deployment.resource, request, [token]),
                    target(f"bare, {name}", bare_url + paths[name], request, [token]),
                    wanted=0.28,
                )
        yield _fresh_row(plan, deployment, token, pem)
        if plan.peers:
            with servers.fastmcp(plan.folder, deployment) as peer_url:
                for name, request in CALLS.items():
                    yield compare(
                        plan,
                        name,
                        "FastMCP, JWTVerifier, stateless",
                        target(name, deployment.resource, request, [token]),
                        target(f"FastMCP, {name}", peer_url, request, [token]),
                        wanted=12.0,
                    )


def _fresh_row(plan: Plan, deployment: Deployment, token: str, pem: str) -> Row:
    name = "tools/list, 2026-07-28"
    tokens = _mint(token, pem, FRESH_TOKENS if plan.rounds > 1 else FRESH_TOKENS // 2)
    return compare(
        plan,
        "first use of a token (signature verified)",
        "repeated use",
        target("first use", deployment.resource, CALLS[name], tokens),
        target("repeated use", deployment.resource, CALLS[name], [token]),
        wanted=0.45,
    )


def target(name: str, url: str, request: McpRequest, tokens: Sequence[str]) -> Target:
    """Return the load of one MCP request."""
    headers = {"Accept": "application/json, text/event-stream", **request.headers}
    return Target(name, url, headers, json.dumps(request.body), tokens)


async def _answers(deployment: Deployment, token: str) -> dict[str, str]:
    async with httpx.AsyncClient() as http:
        return {
            name: (await request.send(http, deployment.resource, token)).raise_for_status().text
            for name, request in CALLS.items()
        }


def _mint(token: str, pem: str, count: int) -> list[str]:
    key = RSAKey.import_key(pem)
    header = {"alg": "RS256", "typ": "at+jwt", "kid": key.thumbprint()}
    claims = claims_of(token)
    return [jwt.encode(header, {**claims, "jti": f"bench-{number}"}, key) for number in range(count)]
