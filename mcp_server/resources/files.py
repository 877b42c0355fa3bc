"""Resources for the files of vals."""

from typing import Final

from mcp_server.resources.registry import resource
from mcp_server.resources.suggestions import suggest_owner, suggest_path, suggest_val
from mcp_server.tools.context import ToolContext
from mcp_server.tools.references import find_val_id, parse_path, parse_val

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
    content = await client.file_content(await find_val_id(client, reference), place)
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return content


RESOURCES: Final = (val_file,)
