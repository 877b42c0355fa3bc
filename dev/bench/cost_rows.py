"""Rows about what running costs: memory of a worker and of the store for each grant, time to get ready."""

import asyncio
import re
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import httpx
from redis import Redis

from dev.bench import servers
from dev.bench.load import run
from dev.bench.mcp_rows import CALLS, target
from dev.bench.rows import SANDBOX_TOKEN, Limit, Plan, access_token
from dev.deployment import AUTH, MCP, Deployment
from dev.flow import Browser, OAuthClient

REQUESTS: Final = 100_000
GRANTS: Final = 100_000
SAMPLE: Final = 1_000
"""Grants that are really made, through the API; their memory is scaled up to GRANTS."""

_MEGABYTE: Final = 1024 * 1024
_RESIDENT: Final = re.compile(r"^VmRSS:\s+(\d+) kB$", re.MULTILINE)


def cost_rows(plan: Plan) -> Iterable[Limit]:
    """Measure memory and cold start."""
    with servers.ours(plan.folder) as deployment:
        token = asyncio.run(access_token(deployment))
        idle = {service.name: _resident(deployment.process_id(service)) for service in (AUTH, MCP)}
        yield Limit("resident memory of an auth_server worker, idle", idle["auth"], "MB", 90)
        yield Limit("resident memory of an mcp_server worker, idle", idle["mcp"], "MB", 90)
        name = "tools/call whoami, 2026-07-28"
        rate = run(target(name, deployment.resource, CALLS[name], [token]), plan.folder, seconds=1).rate
        seconds = 1 if plan.rounds == 1 else REQUESTS / rate
        run(target(name, deployment.resource, CALLS[name], [token]), plan.folder, seconds=seconds)
        grown = _resident(deployment.process_id(MCP)) - idle["mcp"]
        yield Limit(f"the same, grown after {round(rate + seconds * rate):,} requests", grown, "MB", 10)
        yield _grants_row(plan, deployment)
    for service in (AUTH, MCP):
        yield Limit(f"{service.name}_server, cold start to ready", _cold_start(plan, service.name), "s", 1.5)


def _grants_row(plan: Plan, deployment: Deployment) -> Limit:
    count = SAMPLE if plan.rounds > 1 else SAMPLE // 10
    store: Any = Redis.from_url(deployment.settings["REDIS_URL"])
    asyncio.run(_make_grants(deployment, 10))
    before = _held(store)
    asyncio.run(_make_grants(deployment, count))
    each = (_held(store) - before) / count
    store.close()
    name = f"store memory for {GRANTS:,} live grants (of {count:,}: {each:,.0f} bytes each)"
    return Limit(name, each * GRANTS / _MEGABYTE, "MB", 150)


def _held(store: Any) -> int:
    # Timelines of attempts do not grow with the grants: their number is bounded, and they go after a day.
    timelines = sum(int(store.memory_usage(key)) for key in store.scan_iter("vt:flow:*"))
    return int(store.info("memory")["used_memory_dataset"]) - timelines


async def _make_grants(deployment: Deployment, count: int) -> None:
    async with httpx.AsyncClient() as http:
        client = OAuthClient(http, deployment.issuer)
        await client.register(token_endpoint_auth_method="none")
        browser = Browser(http, SANDBOX_TOKEN)
        for _ in range(count):
            await client.tokens(browser)


def _cold_start(plan: Plan, name: str) -> float:
    service = AUTH if name == AUTH.name else MCP
    taken = []
    for _ in range(plan.rounds):
        with servers.ours(plan.folder) as deployment:
            deployment.stop(service)
            began = time.perf_counter()
            deployment.start()
            taken.append(time.perf_counter() - began)
    return min(taken)


def _resident(process_id: int) -> float:
    status = Path(f"/proc/{process_id}/status").read_text(encoding="ascii")
    found = _RESIDENT.search(status)
    return int(found.group(1)) / 1024 if found else 0.0
