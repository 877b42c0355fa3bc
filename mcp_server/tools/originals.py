"""The 24 names of the first Val Town MCP server: still callable, no longer listed.

Each is another name, with its own spelling of the arguments, for a tool of today; the answer is that tool's.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

Arguments = dict[str, object]


@dataclass(frozen=True, slots=True)
class Original:
    """An old name: the tool it stands for, how its arguments are called there, and what is always passed."""

    name: str
    tool: str
    renamed: Mapping[str, str] = field(default_factory=dict)
    fixed: Mapping[str, object] = field(default_factory=dict)
    for_directories: str | None = None
    """The tool it stands for when its argument `type` is "directory"."""
    adapt: Callable[[Arguments], Arguments] | None = None

    def tool_for(self, given: Mapping[str, object]) -> str:
        """Return the name of the tool that a call means."""
        if self.for_directories is not None and given.get("type") == "directory":
            return self.for_directories
        return self.tool

    def translate(self, given: Mapping[str, object]) -> Arguments:
        """Return today's arguments; what nobody knows keeps its name, so that it is refused by it."""
        arguments: Arguments = {self.renamed.get(name, name): value for name, value in given.items()}
        arguments |= self.fixed
        if self.tool_for(given) == self.for_directories:
            arguments = {name: arguments[name] for name in arguments if name not in ("type", "content")}
        return self.adapt(arguments) if self.adapt else arguments


def _joined(arguments: Arguments) -> Arguments:
    owner, name = arguments.pop("username", ""), arguments.pop("valName", "")
    return {**arguments, "val": f"{owner}/{name}"}


def _confirmed(arguments: Arguments) -> Arguments:
    # It had no such argument: who called it with `recursive` meant it.
    return {**arguments, "confirm": arguments.get("recursive", False)}


def _encoded(arguments: Arguments) -> Arguments:
    is_base64 = arguments.pop("isBase64", False) in (True, "true")
    # Val Town keeps no content type.
    arguments.pop("contentType", None)
    return {**arguments, "encoding": "base64" if is_base64 else "text"}


_VAL: Final = {"valId": "val"}
_BRANCH: Final = {"valId": "val", "branchId": "branch"}

ORIGINALS: Final = (
    Original("get-user", "get_user", {"username": "user"}),
    Original("get-my-info", "get_me"),
    Original("get-val", "get_val", adapt=_joined),
    Original("search-vals", "search_vals"),
    Original("create-val", "create_val"),
    Original("delete-val", "delete_val", _VAL, {"confirm": True}),
    Original("list-my-vals", "list_my_vals"),
    Original("list-branches", "list_branches", _VAL),
    Original("get-branch", "get_branch", _BRANCH),
    Original("create-branch", "create_branch", {"valId": "val", "branchId": "source"}),
    Original("delete-branch", "delete_branch", _BRANCH, {"confirm": True}),
    Original("list-files", "list_files", _BRANCH),
    Original("get-file", "read_file", _BRANCH),
    Original("create-file-or-directory", "create_file", _BRANCH, for_directories="create_directory"),
    Original("update-file", "write_file", _BRANCH),
    Original("delete-file-or-directory", "delete_file", _BRANCH, adapt=_confirmed),
    Original("execute-sql", "sqlite_execute", {"statement": "sql"}),
    Original("execute-sql-batch", "sqlite_batch"),
    Original("sqlite-query", "sqlite_query", {"statement": "sql"}),
    Original("sqlite-exec", "sqlite_batch"),
    Original("list-blobs", "list_blobs"),
    Original("get-blob", "get_blob"),
    Original("store-blob", "put_blob", {"data": "content"}, adapt=_encoded),
    Original("delete-blob", "delete_blob"),
)
