"""GET /v2/orgs, /v2/orgs/{org_id}/memberships."""

from uuid import NAMESPACE_OID, uuid5

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from mcp_server.sandbox import accounts
from mcp_server.sandbox.access import UserReader
from mcp_server.sandbox.accounts import Account, Role
from mcp_server.sandbox.errors import NotFoundError
from mcp_server.sandbox.links import LinksDep, Page
from mcp_server.sandbox.parameters import Limit, Offset, Uuid

router = APIRouter()


@router.get("/v2/orgs")
async def list_orgs(
    reader: UserReader, links: LinksDep, offset: Offset = 0, limit: Limit = 20
) -> JSONResponse:
    """List the organizations the caller is in."""
    orgs = accounts.orgs_of(reader)
    items: list[dict[str, object]] = [{"id": org.id, "username": org.username} for org in orgs]
    page = links.numbered_page(items[offset : offset + limit], Page(offset, limit), len(items))
    return JSONResponse(page)


@router.get("/v2/orgs/{org_id}/memberships")
async def list_memberships(org_id: Uuid, reader: UserReader) -> JSONResponse:
    """List the members of an organization the caller is in."""
    org = accounts.by_id(org_id)
    if org is None or org not in accounts.orgs_of(reader):
        raise NotFoundError("Org not found")
    return JSONResponse([_membership(org, member, role) for member, role in org.members])


def _membership(org: Account, member_id: str, role: Role) -> dict[str, object]:
    member = accounts.by_id(member_id)
    return {
        "id": str(uuid5(NAMESPACE_OID, f"{org.id} {member_id}")),
        "role": role,
        "user": {"id": member_id, "username": member.username if member else None},
    }
