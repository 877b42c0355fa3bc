"""Rows about time: of a call when half of what one core can do is asked for, and until a revocation holds."""

import asyncio
import statistics
from collections.abc import Iterable
from typing import Final

from dev import revocation_lag
from dev.bench import servers
from dev.bench.load import BenchError, Measured, probe, run, run_paced
from dev.bench.mcp_rows import CALLS, MODERN_CALL, target
from dev.bench.rows import Cost, Plan, access_token
from dev.local_store import any_binary
from shared.revocation import FRESH_SECONDS

SHARE: Final = 0.5
REVOCATIONS: Final = 100
_ROUNDS: Final = 3
_SILENT: Final = 4


def latency_rows(plan: Plan) -> Iterable[Cost]:
    """Measure calls that are due at a steady pace, against bare uvicorn at the same pace."""
    with servers.ours(plan.folder) as deployment:
        token = asyncio.run(access_token(deployment.issuer))
        rounds = min(plan.rounds, _ROUNDS)
        ours = target(MODERN_CALL, deployment.resource, CALLS[MODERN_CALL], [token])
        with servers.bare(plan.folder, {"/0": probe(ours)}) as server:
            bare = target("bare uvicorn", f"{server.url}/0", CALLS[MODERN_CALL], [token])
            capacity = statistics.median(
                run(ours, plan.folder, seconds=plan.seconds).rate for _ in range(rounds)
            )
            rate, seconds = SHARE * capacity, 2 * plan.seconds
            pairs = [
                (run_paced(ours, seconds=seconds, rate=rate), run_paced(bare, seconds=seconds, rate=rate))
                for _ in range(rounds)
            ]
    yield from _beyond(pairs, rate)


def _beyond(pairs: list[tuple[Measured, Measured]], rate: float) -> Iterable[Cost]:
    if min(min(mine.rate, other.rate) for mine, other in pairs) < 0.9 * rate:
        raise BenchError(
            f"{rate:,.0f} calls a second were due and fewer were answered: the load cannot keep up"
        )
    paces = f"at half load ({rate:,.0f} a second)"
    for share, ours, bare, allowed in (
        ("p50", [mine.p50 for mine, _ in pairs], [other.p50 for _, other in pairs], 2.0),
        ("p99", [mine.p99 for mine, _ in pairs], [other.p99 for _, other in pairs], 15.0),
    ):
        mine, other = statistics.median(ours), statistics.median(bare)
        yield Cost(f"latency {share}", f"{MODERN_CALL} {paces}, {share}", mine, "ms")
        yield Cost(f"latency {share} bare", f"bare uvicorn, same bytes, same pace, {share}", other, "ms")
        yield Cost(f"latency {share} beyond", f"{share} beyond bare uvicorn's", mine - other, "ms", allowed)


def revocation_rows(plan: Plan) -> Iterable[Cost]:
    """Measure from 200 at `/oauth/revoke` to 401 at each of three replicas, at 1,000 calls a second."""
    samples = plan.some(REVOCATIONS)
    tally = asyncio.run(
        revocation_lag.measure(any_binary(), plan.folder / "revocation", samples, 1000, cut_off=_SILENT)
    )
    if tally.wrong:
        raise BenchError("revocation: " + "; ".join(tally.wrong[:3]))
    name = f"from revocation to 401 at all {revocation_lag.REPLICAS} replicas ({samples:,} tokens)"
    yield Cost("revocation p50", f"{name}, p50", tally.percentile(0.5), "s")
    yield Cost("revocation p99", f"{name}, p99", tally.percentile(0.99), "s", revocation_lag.PROMISED_SECONDS)
    silent = "a replica without a link to the store accepts a revoked token for"
    bound = FRESH_SECONDS + revocation_lag.SPARE_SECONDS
    yield Cost("revocation silent", silent, max(tally.late), "s", bound)
