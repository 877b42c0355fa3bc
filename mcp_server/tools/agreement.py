"""Whether the person agrees to what cannot be undone: asked through the client, or as the model says."""

from mcp_server.tools.context import ToolContext
from mcp_server.tools.failures import ToolError


async def agreed(context: ToolContext, what: str, *, confirm: bool) -> bool:
    """Return whether to go on with `what`, a phrase such as "Delete the val a/b for good".

    Raises:
        ToolError: the client cannot ask its person, and the model does not say that the person agreed.
    """
    if context.can_ask():
        return await context.confirm(f"{what}?")
    if not confirm:
        hint = "Ask the person whether to go on; if so, call again with `confirm: true`."
        raise ToolError(f"Nothing was done yet. {what}?", hint=hint)
    return True
