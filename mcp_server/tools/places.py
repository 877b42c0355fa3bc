"""Where a tool works: a branch of a val, now or at a version, and reading what is there."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Final, TypeVar

from mcp_server.tools.context import ToolContext
from mcp_server.tools.failures import ToolError
from mcp_server.tools.paging import MOST_SCANNED
from mcp_server.tools.references import find_branch_id, find_val_id
from shared.valtown.client import MAX_PAGE, ValTownClient
from shared.valtown.models import File

READS_AT_ONCE: Final = 5

_Asked = TypeVar("_Asked")
_Answer = TypeVar("_Answer")


@dataclass(frozen=True, slots=True)
class Place:
    """A branch of a val at a version; `branch_id` None: main; `version` None: the latest."""

    client: ValTownClient
    val_id: str
    branch_id: str | None
    version: int | None = None

    async def find(self, path: str) -> File:
        """Return the file at a path.

        Raises:
            ToolError: it is a directory.
        """
        page = await self.client.files(
            self.val_id, path, branch_id=self.branch_id, version=self.version, limit=1
        )
        for file in page.items:
            if file.path == path and file.type != "directory":
                return file
        hint = "Use list_files to see what is in it."
        raise ToolError(f"{path} is no file, probably a directory.", hint=hint)

    async def all_files(self, path: str = "") -> tuple[list[File], bool]:
        """Return every file below a directory, and whether there are more than can be looked at."""
        found: list[File] = []
        position, has_more = 0, True
        while has_more and position < 2 * MOST_SCANNED:
            page = await self.client.files(
                self.val_id,
                path,
                branch_id=self.branch_id,
                version=self.version,
                recursive=True,
                offset=position,
                limit=MAX_PAGE,
            )
            found += [file for file in page.items if file.type != "directory"]
            position += len(page.items)
            has_more = page.has_more and bool(page.items)
        return found, has_more

    async def read(self, path: str) -> bytes:
        """Return the content of a file."""
        return await self.client.file_content(
            self.val_id, path, branch_id=self.branch_id, version=self.version
        )

    async def text(self, path: str) -> str:
        """Return the content of a file as text.

        Raises:
            ToolError: it is not UTF-8.
        """
        return decoded(path, await self.read(path))


async def open_place(context: ToolContext, val: str, branch: str, version: int | None = None) -> Place:
    """Return the place that checked references name."""
    client = await context.valtown()
    val_id = await find_val_id(client, val)
    return Place(client, val_id, await find_branch_id(client, val_id, branch), version)


def decoded(path: str, content: bytes) -> str:
    """Return content as text.

    Raises:
        ToolError: it is not UTF-8.
    """
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        raise ToolError(f"{path} is not UTF-8 text, so it cannot be shown.") from None


async def several(asked: Iterable[_Asked], ask: Callable[[_Asked], Awaitable[_Answer]]) -> list[_Answer]:
    """Return an answer for each, a few at a time; the first failure ends it all and is raised."""
    turns = asyncio.Semaphore(READS_AT_ONCE)

    async def one(item: _Asked) -> _Answer:
        async with turns:
            return await ask(item)

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(item)) for item in asked]
    except ExceptionGroup as failed:
        raise failed.exceptions[0] from None
    return [task.result() for task in tasks]
