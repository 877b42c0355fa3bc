"""What to suggest while somebody fills in a template's variables or a prompt's arguments.

Each looks at one page of one list: suggestions are a help while typing, not a search.
"""

from collections.abc import Iterable, Mapping

from mcp_server.tools.context import ToolContext
from mcp_server.tools.references import find_val_id, parse_val


async def suggest_owner(context: ToolContext, typed: str, _known: Mapping[str, str]) -> list[str]:
    """Return the account's own name, if that is how it begins."""
    me = await (await context.valtown()).me()
    return _beginning([me.username or ""], typed)


async def suggest_val(context: ToolContext, typed: str, known: Mapping[str, str]) -> list[str]:
    """Return names of the account's vals; none for another owner's."""
    vals = (await (await context.valtown()).my_vals()).items
    owner = known.get("owner")
    return _beginning((val.name for val in vals if owner in (None, val.author.username)), typed)


async def suggest_reference(context: ToolContext, typed: str, _known: Mapping[str, str]) -> list[str]:
    """Return `owner/name` of the account's vals."""
    vals = (await (await context.valtown()).my_vals()).items
    return [f"{val.author.username}/{val.name}" for val in vals if typed.casefold() in val.name.casefold()]


async def suggest_path(context: ToolContext, typed: str, known: Mapping[str, str]) -> list[str]:
    """Return paths of the files of the val that is filled in already."""
    if "owner" not in known or "name" not in known:
        return []
    reference = parse_val(f"{known['owner']}/{known['name']}")
    client = await context.valtown()
    page = await client.files(await find_val_id(client, reference), recursive=True)
    return _beginning((file.path for file in page.items if file.type != "directory"), typed)


async def suggest_branch(context: ToolContext, typed: str, known: Mapping[str, str]) -> list[str]:
    """Return branches of the val that is filled in already."""
    if "owner" not in known or "name" not in known:
        return []
    reference = parse_val(f"{known['owner']}/{known['name']}")
    client = await context.valtown()
    page = await client.branches(await find_val_id(client, reference))
    return _beginning((branch.name for branch in page.items), typed)


async def suggest_blob(context: ToolContext, typed: str, _known: Mapping[str, str]) -> list[str]:
    """Return keys of blobs that begin like this."""
    return [item.key for item in await (await context.valtown()).blobs(typed)]


def _beginning(values: Iterable[str], typed: str) -> list[str]:
    return [value for value in values if value and value.casefold().startswith(typed.casefold())]
