"""The stand-in in process, a clock to turn, and a client per token whose every answer is checked."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from mcp_server.sandbox.app import create_app
from tests.support import openapi_contract

ORIGIN = "http://sandbox.test"

Json = dict[str, Any]


class StillClock:
    """A clock that stands still until it is turned."""

    def __init__(self) -> None:
        self.seconds = 1_700_000_000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture(scope="session")
def contract() -> openapi_contract.OpenApiContract | None:
    return openapi_contract.load()


@pytest.fixture
def clock() -> StillClock:
    return StillClock()


@pytest.fixture
def app(tmp_path: Path, clock: StillClock) -> Iterator[FastAPI]:
    app = create_app(tmp_path, clock=clock)
    yield app
    app.state.store.close()


@pytest.fixture
async def connect(
    app: FastAPI, contract: openapi_contract.OpenApiContract | None
) -> AsyncIterator[Callable[[str | None], httpx.AsyncClient]]:
    """Return a function from a token, or None, to a client of the stand-in."""

    async def check(response: httpx.Response) -> None:
        if contract is not None:
            await response.aread()
            contract.check(response)

    async with AsyncExitStack() as stack:

        def client(token: str | None) -> httpx.AsyncClient:
            headers = {"Authorization": f"Bearer {token}"} if token else {}
            made = httpx.AsyncClient(
                transport=httpx.ASGITransport(app),
                base_url=ORIGIN,
                headers=headers,
                event_hooks={"response": [check]},
            )
            stack.push_async_callback(made.aclose)
            return made

        yield client


@pytest.fixture
def ada(connect: Callable[[str | None], httpx.AsyncClient]) -> httpx.AsyncClient:
    return connect("vtwn_sandbox_ada")


@pytest.fixture
def grace(connect: Callable[[str | None], httpx.AsyncClient]) -> httpx.AsyncClient:
    return connect("vtwn_sandbox_grace")


@pytest.fixture
async def val(ada: httpx.AsyncClient) -> Json:
    """Return a new public val of ada's, without files."""
    response = await ada.post("/v2/vals", json={"name": "workbench", "privacy": "public"})
    assert response.status_code == 201
    return dict(response.json())


@pytest.fixture
def write(ada: httpx.AsyncClient, val: Json) -> Callable[..., Any]:
    """Return a function that creates a file in `val` and returns its metadata."""

    async def create(path: str, content: str | None = "text", kind: str = "file", **query: str) -> Json:
        body = {"type": kind} if kind == "directory" else {"type": kind, "content": content}
        response = await ada.post(f"/v2/vals/{val['id']}/files", params={"path": path, **query}, json=body)
        assert response.status_code == 201, response.text
        return dict(response.json())

    return create


@pytest.fixture
def paths(ada: httpx.AsyncClient, val: Json) -> Callable[..., Any]:
    """Return a function that lists the paths in `val`."""

    async def listed(path: str = "", recursive: bool = True, **query: str) -> list[str]:
        wanted = {"path": path, "recursive": str(recursive).lower(), "limit": "100", **query}
        response = await ada.get(f"/v2/vals/{val['id']}/files", params=wanted)
        assert response.status_code == 200, response.text
        return [item["path"] for item in response.json()["data"]]

    return listed
