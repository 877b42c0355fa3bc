"""/v2/vals: GET, POST; /v2/vals/{val_id}: GET, DELETE; /v2/alias/vals/{username}/{val_name}, /v2/me/vals."""

from typing import Annotated

from fastapi import APIRouter, Depends, Response
from fastapi.responses import JSONResponse
from pydantic import Field

from mcp_server.sandbox import accounts, vals
from mcp_server.sandbox.access import ValReader, ValWriter
from mcp_server.sandbox.accounts import Account
from mcp_server.sandbox.bodies import Body, json_body
from mcp_server.sandbox.errors import NotFoundError
from mcp_server.sandbox.links import LinksDep, Page
from mcp_server.sandbox.parameters import DateTime, Limit, Offset, Privacy, Uuid, epoch_milliseconds
from mcp_server.sandbox.routes.state import StoreDep

router = APIRouter()


class NewVal(Body):
    """The body of POST /v2/vals."""

    name: str = Field(min_length=1, max_length=48, pattern=r"^[a-zA-Z][a-zA-Z0-9\-_]*$")
    privacy: Privacy
    description: str = Field(default="", max_length=64)
    orgId: Uuid = ""  # noqa: N815 - the wire's spelling


@router.get("/v2/vals")
def list_vals(
    reader: ValReader,
    store: StoreDep,
    links: LinksDep,
    privacy: Privacy | None = None,
    user_id: Uuid | None = None,
    cursor: DateTime | None = None,
    limit: Limit = 20,
) -> JSONResponse:
    """List all public vals and the caller's own, newest first; the cursor is where the last page ended."""
    wanted = vals.Filter(privacy, user_id, None if cursor is None else epoch_milliseconds(cursor))
    with store.reading() as session:
        found = vals.listed(session, reader, wanted, limit=limit + 1)
    next_cursor = found[limit - 1].created_at if len(found) > limit else None
    return JSONResponse(
        links.dated_page([links.val(val) for val in found[:limit]], limit, cursor=next_cursor)
    )


@router.post("/v2/vals")
def create_val(
    writer: ValWriter, body: Annotated[NewVal, Depends(json_body(NewVal))], store: StoreDep, links: LinksDep
) -> JSONResponse:
    """Create a val."""
    owner = _owner(writer, body.orgId)
    description = body.description if "description" in body.model_fields_set else None
    with store.writing() as session:
        val = vals.create(session, owner, body.name, body.privacy, description)
    return JSONResponse(links.val(val), 201)


@router.get("/v2/vals/{val_id}")
def get_val(val_id: Uuid, reader: ValReader, store: StoreDep, links: LinksDep) -> JSONResponse:
    """Return a val."""
    with store.reading() as session:
        return JSONResponse(links.val(vals.readable(session, reader, val_id)))


@router.delete("/v2/vals/{val_id}")
def delete_val(val_id: Uuid, writer: ValWriter, store: StoreDep) -> Response:
    """Delete a val with all that is in it."""
    with store.writing() as session:
        vals.delete(session, vals.writable(session, writer, val_id))
    return Response(status_code=204)


@router.get("/v2/alias/vals/{username}/{val_name}")
def get_val_by_name(
    username: str, val_name: str, reader: ValReader, store: StoreDep, links: LinksDep
) -> JSONResponse:
    """Return a val by its owner's username and its name."""
    owner = accounts.by_username(username)
    if owner is None:
        raise NotFoundError("Val not found")
    with store.reading() as session:
        return JSONResponse(links.val(vals.readable_by_name(session, reader, owner, val_name)))


@router.get("/v2/me/vals")
def list_own_vals(
    reader: ValReader, store: StoreDep, links: LinksDep, offset: Offset = 0, limit: Limit = 20
) -> JSONResponse:
    """List the caller's vals, newest first."""
    with store.reading() as session:
        found, total = vals.owned(session, reader, offset=offset, limit=limit)
    return JSONResponse(links.numbered_page([links.val(val) for val in found], Page(offset, limit), total))


def _owner(writer: Account, org_id: str) -> Account:
    if not org_id:
        return writer
    org = accounts.by_id(org_id)
    if org is None or org not in accounts.orgs_of(writer):
        raise NotFoundError("Org not found")
    return org
