"""Tools that change files (POST, PUT, DELETE /v2/vals/{id}/files)."""

from typing import Annotated, Final

from pydantic import BaseModel, Field

from mcp_server.tools.agreement import agreed
from mcp_server.tools.context import ToolContext
from mcp_server.tools.effects import ADDS, EDITS, SETS
from mcp_server.tools.failures import ToolError
from mcp_server.tools.files import lines_of
from mcp_server.tools.places import Place, open_place
from mcp_server.tools.references import DEFAULT_BRANCH, BranchReference, FilePath, ValReference
from mcp_server.tools.registry import tool
from mcp_server.tools.results import FileSummary
from shared.valtown.client import MAX_CONTENT_CHARACTERS, FileType
from shared.valtown.errors import BadRequest, Conflict, NotFound
from shared.valtown.models import File

_SCRIPT_ENDINGS: Final = (".ts", ".tsx", ".js", ".jsx", ".mjs", ".mts")
_TYPES: Final = (
    "http: answers web requests; interval: runs on a schedule; email: receives mail; script: code to run or "
    "import; file: anything else."
)

FileContent = Annotated[
    str, Field(description="The whole text of the file.", max_length=MAX_CONTENT_CHARACTERS)
]
ExpectedVersion = Annotated[
    int | None, Field(description="`file.version` as you read it; refused when it has changed.", ge=0)
]
Piece = Annotated[str, Field(max_length=MAX_CONTENT_CHARACTERS)]


class WrittenFile(BaseModel):
    """A file as it is after the change."""

    file: FileSummary
    replaced_version: int | None = Field(
        default=None, description="The version that `expected_version` confirmed."
    )


class EditedFile(BaseModel):
    """A file as it is after an edit of a part."""

    file: FileSummary
    replaced_version: int = Field(description="The version that was edited.")
    edits: int = Field(description="How many places were changed.")


class Deleted(BaseModel):
    """What was deleted."""

    deleted: bool = Field(description="False: the person declined, and everything is as it was.")
    path: str
    branch: str


@tool(scope="files:write", title="Create a file", annotations=ADDS)
async def create_file(
    context: ToolContext,
    val: ValReference,
    path: FilePath,
    content: FileContent,
    type: Annotated[  # noqa: A002 - the argument's name for clients
        FileType | None, Field(description=f"{_TYPES} Default by the ending: script or file.")
    ] = None,
    branch: BranchReference = DEFAULT_BRANCH,
) -> WrittenFile:
    """Create a new file in a val; directories on the way are made.

    Refused when something is at the path: use write_file to change a file. Code on main runs at once (http,
    email and interval files are live). At most 80,000 characters of text, no binary data.
    """
    place = await open_place(context, val, branch)
    try:
        file = await place.client.create_file(
            place.val_id, path, content, type or type_for(path), branch_id=place.branch_id
        )
    except Conflict as error:
        raise _taken(path, "Use write_file to replace it.", error) from None
    return WrittenFile(file=FileSummary.of(file))


@tool(scope="files:write", title="Create a directory", annotations=ADDS)
async def create_directory(
    context: ToolContext, val: ValReference, path: FilePath, branch: BranchReference = DEFAULT_BRANCH
) -> WrittenFile:
    """Create an empty directory in a val; rarely needed, since create_file makes those on its way."""
    place = await open_place(context, val, branch)
    try:
        directory = await place.client.create_directory(place.val_id, path, branch_id=place.branch_id)
    except Conflict as error:
        raise _taken(path, "list_files shows what it is.", error) from None
    return WrittenFile(file=FileSummary.of(directory))


