"""Files of a branch (/v2/vals/{id}/files, /v2/vals/{id}/files/content, /v2/files/{id})."""

from typing import Final, Literal

from pydantic import TypeAdapter

from shared.valtown.endpoints.family import MAX_PAGE, Family
from shared.valtown.models import File, FileBytes, Page, PageBody
from shared.valtown.transport import Call

FileType = Literal["file", "interval", "http", "email", "script"]

MAX_CONTENT_CHARACTERS: Final = 80_000
"""The longest file content the API takes."""

_FILE: Final = TypeAdapter(File)
_FILES: Final = TypeAdapter(PageBody[File])
_PATH: Final = "/v2/vals/{val_id}/files"


class Files(Family):
    """What is in a val; without a branch id, its main branch."""

    async def files(
        self,
        val_id: str,
        path: str = "",
        *,
        branch_id: str | None = None,
        version: int | None = None,
        recursive: bool = False,
        offset: int = 0,
        limit: int = MAX_PAGE,
    ) -> Page[File]:
        """Return one page of what is at a path: entries of a directory ("": the root), or the file itself."""
        query = {
            "path": path,
            "branch_id": branch_id,
            "version": version,
            "recursive": recursive,
            "offset": offset,
            "limit": limit,
        }
        return await self._page(_FILES, Call("GET", _PATH, {"val_id": val_id}, query))

    async def file_by_id(self, file_id: str) -> File:
        """Return a file or directory by its id."""
        return await self._get(_FILE, Call("GET", "/v2/files/{file_id}", {"file_id": file_id}))

    async def file_content(
        self, val_id: str, path: str, *, branch_id: str | None = None, version: int | None = None
    ) -> bytes:
        """Return a file's content, of a version of its branch when one is given."""
        return (await self.file_bytes(val_id, path, branch_id=branch_id, version=version)).content

    async def file_bytes(
        self, val_id: str, path: str, *, branch_id: str | None = None, version: int | None = None
    ) -> FileBytes:
        """Return a file's content with its entity tag."""
        query = {"path": path, "branch_id": branch_id, "version": version}
        answer = await self._send(Call("GET", f"{_PATH}/content", {"val_id": val_id}, query))
        return FileBytes(answer.body, answer.headers.get("etag"))

    async def create_file(
        self, val_id: str, path: str, content: str, file_type: FileType, *, branch_id: str | None = None
    ) -> File:
        """Create a file; raises Conflict when something is at the path."""
        return await self._post_file(val_id, path, branch_id, {"type": file_type, "content": content})

    async def create_directory(self, val_id: str, path: str, *, branch_id: str | None = None) -> File:
        """Create a directory; raises Conflict when something is at the path."""
        return await self._post_file(val_id, path, branch_id, {"type": "directory"})

    async def update_file(
        self, val_id: str, path: str, content: str, *, branch_id: str | None = None
    ) -> File:
        """Replace a file's content; whoever writes last wins, the API has no condition for writes."""
        return await self._put_file(val_id, path, branch_id, {"content": content})

    async def change_file_type(
        self, val_id: str, path: str, file_type: FileType, *, branch_id: str | None = None
    ) -> File:
        """Change what a file is: its address, schedule or mailbox appears or goes at once."""
        return await self._put_file(val_id, path, branch_id, {"type": file_type})

    async def move_file(
        self, val_id: str, path: str, directory: str, name: str, *, branch_id: str | None = None
    ) -> File:
        """Give a file or directory another name and place; `directory` "" is the root."""
        body: dict[str, object] = {"name": name, "parent_path": directory or None}
        return await self._put_file(val_id, path, branch_id, body)

    async def delete_file(
        self, val_id: str, path: str, *, branch_id: str | None = None, recursive: bool = False
    ) -> None:
        """Delete a file, or with `recursive` a directory and everything below it."""
        query = {"path": path, "branch_id": branch_id, "recursive": recursive}
        await self._send(Call("DELETE", _PATH, {"val_id": val_id}, query))

    async def _post_file(
        self, val_id: str, path: str, branch_id: str | None, body: dict[str, object]
    ) -> File:
        query = {"path": path, "branch_id": branch_id}
        return await self._get(_FILE, Call("POST", _PATH, {"val_id": val_id}, query, body))

    async def _put_file(self, val_id: str, path: str, branch_id: str | None, body: dict[str, object]) -> File:
        query = {"path": path, "branch_id": branch_id}
        return await self._get(_FILE, Call("PUT", _PATH, {"val_id": val_id}, query, body))
