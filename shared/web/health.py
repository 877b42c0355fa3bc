"""`/healthz` (the process lives), `/readyz` (it can serve) and `/metrics`."""

from collections.abc import Awaitable, Callable, Mapping

from fastapi import APIRouter
from redis.asyncio import Redis
from starlette.responses import JSONResponse, Response

from shared.metrics import CONTENT_TYPE, exposition
from shared.redis.client import StoreError
from shared.refusals.transport import NOT_READY

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


def store_answers(redis: Redis) -> Callable[[], Awaitable[bool]]:
    """Return the check that the store answers a PING."""

    async def check() -> bool:
        try:
            return bool(await redis.ping())
        except StoreError:
            return False

    return check
