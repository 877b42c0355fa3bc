"""How tools name things: a val by id, `owner/name` or address; a branch by name or id; a file by its path."""

import re
from collections.abc import Callable
from typing import Annotated, Final
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from mcp_server.tools.failures import ToolError
from shared.valtown.client import MAX_PAGE, ValTownClient
from shared.valtown.models import Branch, Val

DEFAULT_BRANCH: Final = "main"

_UUID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_HOSTS: Final = ("val.town", "www.val.town")
_OWNER: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-]{0,63}")
_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_\-]{0,63}")
_MOMENT: Final = re.compile(
    r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:[Zz]|[+-]\d\d:\d\d)", re.ASCII
)
_BRANCH_NAME: Final = re.compile(r"[A-Za-z0-9$\[\]()\-_.]{1,48}")


def _checked_val(text: str) -> str:
    """Return a val's id, or `owner/name`."""
    text = text.strip()
    if _UUID.fullmatch(text):
        return text.lower()
    owner, separator, name = _owner_and_name(text).removeprefix("@").partition("/")
    if not separator or not _OWNER.fullmatch(owner) or not _NAME.fullmatch(name):
        raise ValueError(
            "must be a val's id, owner/name, or its address like https://www.val.town/x/owner/name"
        )
    return f"{owner}/{name}"


def _owner_and_name(text: str) -> str:
    address = text if "://" in text else f"https://{text}"
    try:
        parts = urlsplit(address)
        host = parts.hostname
    except ValueError:
        return ""
    if host not in _HOSTS:
        return "" if "://" in text else text
    steps = parts.path.split("/")
    # /x/owner/name, older /v/owner/name; deeper paths show a file or branch of the same val.
    return "/".join(steps[2:4]) if steps[1:2] in (["x"], ["v"]) else ""


def _checked_branch(text: str) -> str:
    text = text.strip()
    if _UUID.fullmatch(text):
        return text.lower()
    if not _BRANCH_NAME.fullmatch(text):
        raise ValueError("must be a branch's name or id")
    return text


def _checked_directory(path: str) -> str:
    return path if path == "" else _checked_path(path)


def _checked_path(path: str) -> str:
    if any(character < " " or character == "\x7f" for character in path):
        raise ValueError("must not hold control characters")
    if any(step in ("", ".", "..") for step in path.split("/")):
        raise ValueError(
            "must be a path from the val's root like src/main.ts: no leading /, no empty or dot steps"
        )
    return path


def _checked_user(text: str) -> str:
    text = text.strip().removeprefix("@")
    if _UUID.fullmatch(text):
        return text.lower()
    if not _OWNER.fullmatch(text):
        raise ValueError("must be a user's or organization's id or handle")
    return text


def _checked_moment(text: str) -> str:
    text = text.strip()
    if not _MOMENT.fullmatch(text):
        raise ValueError("must be a date-time like 2026-01-31T12:00:00Z")
    return text


UserReference = Annotated[
    str,
    Field(description="A user or organization: handle or id.", max_length=64),
    AfterValidator(_checked_user),
]
MomentText = Annotated[str, Field(max_length=40), AfterValidator(_checked_moment)]
ValReference = Annotated[
    str,
    Field(description="The val: its id, `owner/name`, or its val.town address.", max_length=512),
    AfterValidator(_checked_val),
]
BranchReference = Annotated[
    str,
    Field(description="Branch name or id.", max_length=64),
    AfterValidator(_checked_branch),
]
FilePath = Annotated[
    str,
    Field(description="Path from the val's root, like `src/main.ts`.", min_length=1, max_length=1024),
    AfterValidator(_checked_path),
]
DirectoryPath = Annotated[
    str,
    Field(description="Directory, from the val's root; empty for the root.", max_length=1024),
    AfterValidator(_checked_directory),
]


def parse_val(text: str) -> str:
    """Return a val's id or `owner/name`, for `find_val`.

    Raises:
        ToolError: it names no val.
    """
    return _parsed(_checked_val, text, "The val")


def parse_branch(text: str) -> str:
    """Return a branch's name or id, for `find_branch_id`.

    Raises:
        ToolError: it names no branch.
    """
    return _parsed(_checked_branch, text, "The branch")


def parse_path(text: str) -> str:
    """Return a path from a val's root.

    Raises:
        ToolError: it leaves the val, or is no path.
    """
    return _parsed(_checked_path, text, "The path")


def _parsed(check: Callable[[str], str], text: str, what: str) -> str:
    try:
        return check(text)
    except ValueError as error:
        raise ToolError(f"{what} {error}.") from None


def is_id(reference: str) -> bool:
    """Return whether a checked reference is an id."""
    return _UUID.fullmatch(reference) is not None


async def find_val(client: ValTownClient, reference: str) -> Val:
    """Return the val of a checked reference."""
    owner, separator, name = reference.partition("/")
    return await client.val_by_name(owner, name) if separator else await client.val(reference)


async def find_val_id(client: ValTownClient, reference: str) -> str:
    """Return the id of a checked reference; asks Val Town only for names."""
    if "/" in reference:
        return (await find_val(client, reference)).id
    client.check_val(reference)
    return reference


async def find_branch_id(client: ValTownClient, val_id: str, reference: str) -> str | None:
    """Return the id of a branch; None for the default branch, which the API takes when none is named.

    Raises:
        ToolError: as `find_branch`.
    """
    if reference == DEFAULT_BRANCH:
        return None
    if _UUID.fullmatch(reference):
        return reference
    return (await find_branch(client, val_id, reference)).id


async def find_branch(client: ValTownClient, val_id: str, reference: str) -> Branch:
    """Return a branch by name or id.

    Raises:
        ToolError: the val has no branch of that name; the names there are in the hint.
    """
    if _UUID.fullmatch(reference):
        return await client.branch(val_id, reference)
    names: list[str] = []
    has_more = True
    while has_more:
        page = await client.branches(val_id, offset=len(names), limit=MAX_PAGE)
        for branch in page.items:
            if branch.name == reference:
                return branch
            names.append(branch.name)
        has_more = page.has_more and bool(page.items) and len(names) < 10 * MAX_PAGE
    shown = ", ".join(names[:20])
    raise ToolError(f"The val has no branch {reference}.", hint=f"Its branches are: {shown}.")


async def find_user_id(client: ValTownClient, reference: str) -> str:
    """Return the id of a user or organization; asks Val Town only for handles."""
    return reference if _UUID.fullmatch(reference) else (await client.user_by_name(reference)).id
