"""/v1/blob: GET; /v1/blob/{key}: GET, POST, DELETE; the same under /v2, which shows an account the same."""

from typing import Annotated

from fastapi import APIRouter, Depends, Response
from fastapi.responses import JSONResponse

from mcp_server.sandbox import blobs
from mcp_server.sandbox.access import BlobReader, BlobWriter
from mcp_server.sandbox.bodies import raw_body
from mcp_server.sandbox.links import date_time
from mcp_server.sandbox.routes.state import StoreDep

MAX_BLOB_BYTES = 16 << 20
"""Our choice: Val Town documents none."""

router = APIRouter()


@router.get("/v1/blob")
@router.get("/v2/blob")
def list_blobs(reader: BlobReader, store: StoreDep, prefix: str = "") -> JSONResponse:
    """List all blobs; there are no pages."""
    with store.reading() as session:
        found = blobs.listed(session, reader, prefix)
    return JSONResponse(
        [{"key": item.key, "size": item.size, "lastModified": date_time(item.modified_at)} for item in found]
    )


# A key may hold slashes, and some clients send them as they are.
@router.get("/v1/blob/{key:path}")
@router.get("/v2/blob/{key:path}")
def get_blob(key: str, reader: BlobReader, store: StoreDep) -> Response:
    """Return the bytes."""
    with store.reading() as session:
        content = blobs.read(session, reader, key)
    return Response(content, media_type="application/octet-stream")


@router.post("/v1/blob/{key:path}")
@router.post("/v2/blob/{key:path}")
def store_blob(
    key: str,
    writer: BlobWriter,
    content: Annotated[bytes, Depends(raw_body(MAX_BLOB_BYTES))],
    store: StoreDep,
) -> JSONResponse:
    """Store the body, whatever its content type says."""
    with store.writing() as session:
        blobs.store(session, writer, key, content)
    return JSONResponse("ok", 201)


@router.delete("/v1/blob/{key:path}")
@router.delete("/v2/blob/{key:path}")
def delete_blob(key: str, writer: BlobWriter, store: StoreDep) -> Response:
    """Remove a blob."""
    with store.writing() as session:
        blobs.delete(session, writer, key)
    return Response(status_code=204)
