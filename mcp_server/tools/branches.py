"""Tools for branches (GET, POST /v2/vals/{id}/branches; GET, DELETE …/{branch_id})."""

from typing import Annotated, Final

from pydantic import BaseModel, Field

from mcp_server.tools.agreement import agreed
from mcp_server.tools.context import ToolContext
from mcp_server.tools.effects import ADDS, READS, SETS
from mcp_server.tools.failures import ToolError
from mcp_server.tools.places import open_place
from mcp_server.tools.references import (
    DEFAULT_BRANCH,
    BranchReference,
    ValReference,
    find_branch,
    find_val_id,
)
from mcp_server.tools.registry import tool
from mcp_server.tools.results import BranchSummary
from shared.valtown.client import MAX_PAGE
from shared.valtown.errors import Conflict


class BranchList(BaseModel):
    """The branches of a val."""

    branches: list[BranchSummary]
    next_offset: int | None = Field(default=None, description="Pass as `offset` for more; absent at the end.")


class DeletedBranch(BaseModel):
    """What was deleted."""

    deleted: bool = Field(description="False: the person declined, and everything is as it was.")
    branch: BranchSummary


@tool(scope="vals:read", title="List branches", annotations=READS)
async def list_branches(
    context: ToolContext,
    val: ValReference,
    limit: Annotated[int, Field(description="The most branches to return.", ge=1, le=MAX_PAGE)] = MAX_PAGE,
    offset: Annotated[int, Field(description="Where to go on: `next_offset` of the last call.", ge=0)] = 0,
) -> BranchList:
    """List the branches of a val with their versions; main, the live one, is among them."""
    client = await context.valtown()
    page = await client.branches(await find_val_id(client, val), offset=offset, limit=limit)
    more = offset + len(page.items) if page.has_more and page.items else None
    return BranchList(branches=[BranchSummary.of(branch) for branch in page.items], next_offset=more)


@tool(scope="vals:read", title="Get a branch", annotations=READS)
async def get_branch(
    context: ToolContext, val: ValReference, branch: BranchReference = DEFAULT_BRANCH
) -> BranchSummary:
    """Get one branch of a val: its id, version and when it changed last."""
    client = await context.valtown()
    return BranchSummary.of(await find_branch(client, await find_val_id(client, val), branch))


@tool(scope="vals:write", title="Create a branch", annotations=ADDS)
async def create_branch(
    context: ToolContext,
    val: ValReference,
    name: Annotated[
        str,
        Field(
            description="Letters, digits and $ [ ] ( ) - _ .",
            min_length=1,
            max_length=48,
            pattern=r"^[a-zA-Z0-9$\[\]()\-_.]+$",
        ),
    ],
    source: Annotated[
        BranchReference, Field(description="Branch to start from, name or id.")
    ] = DEFAULT_BRANCH,
) -> BranchSummary:
    """Create a branch of a val with the files of another: try changes there without touching the live code.

    http files on it get addresses of their own. apply_branch brings its changes back.
    """
    place = await open_place(context, val, source)
    try:
        made = await place.client.create_branch(place.val_id, name, source_id=place.branch_id)
    except Conflict as error:
        hint = "Look at it with list_branches, or choose another name."
        raise ToolError(f"The val already has a branch {name}.", hint=hint, upstream=error) from None
    return BranchSummary.of(made)


@tool(scope="vals:write", title="Delete a branch", annotations=SETS)
async def delete_branch(
    context: ToolContext,
    val: ValReference,
    branch: BranchReference,
    confirm: Annotated[
        bool, Field(description="True only when the person has agreed to this very deletion.")
    ] = False,
) -> DeletedBranch:
    """Delete a branch of a val with everything on it, for good; main cannot be deleted.

    compare_branches shows what would be lost.
    """
    client = await context.valtown()
    val_id = await find_val_id(client, val)
    found = await find_branch(client, val_id, branch)
    if found.name == DEFAULT_BRANCH:
        raise ToolError("Nothing was deleted: main is the val itself.", hint="delete_val deletes a val.")
    if not await agreed(
        context, f"Delete the branch {found.name} with everything on it, for good", confirm=confirm
    ):
        return DeletedBranch(deleted=False, branch=BranchSummary.of(found))
    await client.delete_branch(val_id, found.id)
    return DeletedBranch(deleted=True, branch=BranchSummary.of(found))


TOOLS: Final = (list_branches, get_branch, create_branch, delete_branch)
