"""Tools for environment variables (/v2/vals/{id}/environment_variables); no value is ever shown."""

from typing import Annotated, Final

from pydantic import BaseModel, Field

from mcp_server.tools.context import ToolContext
from mcp_server.tools.effects import READS, SETS
from mcp_server.tools.references import ValReference, find_val_id
from mcp_server.tools.registry import tool
from shared.valtown.client import MAX_PAGE
from shared.valtown.errors import Conflict, ValTownError
from shared.valtown.models import EnvVar

_TAKES_EFFECT: Final = (
    "Running code keeps the old value until the val is deployed again, which any change of a file does."
)

Key = Annotated[
    str,
    Field(
        description="Its name, like API_KEY.",
        min_length=1,
        max_length=256,
        pattern=r"^[A-Za-z_][A-Za-z0-9_]*$",
    ),
]


class Variable(BaseModel):
    """An environment variable, without its value."""

    key: str
    description: str | None = None
    created_at: str
    updated_at: str | None = None

    @classmethod
    def of(cls, variable: EnvVar) -> "Variable":
        """Return what is shown of a variable."""
        return cls(
            key=variable.key,
            description=variable.description,
            created_at=variable.created_at,
            updated_at=variable.updated_at,
        )


class Variables(BaseModel):
    """The environment variables of a val."""

    variables: list[Variable]
    next_offset: int | None = Field(default=None, description="Pass as `offset` for more; absent at the end.")


class SetVariable(BaseModel):
    """A variable that was set."""

    variable: Variable
    replaced: bool = Field(description="Whether it had a value before.")
    note: str = _TAKES_EFFECT


class DeletedVariable(BaseModel):
    """A variable that was deleted."""

    deleted: bool
    key: str
    note: str = _TAKES_EFFECT


@tool(scope="env:read", title="List environment variables", annotations=READS)
async def list_env_vars(
    context: ToolContext,
    val: ValReference,
    limit: Annotated[int, Field(description="The most to return.", ge=1, le=MAX_PAGE)] = MAX_PAGE,
    offset: Annotated[int, Field(description="Where to go on: `next_offset` of the last call.", ge=0)] = 0,
) -> Variables:
    """List the names and descriptions of a val's environment variables; values are never shown to anyone."""
    client = await context.valtown()
    page = await client.env_vars(await find_val_id(client, val), offset=offset, limit=limit)
    more = offset + len(page.items) if page.has_more and page.items else None
    return Variables(variables=[Variable.of(item) for item in page.items], next_offset=more)


@tool(scope="env:write", title="Set an environment variable", annotations=SETS)
async def set_env_var(
    context: ToolContext,
    val: ValReference,
    key: Key,
    value: Annotated[str, Field(description="Its value; it is never shown again.", max_length=8192)],
    description: Annotated[
        str | None, Field(description="What it is for; default: as it is.", max_length=1024)
    ] = None,
) -> SetVariable:
    """Set an environment variable of a val, new or in place of the old value, which is lost.

    Do not invent secrets and do not repeat the value in your answer. Running code sees it only after the val
    is deployed again: change any file of it.
    """
    client = await context.valtown()
    val_id = await find_val_id(client, val)
    try:
        try:
            made = await client.create_env_var(val_id, key, value, description)
        except Conflict:
            changed = await client.update_env_var(val_id, key, value, description)
            return SetVariable(variable=Variable.of(changed), replaced=True)
    except ValTownError as error:
        # A refusal may quote what it refuses, and this is a secret.
        if value and value in error.message:
            error.message = "(Its words are left out, because they repeat the value.)"
        raise
    return SetVariable(variable=Variable.of(made), replaced=False)


@tool(scope="env:write", title="Delete an environment variable", annotations=SETS)
async def delete_env_var(context: ToolContext, val: ValReference, key: Key) -> DeletedVariable:
    """Delete an environment variable of a val; its value is lost."""
    client = await context.valtown()
    await client.delete_env_var(await find_val_id(client, val), key)
    return DeletedVariable(deleted=True, key=key)


TOOLS: Final = (list_env_vars, set_env_var, delete_env_var)
