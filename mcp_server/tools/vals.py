"""Tools for vals (GET /v2/me/vals, GET /v2/vals/{id}, GET /v2/alias/vals/{owner}/{name}, POST /v2/vals)."""

import asyncio
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field

from mcp_server.tools.agreement import agreed
from mcp_server.tools.context import ToolContext
from mcp_server.tools.edits import FileContent, type_for
from mcp_server.tools.effects import ADDS, READS, SETS
from mcp_server.tools.failures import ToolError, uncertain
from mcp_server.tools.paging import collect
from mcp_server.tools.references import FilePath, UserReference, ValReference, find_user_id, find_val
from mcp_server.tools.registry import tool
from mcp_server.tools.results import BranchSummary, FileSummary, ValSummary
from shared.valtown.client import MAX_PAGE, FileType, Privacy, ValTownClient
from shared.valtown.errors import BadRequest, Conflict, Forbidden, ValTownError
from shared.valtown.models import Branch, File, Page, Val

ValName = Annotated[
    str,
    Field(
        description="Letters, digits, - and _, starting with a letter; unique in the account.",
        max_length=48,
        pattern=r"^[a-zA-Z][a-zA-Z0-9\-_]*$",
    ),
]
ValDescription = Annotated[str, Field(description="One line for people.", max_length=64)]


class ValList(BaseModel):
    """Vals of the account."""

    vals: list[ValSummary]
    next_offset: int | None = Field(default=None, description="Pass as `offset` for more; absent at the end.")


class ValDetails(BaseModel):
    """A val with its branches and what is at its root."""

    val: ValSummary
    branches: list[BranchSummary]
    root_files: list[FileSummary] = Field(description="Files and directories at the root of main.")
    incomplete: bool = Field(description="True when there are more branches or root files than shown.")


class CreatedVal(BaseModel):
    """A new val."""

    val: ValSummary
    files: list[FileSummary] = Field(description="The initial files, as created.")


class DeletedVal(BaseModel):
    """What was deleted."""

    deleted: bool = Field(description="False: the person declined, and everything is as it was.")
    val: ValSummary


class InitialFile(BaseModel):
    """A file to put into a new val."""

    model_config = ConfigDict(extra="forbid")

    path: FilePath
    content: FileContent
    type: FileType | None = Field(
        default=None, description="Default: script for TypeScript/JavaScript, else file."
    )


@tool(scope="vals:read", title="List my vals", annotations=READS)
async def list_my_vals(
    context: ToolContext,
    name: Annotated[
        str, Field(description="Only vals whose name contains this, in any case.", max_length=64)
    ] = "",
    limit: Annotated[int, Field(description="The most vals to return.", ge=1, le=500)] = 100,
    offset: Annotated[int, Field(description="Where to go on: `next_offset` of the last call.", ge=0)] = 0,
) -> ValList:
    """List the vals of the signed-in account, public and private, optionally filtered by name.

    Pages through Val Town's list by itself, looking at up to 1000 vals a call. Vals of other people are not
    listed: open them with get_val as owner/name.
    """
    client = await context.valtown()
    wanted = name.casefold()

    def matches(val: Val) -> bool:
        return wanted in val.name.casefold()

    async def fetch(start: int, size: int) -> Page[Val]:
        return await client.my_vals(offset=start, limit=size)

    page_size = MAX_PAGE if wanted else min(limit, MAX_PAGE)
    found = await collect(context, fetch, matches, offset=offset, limit=limit, page_size=page_size)
    return ValList(vals=[ValSummary.of(val) for val in found.items], next_offset=found.next_offset)


@tool(scope="vals:read", title="Get a val", annotations=READS)
async def get_val(context: ToolContext, val: ValReference) -> ValDetails:
    """Get one val: description, privacy, its branches with their versions, and the files at its root.

    Works for own vals and for anyone's public or unlisted vals. Use list_files for directories, read_file for
    code.
    """
    client = await context.valtown()
    found = await find_val(client, val)
    branches, files = await _branches_and_root(client, found.id)
    return ValDetails(
        val=ValSummary.of(found),
        branches=[BranchSummary.of(branch) for branch in branches.items],
        root_files=[FileSummary.of(file) for file in files.items],
        incomplete=branches.has_more or files.has_more,
    )


