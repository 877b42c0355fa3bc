"""Tools for the account (GET /v1/me)."""

from typing import Final

from pydantic import BaseModel, Field

from mcp_server.tools.context import ToolContext
from mcp_server.tools.registry import Annotations, tool
from shared.valtown.models import User


class Profile(BaseModel):
    """The signed-in Val Town account."""

    id: str
    username: str | None = Field(default=None, description="Handle; the owner part of `owner/name`.")
    type: str = Field(description="user or org.")
    tier: str | None = Field(default=None, description="Plan: free, pro or business.")
    email: str | None = None
    bio: str | None = None
    url: str
    profile_image_url: str | None = None


@tool(
    scope="user:read",
    title="Get my profile",
    annotations=Annotations(read_only=True, destructive=False, idempotent=True),
)
async def get_me(context: ToolContext) -> Profile:
    """Get the profile of the signed-in Val Town account: username, plan (tier), email, profile URL.

    Use it to learn whose account this is, or whether the plan allows private vals (free does not). For what
    this connection may do, use whoami.
    """
    return profile_of(await (await context.valtown()).me())


def profile_of(user: User) -> Profile:
    """Return what is shown of the account."""
    return Profile(
        id=user.id,
        username=user.username,
        type=user.type,
        tier=user.tier,
        email=user.email,
        bio=user.bio,
        url=user.url,
        profile_image_url=user.profile_image_url,
    )


TOOLS: Final = (get_me,)
