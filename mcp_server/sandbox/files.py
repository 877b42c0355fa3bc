"""What may be done with the files of a branch; every write makes a new version of it.

How the real tree behaves is taken from the tests of Val Town's own client (val-town/vt): missing parent
directories are made in the same version as the entry that needs them, a moved file keeps its id, a version
past the newest reads as the newest.
"""

import re
from dataclasses import dataclass

from mcp_server.sandbox import branches, tree
from mcp_server.sandbox.branches import Branch
from mcp_server.sandbox.errors import BadRequestError, ConflictError, NotFoundError
from mcp_server.sandbox.store import Session
from mcp_server.sandbox.tree import Entry, EntryType, FileType

MAX_CONTENT = 80_000
"""Characters of a file."""
MAX_FILES = 1000
"""Of a branch; and as many directories."""
MAX_NAME = 48
NAME_PATTERN = r"^[a-zA-Z0-9\$\[\]\(\)\-_.]+$"

_NAME = re.compile(NAME_PATTERN)


@dataclass(frozen=True, slots=True)
class Change:
    """What to change about an entry; None leaves it as it is, the directory "" is the root."""

    content: str | None = None
    type: FileType | None = None
    name: str | None = None
    directory: str | None = None


def find(session: Session, branch: Branch, path: str, version: int | None = None) -> Entry:
    """Return what stands at a path, now or at a version.

    Raises:
        NotFoundError: nothing does.
    """
    entry = tree.lookup(session, branch, path, version)
    if entry is None:
        raise NotFoundError("File not found")
    return entry


def find_by_id(session: Session, file_id: str) -> tuple[Entry, str]:
    """Return what has this id now, and the id of its val.

    Raises:
        NotFoundError: nothing has.
    """
    found = tree.lookup_by_id(session, file_id)
    if found is None:
        raise NotFoundError("File not found")
    return found


def listed(
    session: Session, branch: Branch, path: str, version: int | None, *, recursive: bool
) -> list[Entry]:
    """Return what is in a directory, or all below it, by path; a file lists itself.

    Raises:
        NotFoundError: nothing stands at the path.
    """
    if path and (entry := find(session, branch, path, version)).type != "directory":
        return [entry]
    return tree.below(session, branch, path, version, recursive=recursive)


def read(session: Session, entry: Entry) -> str:
    """Return the text of a file.

    Raises:
        NotFoundError: it is a directory.
    """
    if entry.digest is None:
        raise NotFoundError("File not found")
    return tree.content(session, entry.digest)


def create(session: Session, branch: Branch, path: str, kind: EntryType, content: str | None) -> Entry:
    """Add a file or directory, with the directories above it that are missing.

    Raises:
        ConflictError: the path is taken.
        BadRequestError: the path is not one, leads through a file, or the branch is full.
    """
    _check_path(path)
    if tree.lookup(session, branch, path) is not None:
        raise ConflictError("File or directory already exists at this path")
    missing = _missing_directories(session, branch, path)
    new: list[EntryType] = ["directory"] * len(missing)
    _check_room(session, branch, [*new, kind])
    version = branches.next_version(session, branch)
    for directory in missing:
        new_id = session.new_id()
        tree.add(session, Entry(branch.id, new_id, directory, "directory", None, version, session.now))
    digest = None if content is None else tree.keep(session, content)
    entry = Entry(branch.id, session.new_id(), path, kind, digest, version, session.now)
    tree.add(session, entry)
    return entry


def update(session: Session, branch: Branch, path: str, change: Change) -> Entry:
    """Change content, type, name or directory of an entry in one version; a directory moves with all in it.

    A change of nothing is no write.

    Raises:
        NotFoundError: nothing stands at the path, or at the directory to move to.
        ConflictError: the new path is taken.
        BadRequestError: content or type for a directory, a name that is none, a move into itself.
    """
    entry = find(session, branch, path)
    if change == Change():
        return entry
    if entry.type == "directory" and (change.content is not None or change.type is not None):
        raise BadRequestError("A directory has neither content nor type to change")
    target = _target(session, branch, entry, change)
    below = tree.below(session, branch, path) if target != path else []
    version = branches.next_version(session, branch)
    digest = entry.digest if change.content is None else tree.keep(session, change.content)
    kind = change.type or entry.type
    changed = Entry(branch.id, entry.id, target, kind, digest, version, session.now)
    moved = [
        Entry(branch.id, e.id, target + e.path[len(path) :], e.type, e.digest, version, session.now)
        for e in below
    ]
    for old in (entry, *below):
        tree.end(session, old, version)
    for new in (changed, *moved):
        tree.add(session, new)
    return changed


def delete(session: Session, branch: Branch, path: str, *, recursive: bool) -> None:
    """Remove an entry; the path "" stands for all there is.

    Raises:
        NotFoundError: nothing stands at the path.
        BadRequestError: without `recursive`, a directory that is not empty or all there is (the status is a
            guess).
    """
    removed = [find(session, branch, path)] if path else []
    below = tree.below(session, branch, path)
    if not recursive and (below or not path):
        raise BadRequestError("Directory is not empty: use recursive to delete it with everything in it")
    version = branches.next_version(session, branch)
    for entry in (*removed, *below):
        tree.end(session, entry, version)


def _target(session: Session, branch: Branch, entry: Entry, change: Change) -> str:
    directory = entry.path.rpartition("/")[0] if change.directory is None else change.directory
    target = f"{directory}/{change.name or entry.name}".removeprefix("/")
    if target == entry.path:
        return target
    _check_path(target)
    if target.startswith(entry.path + "/"):
        raise BadRequestError("A directory cannot be moved into itself")
    # No directory is made on a move: whether the real API makes them is not known, so no caller may count
    # on it.
    if directory:
        above = tree.lookup(session, branch, directory)
        if above is None or above.type != "directory":
            raise NotFoundError("Parent directory not found")
    if tree.lookup(session, branch, target) is not None:
        raise ConflictError("File or directory already exists at this path")
    return target


def _check_path(path: str) -> None:
    for name in path.split("/"):
        if len(name) > MAX_NAME or not _NAME.fullmatch(name) or name in {".", ".."}:
            raise BadRequestError(f"querystring/path has a name that is too long or not {NAME_PATTERN}")


def _missing_directories(session: Session, branch: Branch, path: str) -> list[str]:
    names = path.split("/")[:-1]
    if len(names) > MAX_FILES:
        raise _full()
    missing = []
    for depth in range(len(names)):
        directory = "/".join(names[: depth + 1])
        entry = tree.lookup(session, branch, directory)
        if entry is None:
            missing.append(directory)
        elif entry.type != "directory":
            raise BadRequestError(f"{directory} is not a directory")
    return missing


def _check_room(session: Session, branch: Branch, new: list[EntryType]) -> None:
    files, directories = tree.count(session, branch)
    more = new.count("directory")
    if files + len(new) - more > MAX_FILES or directories + more > MAX_FILES:
        raise _full()


def _full() -> BadRequestError:
    # The limit is documented (val.town/pricing), the status is a guess.
    return BadRequestError(f"A val can have at most {MAX_FILES} files")
