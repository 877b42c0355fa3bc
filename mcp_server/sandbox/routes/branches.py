"""GET, POST /v2/vals/{val_id}/branches, GET, DELETE /v2/vals/{val_id}/branches/{branch_id}."""

from typing import Annotated

from fastapi import APIRouter, Depends, Response
from fastapi.responses import JSONResponse
from pydantic import Field

from mcp_server.sandbox import branches, vals
from mcp_server.sandbox.access import ValReader, ValWriter
from mcp_server.sandbox.bodies import Body, json_body
from mcp_server.sandbox.files import MAX_NAME, NAME_PATTERN
from mcp_server.sandbox.links import LinksDep, Page
from mcp_server.sandbox.parameters import Limit, Offset, Uuid
from mcp_server.sandbox.routes.state import StoreDep

router = APIRouter()


class NewBranch(Body):
    """The body of POST /v2/vals/{val_id}/branches."""

    name: str = Field(min_length=1, max_length=MAX_NAME, pattern=NAME_PATTERN)
    branchId: Uuid = ""  # noqa: N815 - the wire's spelling


@router.get("/v2/vals/{val_id}/branches")
def list_branches(
    val_id: Uuid, reader: ValReader, store: StoreDep, links: LinksDep, offset: Offset = 0, limit: Limit = 20
) -> JSONResponse:
    """List the branches of a val, main first."""
    with store.reading() as session:
        val = vals.readable(session, reader, val_id)
        found, total = branches.listed(session, val, offset=offset, limit=limit)
    items = [links.branch(val, branch) for branch in found]
    return JSONResponse(links.numbered_page(items, Page(offset, limit), total))


@router.post("/v2/vals/{val_id}/branches")
def create_branch(
    val_id: Uuid,
    writer: ValWriter,
    body: Annotated[NewBranch, Depends(json_body(NewBranch))],
    store: StoreDep,
    links: LinksDep,
) -> JSONResponse:
    """Fork a branch, main unless another is named."""
    with store.writing() as session:
        val = vals.writable(session, writer, val_id)
        branch = branches.fork(session, val, body.name, body.branchId or None)
    return JSONResponse(links.branch(val, branch), 201)


@router.get("/v2/vals/{val_id}/branches/{branch_id}")
def get_branch(
    val_id: Uuid, branch_id: Uuid, reader: ValReader, store: StoreDep, links: LinksDep
) -> JSONResponse:
    """Return a branch."""
    with store.reading() as session:
        val = vals.readable(session, reader, val_id)
        return JSONResponse(links.branch(val, branches.find(session, val, branch_id)))


@router.delete("/v2/vals/{val_id}/branches/{branch_id}")
def delete_branch(val_id: Uuid, branch_id: Uuid, writer: ValWriter, store: StoreDep) -> Response:
    """Delete a branch."""
    with store.writing() as session:
        val = vals.writable(session, writer, val_id)
        branches.delete(session, branches.find(session, val, branch_id))
    return Response(status_code=204)