async def _branches_and_root(client: ValTownClient, val_id: str) -> tuple[Page[Branch], Page[File]]:
    try:
        async with asyncio.TaskGroup() as both:
            branches = both.create_task(client.branches(val_id))
            files = both.create_task(client.files(val_id))
    except ExceptionGroup as failed:
        raise failed.exceptions[0] from None
    return branches.result(), files.result()


@tool(scope="vals:write", title="Create a val", annotations=ADDS)
async def create_val(
    context: ToolContext,
    name: ValName,
    privacy: Annotated[
        Privacy, Field(description="public: anyone sees the code. The free plan allows nothing else.")
    ] = "public",
    description: ValDescription = "",
    initial_files: Annotated[
        list[InitialFile] | None,
        Field(description="Files to create in it, in this order.", max_length=20),
    ] = None,
    org: UserReference | None = None,
) -> CreatedVal:
    """Create a new val in the signed-in account or an organization of it, optionally with its first files.

    A val is public unless told otherwise: its code can be read by anyone, so put no secrets in it. Name,
    privacy and description cannot be changed later through this server. An `http` file is served on the web
    at once.
    """
    wanted = initial_files or []
    _refuse_twins(wanted)
    client = await context.valtown()
    try:
        org_id = None if org is None else await find_user_id(client, org)
        val = await client.create_val(name, privacy, description or None, org_id=org_id)
    except Conflict as error:
        hint = "Look at it with list_my_vals, or choose another name."
        raise ToolError(f"This account already has a val {name}.", hint=hint, upstream=error) from None
    except (Forbidden, BadRequest) as error:
        raise refused(privacy, error) from None
    created: list[FileSummary] = []
    for count, file in enumerate(wanted, start=1):
        try:
            file_type = file.type or type_for(file.path)
            made = await client.create_file(val.id, file.path, file.content, file_type)
        except ValTownError as error:
            raise _half_made(val, wanted[count - 1 :], error) from None
        created.append(FileSummary.of(made))
        await context.report_progress(count, len(wanted), f"{file.path} created")
    return CreatedVal(val=ValSummary.of(val), files=created)


@tool(scope="vals:write", title="Delete a val", annotations=SETS)
async def delete_val(
    context: ToolContext,
    val: ValReference,
    confirm: Annotated[
        bool, Field(description="True only when the person has agreed to this very deletion.")
    ] = False,
) -> DeletedVal:
    """Delete a val with all its branches, files and history. This cannot be undone.

    The person is asked through the client where that is possible; elsewhere ask yourself and then pass
    `confirm: true`.
    """
    client = await context.valtown()
    found = await find_val(client, val)
    named = f"{found.author.username}/{found.name}" if found.author.username else found.name
    what = f"Delete the {found.privacy} val {named} with all its branches, files and history, for good"
    if not await agreed(context, what, confirm=confirm):
        return DeletedVal(deleted=False, val=ValSummary.of(found))
    await client.delete_val(found.id)
    return DeletedVal(deleted=True, val=ValSummary.of(found))


def _refuse_twins(files: list[InitialFile]) -> None:
    paths = [file.path for file in files]
    if len(set(paths)) != len(paths):
        raise ToolError("Invalid arguments for create_val: `initial_files` names a path twice.")


def refused(privacy: str, error: ValTownError) -> ToolError:
    """Return why a val of this privacy was probably not created."""
    if privacy == "public":
        return ToolError("The val was not created.", upstream=error)
    hint = (
        f"Free accounts cannot have {privacy} vals (get_me shows the plan in `tier`). Do not make it public "
        "without asking the person. Otherwise the token may lack the permission val:write or user:read."
    )
    return ToolError(f"The {privacy} val was not created.", hint=hint, upstream=error)


def _half_made(val: Val, missing: list[InitialFile], error: ValTownError) -> ToolError:
    paths = ", ".join(file.path for file in missing)
    return ToolError(
        f"The val {val.name} was created (id {val.id}), but these files were not: {paths}.",
        hint="Do not create the val again: add the files with create_file."
        + uncertain(error, f"{missing[0].path} was created"),
        upstream=error,
    )


TOOLS: Final = (list_my_vals, get_val, create_val, delete_val)
