"""Resources about the account."""

from typing import Final

from mcp_server.resources.registry import resource
from mcp_server.tools.context import ToolContext
from mcp_server.tools.user import Profile, profile_of


@resource("valtown://me", scope="user:read", title="My Val Town profile", mime_type="application/json")
async def me(context: ToolContext) -> Profile:
    """The profile of the signed-in Val Town account: username, plan, email, profile URL."""
    return profile_of(await (await context.valtown()).me())


RESOURCES: Final = (me,)