@tool(scope="files:write", title="Replace a file's content", annotations=SETS)
async def write_file(
    context: ToolContext,
    val: ValReference,
    path: FilePath,
    content: FileContent,
    expected_version: ExpectedVersion = None,
    branch: BranchReference = DEFAULT_BRANCH,
) -> WrittenFile:
    """Replace the whole content of an existing file in a val; the code on main goes live at once.

    Read the file first and pass its version as `expected_version`, so that a change made by somebody else
    since is not lost. The check is made just before the write: Val Town has no conditional write, so a change
    in that moment is still overwritten. Earlier versions stay readable with read_file and `version`. The
    file's type is kept. To change a few lines, replace_in_file is cheaper.
    """
    place = await open_place(context, val, branch)
    if expected_version is not None:
        refuse_stale(await place.find(path), expected_version)
    return WrittenFile(
        file=FileSummary.of(await _write(place, path, content)), replaced_version=expected_version
    )


@tool(scope="files:write", title="Replace text in a file", annotations=EDITS)
async def replace_in_file(
    context: ToolContext,
    val: ValReference,
    path: FilePath,
    old_text: Annotated[
        Piece, Field(description="What is there, exactly, with enough around it to be unique.", min_length=1)
    ],
    new_text: Annotated[Piece, Field(description="What to put there; empty removes it.")],
    replace_all: Annotated[
        bool, Field(description="Replace every occurrence, not only a single one.")
    ] = False,
    expected_version: ExpectedVersion = None,
    branch: BranchReference = DEFAULT_BRANCH,
) -> EditedFile:
    """Replace a piece of text in a file of a val; the code on main goes live at once.

    Refused when `old_text` is not there, or is there more than once without `replace_all`: nothing is then
    changed. The rest of the file stays as it is now, not as you read it.
    """
    place = await open_place(context, val, branch)
    file, text = await _read_guarded(place, path, expected_version)
    count = text.count(old_text)
    if not count:
        hint = "Read the file again: whitespace counts, and somebody may have changed it."
        raise ToolError(f"Nothing was written: {path} does not contain `old_text`.", hint=hint)
    if count > 1 and not replace_all:
        hint = "Pass more of the text around it, or replace_all: true."
        raise ToolError(f"Nothing was written: {path} contains `old_text` {count} times.", hint=hint)
    changed = await _write(place, path, text.replace(old_text, new_text))
    return EditedFile(file=FileSummary.of(changed), replaced_version=file.version, edits=count)


@tool(scope="files:write", title="Insert lines into a file", annotations=EDITS)
async def insert_at_line(
    context: ToolContext,
    val: ValReference,
    path: FilePath,
    line: Annotated[
        int, Field(description="Number the first new line gets, from 1; one past the end appends.", ge=1)
    ],
    text: Annotated[Piece, Field(description="The lines to insert.", min_length=1)],
    expected_version: ExpectedVersion = None,
    branch: BranchReference = DEFAULT_BRANCH,
) -> EditedFile:
    """Insert lines into a file of a val before a line; the code on main goes live at once.

    Line numbers change with every edit: pass `expected_version` so that the lines land where you meant.
    """
    place = await open_place(context, val, branch)
    file, before = await _read_guarded(place, path, expected_version)
    lines = lines_of(before)
    if line > len(lines) + 1:
        raise ToolError(f"Nothing was written: {path} has {len(lines)} lines.")
    if line == len(lines) + 1 and lines and not lines[-1].endswith("\n"):
        lines[-1] += "\n"
    ends = text.endswith("\n") or line == len(lines) + 1
    lines.insert(line - 1, text if ends else f"{text}\n")
    changed = await _write(place, path, "".join(lines))
    return EditedFile(file=FileSummary.of(changed), replaced_version=file.version, edits=1)


@tool(scope="files:write", title="Move or rename a file", annotations=EDITS)
async def move_file(
    context: ToolContext,
    val: ValReference,
    path: FilePath,
    new_path: Annotated[FilePath, Field(description="Its path from the val's root afterwards.")],
    branch: BranchReference = DEFAULT_BRANCH,
) -> WrittenFile:
    """Move or rename a file or directory within a val; a directory moves with everything in it.

    Refused when something is at the new path. Imports of the file in other files are not changed. The
    directory to move to must be there: create_directory makes it.
    """
    place = await open_place(context, val, branch)
    directory, _, name = new_path.rpartition("/")
    try:
        moved = await place.client.move_file(place.val_id, path, directory, name, branch_id=place.branch_id)
    except Conflict as error:
        raise _taken(new_path, "Choose another path, or delete what is there first.", error) from None
    return WrittenFile(file=FileSummary.of(moved))


