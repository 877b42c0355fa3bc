"""GET /v1/me, /v1/alias/{username}, /v1/users/{user_id}."""

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from mcp_server.sandbox import accounts
from mcp_server.sandbox.access import UserReader
from mcp_server.sandbox.accounts import Account
from mcp_server.sandbox.errors import NotFoundError
from mcp_server.sandbox.links import LinksDep
from mcp_server.sandbox.parameters import Uuid

router = APIRouter()


@router.get("/v1/me")
async def me(reader: UserReader, links: LinksDep) -> JSONResponse:
    """Return the caller's own profile, with tier and email."""
    return JSONResponse({**links.user(reader), "tier": reader.tier, "email": reader.email})


@router.get("/v1/alias/{username}")
async def by_username(username: str, reader: UserReader, links: LinksDep) -> JSONResponse:
    """Return a profile by username."""
    return JSONResponse(links.user(_known(accounts.by_username(username))))


@router.get("/v1/users/{user_id}")
async def by_id(user_id: Uuid, reader: UserReader, links: LinksDep) -> JSONResponse:
    """Return a profile by id."""
    return JSONResponse(links.user(_known(accounts.by_id(user_id))))


def _known(account: Account | None) -> Account:
    if account is None:
        raise NotFoundError("User not found")
    return account
