"""The rows of the table: what is measured against what, and the ratio that is asked for."""

import asyncio
import json
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from joserfc import jwt
from joserfc.jwk import RSAKey

from dev.bench import servers
from dev.bench.load import Measured, Target, run
from dev.deployment import Deployment
from dev.flow import Browser, OAuthClient, claims_of
from dev.mcp_messages import McpRequest, handshake, modern

SANDBOX_TOKEN: Final = "vtwn_sandbox_ada"
FRESH_TOKENS: Final = 12_000
"""More than a replica keeps verified, so that each is verified anew when its turn comes."""

CALLS: Final[Mapping[str, McpRequest]] = {
    "tools/list, 2026-07-28": modern("tools/list"),
    "tools/list, 2025-11-25": handshake("tools/list"),
    "tools/call whoami, 2026-07-28": modern("tools/call", {"name": "whoami", "arguments": {}}),
    "tools/call whoami, 2025-11-25": handshake("tools/call", {"name": "whoami", "arguments": {}}),
}


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table: two rates a second, their ratio, and the ratio that is asked for."""

    name: str
    against: str
    ours: float
    theirs: float
    wanted: float
    spread: float
    """Of the ratio over the rounds: (largest - smallest) / median."""

    @property
    def ratio(self) -> float:
        """How often ours goes into a second for one of theirs."""
        return self.ours / self.theirs

    @property
    def is_met(self) -> bool:
        """Whether the ratio reaches what is asked for."""
        return self.ratio >= self.wanted


@dataclass(frozen=True, slots=True)
class Plan:
    """How long to measure: seconds of one measurement, and how often each takes its turn."""

    seconds: float
    rounds: int
    peers: bool
    folder: Path


def mcp_rows(plan: Plan) -> Iterable[Row]:
    """Measure authenticated requests that ask Val Town nothing, against the floor and against FastMCP."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    with servers.ours(plan.folder, OAUTH_JWT_PRIVATE_KEY=pem) as deployment:
        token = asyncio.run(_token(deployment))
        bodies = asyncio.run(_answers(deployment, token))
        paths = {name: f"/{number}" for number, name in enumerate(bodies)}
        with servers.bare(plan.folder, {paths[name]: body for name, body in bodies.items()}) as bare_url:
            for name, request in CALLS.items():
                yield _compare(
                    plan,
                    name,
                    "bare uvicorn, same bytes",
                    _target(name, deployment.resource, request, [token]),
                    _target(f"bare, {name}", bare_url + paths[name], request, [token]),
                    wanted=0.28,
                )
        yield _fresh_row(plan, deployment, token, pem)
        if plan.peers:
            with servers.fastmcp(plan.folder, deployment) as peer_url:
                for name, request in CALLS.items():
                    yield _compare(
                        plan,
                        name,
                        "FastMCP, JWTVerifier, stateless",
                        _target(name, deployment.resource, request, [token]),
                        _target(f"FastMCP, {name}", peer_url, request, [token]),
                        wanted=12.0,
                    )


def _fresh_row(plan: Plan, deployment: Deployment, token: str, pem: str) -> Row:
    name = "tools/list, 2026-07-28"
    tokens = _mint(token, pem, FRESH_TOKENS if plan.rounds > 1 else FRESH_TOKENS // 2)
    return _compare(
        plan,
        "first use of a token (signature verified)",
        "repeated use",
        _target("first use", deployment.resource, CALLS[name], tokens),
        _target("repeated use", deployment.resource, CALLS[name], [token]),
        wanted=0.45,
    )


def _compare(plan: Plan, name: str, against: str, ours: Target, theirs: Target, *, wanted: float) -> Row:
    # In turns, so that a busy minute of this computer meets both.
    pairs = [
        (run(ours, plan.folder, seconds=plan.seconds), run(theirs, plan.folder, seconds=plan.seconds))
        for _ in range(plan.rounds)
    ]
    ratios = [mine.rate / other.rate for mine, other in pairs]
    return Row(
        name,
        against,
        _median(mine for mine, _ in pairs),
        _median(other for _, other in pairs),
        wanted,
        (max(ratios) - min(ratios)) / statistics.median(ratios),
    )


def _median(measured: Iterable[Measured]) -> float:
    return statistics.median(each.rate for each in measured)


def _target(name: str, url: str, request: McpRequest, tokens: Sequence[str]) -> Target:
    headers = {"Accept": "application/json, text/event-stream", **request.headers}
    return Target(name, url, headers, json.dumps(request.body), tokens)


async def _token(deployment: Deployment) -> str:
    async with httpx.AsyncClient() as http:
        client = OAuthClient(http, deployment.issuer)
        await client.register()
        tokens = await client.tokens(Browser(http, SANDBOX_TOKEN), scope="read write")
    return str(tokens["access_token"])


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


ROWS: Final[Mapping[str, Callable[[Plan], Iterable[Row]]]] = {"mcp": mcp_rows}
