"""What differs between two states of a val: branches, or versions of one."""

import asyncio
import difflib
from dataclasses import dataclass
from typing import Final, Literal

from pydantic import BaseModel, Field

from mcp_server.tools.places import Place, several
from shared.valtown.models import File

MOST_COMPARED: Final = 60
"""Files whose content one comparison looks at."""

MOST_DIFF_CHARACTERS: Final = 20_000
"""Of one file; longer diffs are cut."""

_MOST_DIFFED_LINES: Final = 5_000

Kind = Literal["added", "removed", "changed"]


class FileChange(BaseModel):
    """One file that differs."""

    path: str
    change: Kind = Field(description="added: only in the second; removed: only in the first.")
    old_type: str | None = Field(default=None, description="Set when the file's type differs.")
    new_type: str | None = None
    diff: str | None = Field(default=None, description="Unified diff, cut when it is long.")


@dataclass(frozen=True, slots=True)
class Difference:
    """A path with what is there on both sides, and the texts where they were read."""

    path: str
    old: File | None
    new: File | None
    old_text: str | None = None
    new_text: str | None = None

    @property
    def kind(self) -> Kind:
        """How it differs."""
        if self.old is None:
            return "added"
        return "removed" if self.new is None else "changed"


@dataclass(frozen=True, slots=True)
class Comparison:
    """All that differs; `incomplete` when there was more than may be looked at."""

    differences: tuple[Difference, ...]
    incomplete: bool


async def compare(old: Place, new: Place) -> Comparison:
    """Return the files that differ in text or type, by path."""
    (olds, more_old), (news, more_new) = await several((old, new), Place.all_files)
    before, after = {file.path: file for file in olds}, {file.path: file for file in news}
    paths = sorted(
        path for path in before.keys() | after.keys() if _may_differ(before.get(path), after.get(path))
    )

    async def look(path: str) -> Difference:
        was, becomes = before.get(path), after.get(path)
        old_text = None if was is None else _shown(await old.read(path))
        new_text = None if becomes is None else _shown(await new.read(path))
        return Difference(path, was, becomes, old_text, new_text)

    looked = await several(paths[:MOST_COMPARED], look)
    differing = tuple(found for found in looked if _differs(found))
    return Comparison(differing, more_old or more_new or len(paths) > MOST_COMPARED)


async def describe_change(difference: Difference) -> FileChange:
    """Return a difference as clients see it."""
    old, new = difference.old, difference.new
    retyped = old is not None and new is not None and old.type != new.type
    return FileChange(
        path=difference.path,
        change=difference.kind,
        old_type=old.type if old and retyped else None,
        new_type=new.type if new and retyped else None,
        # Comparing long files takes a while, and other requests must not wait for it.
        diff=await asyncio.to_thread(
            unified, difference.path, difference.old_text or "", difference.new_text or ""
        ),
    )


def unified(path: str, old: str, new: str) -> str | None:
    """Return a unified diff of two texts, cut at `MOST_DIFF_CHARACTERS`; None when they are the same."""
    if old == new:
        return None
    old_lines, new_lines = old.split("\n"), new.split("\n")
    if len(old_lines) + len(new_lines) > _MOST_DIFFED_LINES:
        return "(too long to compare line by line)"
    lines = difflib.unified_diff(old_lines, new_lines, f"a/{path}", f"b/{path}", lineterm="")
    text = "\n".join(lines)
    return text if len(text) <= MOST_DIFF_CHARACTERS else f"{text[:MOST_DIFF_CHARACTERS]}\n(cut)"


def _may_differ(old: File | None, new: File | None) -> bool:
    # The same file, written at the same moment, is the same revision: no need to read it.
    if old is None or new is None:
        return True
    return (old.id, old.updated_at, old.type) != (new.id, new.updated_at, new.type)


def _differs(found: Difference) -> bool:
    if found.old is None or found.new is None:
        return True
    return found.old_text != found.new_text or found.old.type != found.new.type


def _shown(content: bytes) -> str:
    return content.decode("utf-8", errors="replace")
