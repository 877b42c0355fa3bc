"""A Val Town on a real socket that answers whose credential it saw, slowly enough for calls to overlap."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.support.served import serving

PAGES = 3
SLOWEST_SECONDS = 0.01


class EchoingValTown:
    """Counts the calls of each credential, and how many were under way at once."""

    def __init__(self, seed: int) -> None:
        """Take what the delays are drawn from."""
        self._random = random.Random(seed)
        self._under_way: Counter[str] = Counter()
        self.calls: Counter[str] = Counter()
        self.most_at_once = 0

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[str]:
        """Serve; gives the address."""
        routes = [Route("/v1/me", self._me), Route("/v2/me/vals", self._vals)]
        async with serving(Starlette(routes=routes)) as port:
            yield f"http://127.0.0.1:{port}"

    async def _me(self, request: Request) -> Response:
        name = await self._slowly(request)
        return JSONResponse({"id": name, "type": "user", "username": name, "url": f"https://v/{name}"})

    async def _vals(self, request: Request) -> Response:
        name = await self._slowly(request)
        offset = int(request.query_params["offset"])
        more = f"{request.url}&next" if offset < PAGES - 1 else None
        return JSONResponse({"data": [_val(name, offset)], "links": {"self": str(request.url), "next": more}})

    async def _slowly(self, request: Request) -> str:
        name = request.headers["authorization"].removeprefix("Bearer vtwn_")
        self.calls[name] += 1
        self._under_way[name] += 1
        self.most_at_once = max(self.most_at_once, len(+self._under_way))
        try:
            await asyncio.sleep(self._random.uniform(0, SLOWEST_SECONDS))
        finally:
            self._under_way[name] -= 1
        return name


def _val(owner: str, number: int) -> dict[str, Any]:
    return {
        "id": f"{owner}-{number}",
        "name": f"{owner}-{number}",
        "privacy": "public",
        "createdAt": "2026-01-01T00:00:00Z",
        "author": {"type": "user", "id": owner, "username": owner},
        "links": {"html": f"https://v/{owner}"},
    }
