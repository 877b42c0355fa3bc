"""The tool that copies a val (POST /v2/vals, then its files one by one)."""

from typing import Annotated, Final, cast

from pydantic import BaseModel, Field

from mcp_server.tools.context import ToolContext
from mcp_server.tools.effects import ADDS
from mcp_server.tools.failures import ToolError, uncertain
from mcp_server.tools.files import Version
from mcp_server.tools.places import Place, open_place
from mcp_server.tools.references import DEFAULT_BRANCH, BranchReference, ValReference
from mcp_server.tools.registry import tool
from mcp_server.tools.results import ValSummary
from mcp_server.tools.vals import ValDescription, ValName, refused
from shared.valtown.client import FileType, Privacy
from shared.valtown.errors import BadRequest, Conflict, Forbidden, ValTownError
from shared.valtown.models import File, Val

MOST_COPIED: Final = 200


class Remix(BaseModel):
    """A new val with the files of another."""

    val: ValSummary
    files: int = Field(description="How many files were copied.")


@tool(scope="vals:write", title="Remix a val", annotations=ADDS)
async def remix_val(
    context: ToolContext,
    val: ValReference,
    name: ValName,
    privacy: Annotated[
        Privacy, Field(description="public: anyone sees the code. The free plan allows nothing else.")
    ] = "public",
    description: ValDescription = "",
    branch: BranchReference = DEFAULT_BRANCH,
    version: Version = None,
) -> Remix:
    """Copy a val, your own or anybody's public one, into a new val of your account: files with their types.

    Up to 200 files. Environment variables, branches and history are not copied. Copied http files are served
    and interval files may run at once: read code of others before you remix it.
    """
    source = await open_place(context, val, branch, version)
    files, has_more = await source.all_files()
    if has_more or len(files) > MOST_COPIED:
        raise ToolError(f"Nothing was created: the val has more than {MOST_COPIED} files.")
    try:
        made = await source.client.create_val(name, privacy, description or None)
    except Conflict as error:
        raise ToolError(f"This account already has a val {name}.", upstream=error) from None
    except (Forbidden, BadRequest) as error:
        raise refused(privacy, error) from None
    for count, file in enumerate(files, start=1):
        try:
            await _copy(source, made, file)
        except (ToolError, ValTownError) as error:
            raise _half_made(made, files[count - 1 :], error) from None
        await context.report_progress(count, len(files), f"{file.path} copied")
    return Remix(val=ValSummary.of(made), files=len(files))


async def _copy(source: Place, target: Val, file: File) -> None:
    # What a file is comes from Val Town itself, which takes back what it gives.
    file_type = cast(FileType, file.type)
    await source.client.create_file(target.id, file.path, await source.text(file.path), file_type)


def _half_made(val: Val, missing: list[File], error: ToolError | ValTownError) -> ToolError:
    paths = ", ".join(file.path for file in missing[:20])
    return ToolError(
        f"The val {val.name} was created (id {val.id}), but {len(missing)} files were not copied: {paths}.",
        hint="Do not remix again: add the files with create_file, or delete the new val."
        + uncertain(error, f"{missing[0].path} was copied"),
        upstream=error if isinstance(error, ValTownError) else error.upstream,
    )


TOOLS: Final = (remix_val,)
