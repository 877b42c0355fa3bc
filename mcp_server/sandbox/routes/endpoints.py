"""/run/{branch_id}/{file_id}: where links of http files lead; nothing is run, but the request is noted."""

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from mcp_server.sandbox import telemetry, tree
from mcp_server.sandbox.errors import NotFoundError
from mcp_server.sandbox.parameters import Uuid
from mcp_server.sandbox.routes.state import StoreDep

router = APIRouter()

METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]


@router.api_route("/run/{branch_id}/{file_id}", methods=METHODS)
@router.api_route("/run/{branch_id}/{file_id}/{rest:path}", methods=METHODS)
def answer(request: Request, branch_id: Uuid, file_id: Uuid, store: StoreDep, rest: str = "") -> JSONResponse:
    """Answer in the place of an http file; anyone may ask."""
    with store.writing() as session:
        entry = tree.lookup_on_branch(session, branch_id, file_id)
        if entry is None or entry.type != "http":
            raise NotFoundError("Not found")
        telemetry.note(session, entry, f"{request.method} /{rest}", [f"{request.method} /{rest} answered"])
    return JSONResponse(
        {
            "message": "The sandbox runs no code; this is what would have answered.",
            "file": entry.path,
            "version": entry.version,
            "request": {"method": request.method, "path": f"/{rest}", "query": request.url.query},
        }
    )
