"""Rows about what running costs: memory of a worker, and time to get ready."""

import asyncio
import statistics
import time
from collections.abc import Iterable
from typing import Final

from dev.bench import servers
from dev.bench.load import LOAD_CORE, run
from dev.bench.mcp_rows import CALLS, MODERN_CALL, target
from dev.bench.people import refresh_forms
from dev.bench.proc import resident_megabytes
from dev.bench.rows import Cost, Plan, access_token
from dev.bench.token_rows import CHAINS, load_tokens, token_url
from dev.deployment import AUTH, MCP, Deployment, Service

REQUESTS: Final = 100_000
REFRESHES: Final = 10_000


def cost_rows(plan: Plan) -> Iterable[Cost]:
    """Measure memory of workers, and cold start."""
    with servers.ours(plan.folder) as deployment:
        token = asyncio.run(access_token(deployment.issuer))
        idle = {service: resident_megabytes(deployment.process_id(service)) for service in (AUTH, MCP)}
        for service, held in idle.items():
            yield Cost(
                f"{service.name} idle", f"memory of an idle {service.name}_server worker", held, "MB", 90
            )
        count = _call(plan, deployment, token)
        grown = resident_megabytes(deployment.process_id(MCP)) - idle[MCP]
        yield Cost("mcp grown", f"mcp_server: grown after {count:,} calls", grown, "MB", 10)
        count = _refresh(plan, deployment)
        grown = resident_megabytes(deployment.process_id(AUTH)) - idle[AUTH]
        yield Cost("auth grown", f"auth_server: grown after {count:,} refreshes", grown, "MB", 10)
        for service in (AUTH, MCP):
            taken = [_cold_start(deployment, service) for _ in range(plan.rounds)]
            name = f"{service.name}_server: cold start to ready"
            yield Cost(f"{service.name} start", name, statistics.median(taken), "s", 1.5)


def _call(plan: Plan, deployment: Deployment, token: str) -> int:
    asked = target(MODERN_CALL, deployment.resource, CALLS[MODERN_CALL], [token])
    rate = run(asked, plan.folder, seconds=1).rate
    seconds = max(1, round(plan.some(REQUESTS) / rate - 1))
    return round(rate + run(asked, plan.folder, seconds=seconds).rate * seconds)


def _refresh(plan: Plan, deployment: Deployment) -> int:
    forms = asyncio.run(refresh_forms(deployment.issuer, CHAINS))
    work = {"urls": [token_url(deployment.issuer)], "refresh": forms}
    rate = load_tokens(work, seconds=1, core=LOAD_CORE)
    seconds = max(1, round(plan.some(REFRESHES) / rate - 1))
    work["refresh"] = asyncio.run(refresh_forms(deployment.issuer, CHAINS))
    return round(rate + load_tokens(work, seconds=seconds, core=LOAD_CORE) * seconds)


def _cold_start(deployment: Deployment, service: Service) -> float:
    deployment.stop(service)
    began = time.perf_counter()
    deployment.start()
    return time.perf_counter() - began
