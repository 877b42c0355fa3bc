"""GET, POST, PUT, DELETE /v2/vals/{val_id}/files, GET …/files/content, GET /v2/files/{file_id}."""

from typing import Annotated, Self

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse
from pydantic import Field, model_validator

from mcp_server.sandbox import branches, conditions, files, vals
from mcp_server.sandbox.access import ValReader, ValWriter
from mcp_server.sandbox.bodies import Body, json_body
from mcp_server.sandbox.files import MAX_CONTENT, MAX_NAME, NAME_PATTERN, Change
from mcp_server.sandbox.links import LinksDep, Page
from mcp_server.sandbox.parameters import Flag, Limit, Offset, Uuid, Version
from mcp_server.sandbox.routes.state import StoreDep
from mcp_server.sandbox.tree import EntryType, FileType

router = APIRouter()


class NewFile(Body):
    """The body of POST /v2/vals/{val_id}/files."""

    type: EntryType
    content: str | None = Field(default=None, max_length=MAX_CONTENT)

    @model_validator(mode="after")
    def _content_fits_type(self) -> Self:
        if self.type == "directory" and self.content is not None:
            raise ValueError("content must be null for a directory")
        if self.type != "directory" and self.content is None:
            raise ValueError("must have required property 'content'")
        return self


class ChangedFile(Body):
    """The body of PUT /v2/vals/{val_id}/files; `parent_path` null moves to the root, absent moves nowhere."""

    content: str = Field(default="", max_length=MAX_CONTENT)
    type: FileType = "file"
    name: str = Field(default="", min_length=1, max_length=MAX_NAME, pattern=NAME_PATTERN)
    parent_path: str | None = None

    def change(self) -> Change:
        """Return what was asked for: absent members change nothing."""
        sent = self.model_fields_set
        return Change(
            content=self.content if "content" in sent else None,
            type=self.type if "type" in sent else None,
            name=self.name if "name" in sent else None,
            directory=(self.parent_path or "") if "parent_path" in sent else None,
        )


@router.get("/v2/vals/{val_id}/files")
def list_files(
    val_id: Uuid,
    path: str,
    reader: ValReader,
    store: StoreDep,
    links: LinksDep,
    branch_id: Uuid | None = None,
    version: Version | None = None,
    recursive: Flag = "false",
    offset: Offset = 0,
    limit: Limit = 20,
) -> JSONResponse:
    """List what is in a directory, or all below it; the path of a file lists that file."""
    with store.reading() as session:
        val = vals.readable(session, reader, val_id)
        branch = branches.find(session, val, branch_id)
        found = files.listed(session, branch, path, version, recursive=recursive == "true")
    items = [links.file(val, branch, entry) for entry in found[offset : offset + limit]]
    return JSONResponse(links.numbered_page(items, Page(offset, limit), len(found)))


@router.post("/v2/vals/{val_id}/files")
def create_file(
    val_id: Uuid,
    path: str,
    writer: ValWriter,
    body: Annotated[NewFile, Depends(json_body(NewFile))],
    store: StoreDep,
    links: LinksDep,
    branch_id: Uuid | None = None,
) -> JSONResponse:
    """Create a file or directory."""
    with store.writing() as session:
        val = vals.writable(session, writer, val_id)
        branch = branches.find(session, val, branch_id)
        entry = files.create(session, branch, path, body.type, body.content)
    return JSONResponse(links.file(val, branch, entry), 201)


@router.put("/v2/vals/{val_id}/files")
def update_file(
    val_id: Uuid,
    path: str,
    writer: ValWriter,
    body: Annotated[ChangedFile, Depends(json_body(ChangedFile))],
    store: StoreDep,
    links: LinksDep,
    branch_id: Uuid | None = None,
) -> JSONResponse:
    """Change a file's content or type, rename it, move it."""
    with store.writing() as session:
        val = vals.writable(session, writer, val_id)
        branch = branches.find(session, val, branch_id)
        entry = files.update(session, branch, path, body.change())
    return JSONResponse(links.file(val, branch, entry))


@router.delete("/v2/vals/{val_id}/files")
def delete_file(
    val_id: Uuid,
    path: str,
    writer: ValWriter,
    store: StoreDep,
    branch_id: Uuid | None = None,
    recursive: Flag = "false",
) -> Response:
    """Delete a file or directory."""
    with store.writing() as session:
        val = vals.writable(session, writer, val_id)
        branch = branches.find(session, val, branch_id)
        files.delete(session, branch, path, recursive=recursive == "true")
    return Response(status_code=204)


@router.get("/v2/vals/{val_id}/files/content")
def get_content(
    request: Request,
    val_id: Uuid,
    path: str,
    reader: ValReader,
    store: StoreDep,
    branch_id: Uuid | None = None,
    version: Version | None = None,
) -> Response:
    """Return the bytes of a file, unless a precondition says otherwise."""
    with store.reading() as session:
        branch = branches.find(session, vals.readable(session, reader, val_id), branch_id)
        entry = files.find(session, branch, path, version)
        text = files.read(session, entry)
    etag = f'"{entry.digest}"'
    headers = {"ETag": etag, "Last-Modified": conditions.http_date(entry.updated_at)}
    outcome = conditions.evaluate(request.headers, etag, entry.updated_at)
    if outcome == "failed":
        return JSONResponse("Precondition failed", 412)
    if outcome == "not modified":
        return Response(status_code=304, headers=headers)
    return Response(text.encode("utf-8"), headers=headers, media_type="application/octet-stream")


@router.get("/v2/files/{file_id}")
def get_file(file_id: Uuid, reader: ValReader, store: StoreDep, links: LinksDep) -> JSONResponse:
    """Return a file's metadata by its id."""
    with store.reading() as session:
        entry, val_id = files.find_by_id(session, file_id)
        val = vals.readable(session, reader, val_id)
        branch = branches.find(session, val, entry.branch_id)
    return JSONResponse(links.file(val, branch, entry))
