"""Resources for the files of vals."""

from typing import Final

from mcp_server.resources.registry import resource
from mcp_server.resources.suggestions import suggest_branch, suggest_owner, suggest_path, suggest_val
from mcp_server.tools.context import ToolContext
from mcp_server.tools.references import (
    find_branch_id,
    find_val_id,
    parse_branch,
    parse_path,
    parse_val,
)

_COMPLETIONS: Final = {"owner": suggest_owner, "name": suggest_val, "path": suggest_path}


@resource(
    "valtown://vals/{owner}/{name}/files/{+path}",
    scope="files:read",
    title="A file of a val",
    completions=_COMPLETIONS,
)
async def val_file(context: ToolContext, owner: str, name: str, path: str) -> str | bytes:
    """A file on a val's main branch, by the val's owner and name and the file's path: code, text or data."""
    reference, place = parse_val(f"{owner}/{name}"), parse_path(path)
    client = await context.valtown()
    return _shown(await client.file_content(await find_val_id(client, reference), place))


@resource(
    "valtown://vals/{owner}/{name}/branches/{branch}/files/{+path}",
    scope="files:read",
    title="A file on a branch of a val",
    completions={**_COMPLETIONS, "branch": suggest_branch},
)
async def branch_file(context: ToolContext, owner: str, name: str, branch: str, path: str) -> str | bytes:
    """A file on a branch of a val, by the val's owner and name, the branch's name and the file's path."""
    reference, place = parse_val(f"{owner}/{name}"), parse_path(path)
    branch_name = parse_branch(branch)
    client = await context.valtown()
    val_id = await find_val_id(client, reference)
    branch_id = await find_branch_id(client, val_id, branch_name)
    return _shown(await client.file_content(val_id, place, branch_id=branch_id))


def _shown(content: bytes) -> str | bytes:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return content


RESOURCES: Final = (val_file, branch_file)
