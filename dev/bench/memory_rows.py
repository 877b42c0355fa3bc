"""Rows about memory that grows with use: for a token that is kept verified, for a grant, for a client."""

import asyncio
import json
import random
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, Final

from auth_server.store.redis.clients import NEVER_USED_SECONDS
from dev.bench import servers, store_memory
from dev.bench.load import LOAD_CORE, BenchError, Target, send_once
from dev.bench.mcp_rows import CALLS, MODERN_CALL, mint, signing_key, target
from dev.bench.people import connected, refresh_forms
from dev.bench.proc import resident_megabytes
from dev.bench.rows import Cost, Plan, access_token
from dev.bench.store_memory import MEGABYTE, StoreMemory
from dev.bench.token_rows import CHAINS, load_tokens, token_url
from dev.deployment import MCP, Deployment
from mcp_server.auth.verifier import KEPT_TOKENS
from mcp_server.usage_recorder import FLUSH_SECONDS

GRANTS: Final = 100_000
_CALLED: Final = 5_000
"""Grants that call a tool: fewer than a replica can keep in mind until it tells the store."""

_CLIENT_KEYS: Final = ("vt:client:*", "vt:registration:*")
_ENDS_WITHIN_A_DAY: Final = ("vt:{*}:successor", "vt:{*}:code", "vt:{*}:flow")
_NO_LIMIT: Final = {"OAUTH_REGISTRATION_BURST": "100000000", "OAUTH_REGISTRATIONS_PER_HOUR": "3600000"}
_PER_HOUR: Final = 900
_BURST: Final = 600
_DICE: Final = 58


def memory_rows(plan: Plan) -> Iterable[Cost]:
    """Measure what a kept token, a grant and a registered client take, and that it stays at that."""
    pem = signing_key()
    with servers.ours(plan.folder, OAUTH_JWT_PRIVATE_KEY=pem) as deployment:
        yield from _kept_tokens(plan, deployment, pem)
        with store_memory.opened(deployment.settings["REDIS_URL"]) as store:
            yield from _grants(plan, deployment, store)
    with (
        servers.ours(plan.folder, **_NO_LIMIT) as deployment,
        store_memory.opened(deployment.settings["REDIS_URL"]) as store,
    ):
        each = yield from _clients(plan, deployment, store)
    with (
        servers.ours(plan.folder) as deployment,
        store_memory.opened(deployment.settings["REDIS_URL"]) as store,
    ):
        yield from _restarting_clients(plan, deployment, store, each)


def _kept_tokens(plan: Plan, deployment: Deployment, pem: str) -> Iterable[Cost]:
    worker = deployment.process_id(MCP)
    token = asyncio.run(access_token(deployment.issuer))
    tokens = mint(token, pem, 2 * KEPT_TOKENS)

    def grown(some: Sequence[str]) -> float:
        before = resident_megabytes(worker)
        send_once(target(MODERN_CALL, deployment.resource, CALLS[MODERN_CALL], some))
        return resident_megabytes(worker) - before

    grown([token] * KEPT_TOKENS)
    first = grown(tokens[:KEPT_TOKENS])
    name = f"mcp_server: for a token that is kept verified (of {KEPT_TOKENS:,} at most)"
    yield Cost("kept token", name, max(0.0, first) * MEGABYTE / KEPT_TOKENS, "bytes")
    more = grown(tokens[KEPT_TOKENS:])
    yield Cost("more tokens", f"mcp_server: grown after {KEPT_TOKENS:,} tokens more", more, "MB", 2)


def _grants(plan: Plan, deployment: Deployment, store: StoreMemory) -> Iterable[Cost]:
    count = plan.some(plan.grants)
    asyncio.run(refresh_forms(deployment.issuer, CHAINS))
    before = store.held()

    def grown(key: str, words: str, limit: float | None) -> Cost:
        each = (store.held() - before) / count
        name = f"store: {GRANTS:,} live grants, {words} ({count:,} made, {each:,.0f} bytes each)"
        return Cost(key, name, each * GRANTS / MEGABYTE, "MB", limit)

    grants = asyncio.run(connected(deployment.issuer, count))
    yield grown("grants", "just connected", 150)
    # Each once: one that was just refreshed keeps the answer for the grace window.
    forms = [each.refresh_form for each in grants]
    work = {"urls": [token_url(deployment.issuer)], "redeem": [forms[n::CHAINS] for n in range(CHAINS)]}
    load_tokens(work, seconds=0, core=LOAD_CORE)
    yield grown("refreshed grants", "all refreshed at once", None)
    for pattern in _ENDS_WITHIN_A_DAY:
        store.end(pattern)
    usage = _usage(deployment, store, [each.access_token for each in grants[:_CALLED]])
    idle = grown("used grants", "used, a day later", 150)
    missing = usage * max(0, count - _CALLED) / count * GRANTS / MEGABYTE
    yield replace(idle, value=idle.value + missing)
    yield Cost("usage", "store: of that, for what a grant was used for", usage, "bytes")
    each = store.average("vt:flow:*")
    yield Cost("timeline", "store: for the timeline of an attempt, kept for a day", each, "bytes")


