"""The store an endpoint works on."""

from typing import Annotated

from fastapi import Depends, Request

from mcp_server.sandbox.store import Store


async def _store(request: Request) -> Store:
    store: Store = request.app.state.store
    return store


StoreDep = Annotated[Store, Depends(_store)]
