"""/v2/vals/{val_id}/environment_variables: GET, POST; …/{key}: PUT, DELETE."""

from typing import Annotated

from fastapi import APIRouter, Depends, Response
from fastapi.responses import JSONResponse
from pydantic import Field

from mcp_server.sandbox import environment, vals
from mcp_server.sandbox.access import ValReader, ValWriter
from mcp_server.sandbox.bodies import Body, json_body
from mcp_server.sandbox.environment import Variable
from mcp_server.sandbox.links import Json, LinksDep, Page, date_time
from mcp_server.sandbox.parameters import Limit, Offset, Uuid
from mcp_server.sandbox.routes.state import StoreDep

router = APIRouter()

MAX_VALUE = 8192


class ChangedVariable(Body):
    """The body of PUT …/{key}."""

    value: str = Field(max_length=MAX_VALUE)
    description: str | None = Field(default=None, max_length=1024)


class NewVariable(ChangedVariable):
    """The body of POST /v2/vals/{val_id}/environment_variables."""

    key: str = Field(max_length=8192, pattern=r"^[A-Za-z_][A-Z0-9a-z_]*$")


@router.get("/v2/vals/{val_id}/environment_variables")
def list_variables(
    val_id: Uuid, reader: ValReader, store: StoreDep, links: LinksDep, offset: Offset = 0, limit: Limit = 20
) -> JSONResponse:
    """List names and descriptions."""
    with store.reading() as session:
        val = vals.writable(session, reader, val_id)
        found, total = environment.listed(session, val, offset=offset, limit=limit)
    items = [_json(variable) for variable in found]
    return JSONResponse(links.numbered_page(items, Page(offset, limit), total))


@router.post("/v2/vals/{val_id}/environment_variables")
def create_variable(
    val_id: Uuid,
    writer: ValWriter,
    body: Annotated[NewVariable, Depends(json_body(NewVariable))],
    store: StoreDep,
) -> JSONResponse:
    """Add a variable."""
    with store.writing() as session:
        val = vals.writable(session, writer, val_id)
        made = environment.create(session, val, body.key, body.value, body.description)
    return JSONResponse(_json(made), 201)


@router.put("/v2/vals/{val_id}/environment_variables/{key}")
def update_variable(
    val_id: Uuid,
    key: str,
    writer: ValWriter,
    body: Annotated[ChangedVariable, Depends(json_body(ChangedVariable))],
    store: StoreDep,
) -> JSONResponse:
    """Replace a value."""
    with store.writing() as session:
        val = vals.writable(session, writer, val_id)
        changed = environment.update(session, val, key, body.value, body.description)
    return JSONResponse(_json(changed), 201)


@router.delete("/v2/vals/{val_id}/environment_variables/{key}")
def delete_variable(val_id: Uuid, key: str, writer: ValWriter, store: StoreDep) -> Response:
    """Remove a variable."""
    with store.writing() as session:
        environment.delete(session, vals.writable(session, writer, val_id), key)
    return Response(status_code=204)


def _json(variable: Variable) -> Json:
    updated_at = variable.updated_at
    return {
        "key": variable.key,
        "description": variable.description,
        "createdAt": date_time(variable.created_at),
        "updatedAt": None if updated_at is None else date_time(updated_at),
    }