def _usage(deployment: Deployment, store: StoreMemory, tokens: Sequence[str]) -> float:
    """Call a tool with each of these tokens; return the bytes that the note of it takes."""
    before = store.held()
    send_once(target(MODERN_CALL, deployment.resource, CALLS[MODERN_CALL], tokens))
    # A replica brings its notes to the store now and then.
    time.sleep(FLUSH_SECONDS + 1)
    return (store.held() - before) / len(tokens)


def _clients(plan: Plan, deployment: Deployment, store: StoreMemory) -> Any:
    """Register distinct clients, let their time be over; return the bytes that one takes."""
    _register(deployment, [_distinct(number) for number in range(-64, 0)])
    before = store.held()
    made = _register(deployment, [_distinct(number) for number in range(plan.some(plan.clients))])[201]
    each = (store.held() - before) / made
    yield Cost("client", f"store: for a registered client (of {made:,})", each, "bytes")
    endless = sum(store.without_an_end(pattern) for pattern in _CLIENT_KEYS)
    yield Cost(
        "endless clients", "store: records of clients that never end by themselves", endless, "keys", 0
    )
    for pattern in _CLIENT_KEYS:
        store.end(pattern)
    left = max(0, store.held() - before) / MEGABYTE
    yield Cost("clients left", "store: left when the unused ones are over", left, "MB", 1)
    return each


def _restarting_clients(
    plan: Plan, deployment: Deployment, store: StoreMemory, each: float
) -> Iterable[Cost]:
    count = plan.some(plan.clients)
    dice = random.Random(_DICE)
    before = store.held()
    bodies = [_mixed(number, dice) for number in range(count)]
    _register(deployment, bodies[: count // 2])
    half = store.held()
    refused = _register(deployment, bodies[count // 2 :])[429]
    name = f"store: {count:,} registrations of clients that register at every start"
    yield Cost("registrations", name, (store.held() - before) / MEGABYTE, "MB")
    remark = f"{refused:,} of other clients were put off (429)" if refused else ""
    name = "store: grown by the second half of them"
    yield Cost("registrations more", name, (store.held() - half) / MEGABYTE, "MB", 1, remark)
    most = _BURST + _PER_HOUR * NEVER_USED_SECONDS / 3600
    name = f"store: unused clients at the most ({most:,.0f}: {_PER_HOUR} an hour, for seven days)"
    yield Cost("clients at most", name, most * each / MEGABYTE, "MB")


def _register(deployment: Deployment, bodies: Sequence[str]) -> Counter[int]:
    """Register clients; return how often each status came.

    Raises:
        BenchError: one was neither registered nor put off.
    """
    asked = Target("register", f"{deployment.issuer}/oauth/register", {}, "", ())
    statuses = Counter(send_once(asked, bodies))
    if statuses.keys() - {201, 429, 503} or not statuses[201]:
        raise BenchError(f"registrations were answered {dict(statuses)}")
    return statuses


def _distinct(number: int) -> str:
    uri = f"https://app-{number}.example.com/callback"
    return json.dumps({"client_name": f"App {number}", "redirect_uris": [uri]})


def _mixed(number: int, dice: random.Random) -> str:
    """Return a registration as they come in practice: of 58, 42 are one app on another port."""
    if dice.randrange(58) >= 42:
        return _distinct(number)
    return json.dumps(
        {
            "client_name": "An app on somebody's computer",
            "redirect_uris": [f"http://localhost:{dice.randrange(30000, 60000)}/callback"],
            "grant_types": ["authorization_code", "refresh_token"],
            "response_types": ["code"],
            "token_endpoint_auth_method": "none",
        }
    )
