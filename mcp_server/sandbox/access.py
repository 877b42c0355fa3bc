"""Who is calling, and may they: `Authorization: Bearer` (securitySchemes of Val Town's OpenAPI)."""

from collections.abc import Callable, Coroutine
from typing import Annotated, Any

from fastapi import Depends, Request
from starlette.concurrency import run_in_threadpool

from mcp_server.sandbox.accounts import TOKENS, Access, Account, Permission
from mcp_server.sandbox.errors import ForbiddenError, UnauthorizedError
from mcp_server.sandbox.oauth import connections
from mcp_server.sandbox.store import Store


async def authenticate(request: Request) -> Access:
    """Return what the request's token opens.

    Every endpoint wants a token, also those the real API answers without one: nothing here depends on that.

    Raises:
        UnauthorizedError: no token, or an unknown one.
    """
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    access = TOKENS.get(token.strip())
    if access is None and token:
        access = await run_in_threadpool(_of_an_app, request, token.strip())
    if scheme.lower() != "bearer" or access is None:
        raise UnauthorizedError
    return access


def _of_an_app(request: Request, token: str) -> Access | None:
    store: Store = request.app.state.store
    with store.oauth_reading() as session:
        return connections.access(session, token)


def requires(permission: Permission) -> Callable[[Access], Coroutine[Any, Any, Account]]:
    """Return a dependency that yields the caller's account when the token carries `permission`.

    Raises:
        ForbiddenError: from the dependency, with Val Town's words.
    """

    async def permitted(access: Annotated[Access, Depends(authenticate)]) -> Account:
        return permit(access, permission)

    return permitted


def permit(access: Access, permission: Permission) -> Account:
    """Return the caller's account.

    Raises:
        ForbiddenError: the token lacks the permission; with Val Town's words.
    """
    if permission not in access.permissions:
        raise ForbiddenError("Token does not have the required permissions.")
    return access.account


AnyToken = Annotated[Access, Depends(authenticate)]
UserReader = Annotated[Account, Depends(requires("user:read"))]
ValReader = Annotated[Account, Depends(requires("val:read"))]
ValWriter = Annotated[Account, Depends(requires("val:write"))]
BlobReader = Annotated[Account, Depends(requires("blob:read"))]
BlobWriter = Annotated[Account, Depends(requires("blob:write"))]
SqliteWriter = Annotated[Account, Depends(requires("sqlite:write"))]
EmailWriter = Annotated[Account, Depends(requires("email:write"))]
TelemetryReader = Annotated[Account, Depends(requires("telemetry:read"))]
