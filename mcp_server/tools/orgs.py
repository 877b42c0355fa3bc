"""Tools for organizations (GET /v2/orgs, /v2/orgs/{id}/memberships)."""

from typing import Annotated, Final

from pydantic import BaseModel, Field

from mcp_server.tools.context import ToolContext
from mcp_server.tools.effects import READS
from mcp_server.tools.references import UserReference, find_user_id
from mcp_server.tools.registry import tool
from shared.valtown.client import MAX_PAGE


class Org(BaseModel):
    """An organization."""

    id: str
    username: str = Field(description="Handle; the owner part of `owner/name`.")


class Orgs(BaseModel):
    """The organizations of the account."""

    orgs: list[Org]
    next_offset: int | None = Field(default=None, description="Pass as `offset` for more; absent at the end.")


class Member(BaseModel):
    """A member of an organization."""

    user_id: str
    username: str | None = None
    role: str | None = Field(default=None, description="owner or member.")


class Members(BaseModel):
    """The members of an organization."""

    members: list[Member]


@tool(scope="orgs:read", title="List organizations", annotations=READS)
async def list_orgs(
    context: ToolContext,
    limit: Annotated[int, Field(description="The most to return.", ge=1, le=MAX_PAGE)] = MAX_PAGE,
    offset: Annotated[int, Field(description="Where to go on: `next_offset` of the last call.", ge=0)] = 0,
) -> Orgs:
    """List the organizations that the signed-in account belongs to."""
    page = await (await context.valtown()).orgs(offset=offset, limit=limit)
    more = offset + len(page.items) if page.has_more and page.items else None
    return Orgs(orgs=[Org(id=org.id, username=org.username) for org in page.items], next_offset=more)


@tool(scope="orgs:read", title="List members", annotations=READS)
async def list_org_members(context: ToolContext, org: UserReference) -> Members:
    """List the members of an organization that the signed-in account belongs to, with their roles."""
    client = await context.valtown()
    found = await client.memberships(await find_user_id(client, org))
    return Members(
        members=[
            Member(user_id=member.user.id, username=member.user.username, role=member.role)
            for member in found
        ]
    )


TOOLS: Final = (list_orgs, list_org_members)