@tool(scope="files:write", title="Change a file's type", annotations=SETS)
async def change_file_type(
    context: ToolContext,
    val: ValReference,
    path: FilePath,
    type: Annotated[FileType, Field(description=_TYPES)],  # noqa: A002 - the argument's name for clients
    branch: BranchReference = DEFAULT_BRANCH,
) -> WrittenFile:
    """Change what a file of a val is: whether it is served, runs on a schedule, receives mail, or is plain.

    Takes effect at once: its web address, schedule or mailbox appears or goes. The schedule of an interval
    file is set on the val's page.
    """
    place = await open_place(context, val, branch)
    changed = await place.client.change_file_type(place.val_id, path, type, branch_id=place.branch_id)
    return WrittenFile(file=FileSummary.of(changed))


@tool(scope="files:write", title="Delete a file or directory", annotations=SETS)
async def delete_file(
    context: ToolContext,
    val: ValReference,
    path: FilePath,
    branch: BranchReference = DEFAULT_BRANCH,
    recursive: Annotated[bool, Field(description="Delete a directory with everything below it.")] = False,
    confirm: Annotated[
        bool,
        Field(description="With `recursive`: true only when the person has agreed to this very deletion."),
    ] = False,
) -> Deleted:
    """Delete a file of a val, or with `recursive` and `confirm` a directory and everything below it.

    Takes effect at once: a deleted http file stops answering. The text stays readable at earlier versions
    (list_versions) and restore_file_version brings it back, file by file. The root cannot be deleted.
    """
    what = f"Delete {path} of {val} with everything below it"
    if recursive and not await agreed(context, what, confirm=confirm):
        return Deleted(deleted=False, path=path, branch=branch)
    place = await open_place(context, val, branch)
    try:
        await place.client.delete_file(place.val_id, path, branch_id=place.branch_id, recursive=recursive)
    except (BadRequest, Conflict) as error:
        hint = "" if recursive else "If it is a directory, pass recursive: true and confirm: true."
        raise ToolError(f"{path} was not deleted.", hint=hint, upstream=error) from None
    return Deleted(deleted=True, path=path, branch=branch)


def type_for(path: str) -> FileType:
    """Return the type a new file gets when none is named."""
    return "script" if path.lower().endswith(_SCRIPT_ENDINGS) else "file"


def refuse_stale(current: File, expected_version: int) -> None:
    """Refuse to go on when a file is not at the version it was read at.

    Raises:
        ToolError: it is not.
    """
    if current.version != expected_version:
        raise ToolError(
            f"Nothing was written: {current.path} is at version {current.version}, not {expected_version}.",
            hint="Somebody changed it. Read it again, merge your change, and write with the new version.",
        )


async def _read_guarded(place: Place, path: str, expected_version: int | None) -> tuple[File, str]:
    # The version first: what is written is then never newer than what the check saw.
    file = await place.find(path)
    if expected_version is not None:
        refuse_stale(file, expected_version)
    return file, await place.text(path)


async def _write(place: Place, path: str, content: str) -> File:
    if len(content) > MAX_CONTENT_CHARACTERS:
        raise ToolError(
            f"Nothing was written: {path} would have {len(content)} characters, and Val Town takes "
            f"{MAX_CONTENT_CHARACTERS}.",
            hint="Split the file.",
        )
    try:
        return await place.client.update_file(place.val_id, path, content, branch_id=place.branch_id)
    except NotFound as error:
        hint = "Use create_file for a new file; list_files shows what there is."
        raise ToolError(f"{path} was not written.", hint=hint, upstream=error) from None


def _taken(path: str, hint: str, error: Conflict) -> ToolError:
    return ToolError(f"There is already something at {path}.", hint=hint, upstream=error)


TOOLS: Final = (
    create_file,
    create_directory,
    write_file,
    replace_in_file,
    insert_at_line,
    move_file,
    change_file_type,
    delete_file,
)
