"""Rows about MCP requests that ask Val Town nothing: authenticated, revocation checked, both eras."""

import asyncio
import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import Any, Final

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from joserfc import jwt
from joserfc.jwk import RSAKey

from dev.bench import servers
from dev.bench.load import BenchError, Target, probe, tools_in
from dev.bench.rows import Plan, Row, access_token, against_bare, rates, row
from dev.bench.servers import FAST, PLAIN
from dev.deployment import MCP, Deployment
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
MODERN_CALL: Final = "tools/call whoami, 2026-07-28"
MODERN_LIST: Final = "tools/list, 2026-07-28"

NOTED_ROUNDS: Final = 2
"""Rounds of what is only noted: the peers as their packages alone run them."""


@dataclass(frozen=True, slots=True)
class Contender:
    """Somebody to be held against: what a program and a person call it, and what is asked of the ratio."""

    key: str
    words: str
    way: str
    process_id: int
    urls: Mapping[str, str] = field(repr=False)
    wanted: float | None = None
    remark: str = ""


def mcp_rows(plan: Plan) -> Iterable[Row]:
    """Measure authenticated requests that ask Val Town nothing, against the floor and against peers."""
    pem = signing_key()
    with servers.ours(plan.folder, OAUTH_JWT_PRIVATE_KEY=pem) as deployment, ExitStack() as stack:
        token = asyncio.run(access_token(deployment.issuer))
        worker = deployment.process_id(MCP)
        targets = {
            name: replace(target(name, deployment.resource, CALLS[name], [token]), process_id=worker)
            for name in CALLS
        }
        bodies = {name: probe(each) for name, each in targets.items()}
        tools = tools_in(bodies[MODERN_LIST])
        contenders = [*_floor(plan, stack, bodies), *_peers(plan, stack, deployment, tools)]
        for name in CALLS:
            for way, rounds in ((FAST, plan.rounds), (PLAIN, min(plan.rounds, NOTED_ROUNDS))):
                held_against = [c for c in contenders if c.way == way]
                yield from _compared(plan, name, targets[name], held_against, rounds)
        yield _fresh_row(plan, deployment, token, pem)


def _floor(plan: Plan, stack: ExitStack, bodies: Mapping[str, str]) -> Iterable[Contender]:
    paths = {name: f"/{number}" for number, name in enumerate(bodies)}
    prepared = {paths[name]: body for name, body in bodies.items()}
    words = {FAST: "bare uvicorn, same bytes", PLAIN: "bare uvicorn, h11 and asyncio"}
    for way in (FAST, PLAIN):
        server = stack.enter_context(servers.bare(plan.folder, prepared, way))
        wanted, remark = against_bare(0.28) if way == FAST else (None, "")
        urls = {name: server.url + path for name, path in paths.items()}
        yield Contender(f"bare-{way}", words[way], way, server.process_id, urls, wanted, remark)


def _peers(
    plan: Plan, stack: ExitStack, deployment: Deployment, tools: Sequence[Mapping[str, Any]]
) -> Iterable[Contender]:
    if not plan.peers:
        return
    for key, open_peer, words, wanted in (
        ("fastmcp", servers.fastmcp, "FastMCP, JWTVerifier, stateless", 12.0),
        ("sdk", servers.sdk, "mcp SDK, TokenVerifier, stateless", None),
    ):
        for way in (FAST, PLAIN):
            server = stack.enter_context(open_peer(plan.folder, deployment, tools, way))
            named = words if way == FAST else f"{words.partition(',')[0]}, as its package runs it"
            asked = wanted if way == FAST else None
            urls = dict.fromkeys(CALLS, server.url)
            yield Contender(f"{key}-{way}", named, way, server.process_id, urls, asked)


def _compared(
    plan: Plan, name: str, ours: Target, contenders: Sequence[Contender], rounds: int
) -> Iterable[Row]:
    targets, answer = {"ours": ours}, probe(ours)
    for one in contenders:
        asked = target(f"{one.words}, {name}", one.urls[name], CALLS[name], ours.tokens)
        targets[one.key] = replace(asked, process_id=one.process_id)
        check_list(targets[one.key], probe(targets[one.key]), answer)
    measured = rates(plan, targets, rounds)
    for one in contenders:
        yield row(
            f"{name} {one.key}",
            name,
            one.words,
            measured["ours"],
            measured[one.key],
            wanted=one.wanted,
            remark=one.remark,
        )


def check_list(asked: Target, answer: str, ours: str) -> None:
    """Return when both answers list the same number of tools, or are no lists.

    Raises:
        BenchError: they do not: it would be no comparison.
    """
    theirs, wanted = len(tools_in(answer)), len(tools_in(ours))
    if theirs != wanted:
        raise BenchError(f"{asked.name}: it lists {theirs} tools, this server {wanted}")


def _fresh_row(plan: Plan, deployment: Deployment, token: str, pem: str) -> Row:
    name = MODERN_LIST
    tokens = mint(token, pem, FRESH_TOKENS // 2 if plan.quick else FRESH_TOKENS)
    targets = {
        "first": target("first use", deployment.resource, CALLS[name], tokens),
        "again": target("repeated use", deployment.resource, CALLS[name], [token]),
    }
    worker = deployment.process_id(MCP)
    asked = {key: replace(each, process_id=worker) for key, each in targets.items()}
    measured = rates(plan, asked, plan.rounds)
    words = "first use of a token (signature verified)"
    return row("first-use", words, "repeated use", measured["first"], measured["again"], wanted=0.45)


def target(name: str, url: str, request: McpRequest, tokens: Sequence[str]) -> Target:
    """Return the load of one MCP request."""
    headers = {"Accept": "application/json, text/event-stream", **request.headers}
    return Target(name, url, headers, json.dumps(request.body), tokens)


def signing_key() -> str:
    """Return a new signing key (PEM), for a deployment whose tokens are to be minted here."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def mint(token: str, pem: str, count: int) -> list[str]:
    """Return so many further tokens of the same grant, signed with this key."""
    key = RSAKey.import_key(pem)
    header = {"alg": "RS256", "typ": "at+jwt", "kid": key.thumbprint()}
    claims = claims_of(token)
    return [jwt.encode(header, {**claims, "jti": f"bench-{number}"}, key) for number in range(count)]
