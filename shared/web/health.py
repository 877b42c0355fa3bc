"""`/healthz` (the process lives), `/readyz` (it can serve) and `/metrics`."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from fastapi import APIRouter
from redis.asyncio import Redis
from starlette.responses import JSONResponse, Response

from shared.metrics import CONTENT_TYPE, exposition
from shared.redis.client import StoreError
from shared.refusals.transport import NOT_READY

UNREADY_SECONDS: Final = 3.0
"""How long the store may fail before a replica that was ready says that it is not any more."""

_NO_STORE = {"Cache-Control": "no-store"}


def health_router(
    checks: Mapping[str, Callable[[], Awaitable[bool]]], *, gauge: Callable[[], None] = lambda: None
) -> APIRouter:
    """Return the three routes.

    Args:
        checks: what readiness depends on, each told by its name in the answer.
        gauge: called before the metrics are told, to set the levels that nobody sets meanwhile.
    """
    router = APIRouter(include_in_schema=False)

    @router.api_route("/healthz", methods=["GET", "HEAD"])
    async def healthz() -> Response:
        return JSONResponse({"status": "ok"}, headers=_NO_STORE)

    @router.api_route("/readyz", methods=["GET", "HEAD"])
    async def readyz() -> Response:
        results = await run_checks(checks)
        ready = all(results.values())
        body = {
            "status": "ready" if ready else "not ready",
            "checks": {name: "ok" if good else "failing" for name, good in results.items()},
        }
        headers = _NO_STORE if ready else {**_NO_STORE, "Retry-After": "1"}
        return JSONResponse(body, 200 if ready else NOT_READY.status, headers=headers)

    @router.get("/metrics")
    async def metrics() -> Response:
        gauge()
        return Response(exposition(), media_type=CONTENT_TYPE, headers=_NO_STORE)

    return router


async def run_checks(checks: Mapping[str, Callable[[], Awaitable[bool]]]) -> dict[str, bool]:
    """Return how each check went."""
    return {name: await check() for name, check in checks.items()}


def steady(
    check: Callable[[], Awaitable[bool]], monotonic: Callable[[], float], *, seconds: float = UNREADY_SECONDS
) -> Callable[[], Awaitable[bool]]:
    """Return a check that fails once the given one has failed for so many seconds, without a success between.

    All replicas see the same store at the same moment: else one blip of it would take every one of them out
    of service. Before the first success nothing is forgiven. `monotonic` returns seconds.
    """
    good_once = False
    failing_since: float | None = None

    async def judged() -> bool:
        nonlocal good_once, failing_since
        if await check():
            good_once, failing_since = True, None
            return True
        now = monotonic()
        failing_since = now if failing_since is None else failing_since
        return good_once and now - failing_since < seconds

    return judged


def store_answers(redis: Redis) -> Callable[[], Awaitable[bool]]:
    """Return the check that the store answers a PING."""

    async def check() -> bool:
        try:
            return bool(await redis.ping())
        except StoreError:
            return False

    return check
