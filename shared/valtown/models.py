"""Val Town's records as its REST API writes them; members unknown here are ignored.

Enumerations stay plain strings, so that a new kind of file or plan at Val Town breaks nothing here.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

Record = TypeVar("Record", bound=BaseModel)


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, alias_generator=to_camel, populate_by_name=True)


class User(_Record):
    """A person or an organization; `tier` and `email` only of the account itself.

    The API's schema promises `type` and `url`, its own examples leave them out: nobody is kept from signing
    in by that.
    """

    id: str
    type: str = "user"
    username: str | None = None
    url: str | None = None
    bio: str | None = None
    profile_image_url: str | None = None
    tier: str | None = None
    email: str | None = None


class Author(_Record):
    """Who owns a val."""

    type: str
    id: str
    username: str | None = None


class Links(_Record):
    """Where a person finds a val or a branch."""

    html: str


class Val(_Record):
    """A val."""

    id: str
    name: str
    privacy: str
    created_at: str
    author: Author
    description: str | None = None
    image_url: str | None = None
    links: Links


class Branch(_Record):
    """A branch; its version goes up with every change of a file on it."""

    id: str
    name: str
    version: int
    created_at: str
    updated_at: str
    forked_branch_id: str | None = None
    links: Links


class FileLinks(_Record):
    """Where a file is seen (`html`), imported (`module`), requested (`endpoint`) and written to (`email`)."""

    html: str
    module: str
    endpoint: str | None = None
    email: str | None = None


class File(_Record):
    """A file or directory, without its content."""

    id: str
    name: str
    path: str
    version: int
    updated_at: str
    type: str
    links: FileLinks


class EnvVar(_Record):
    """An environment variable of a val, without its value."""

    key: str
    description: str | None = None
    created_at: str
    updated_at: str | None = None


class Org(_Record):
    """An organization the account belongs to."""

    id: str
    username: str


class Member(_Record):
    """Who is a member."""

    id: str
    username: str | None = None


class Membership(_Record):
    """A member of an organization."""

    id: str
    role: str | None = None
    user: Member


class BlobItem(_Record):
    """A blob, without its bytes; `size` in bytes."""

    key: str
    size: int | None = None
    last_modified: str | None = None


class ResultSet(_Record):
    """What a SQL statement gave."""

    columns: list[str]
    column_types: list[str]
    rows: list[list[Any]]
    rows_affected: int
    last_insert_rowid: str | int | None = None


class Attribute(_Record):
    """A name and an OpenTelemetry AnyValue: an object whose one member names the type."""

    key: str
    value: dict[str, Any]


class TraceStatus(_Record):
    """How a trace ended: 0 unset, 1 ok, 2 error."""

    code: int
    message: str = ""


class Trace(_Record):
    """One run of a val's code; times in nanoseconds since 1970, end "0" while it runs."""

    trace_id: str
    name: str
    start_time_unix_nano: str
    end_time_unix_nano: str
    attributes: list[Attribute]
    status: TraceStatus


class Log(_Record):
    """One log line; `body` is an OpenTelemetry AnyValue."""

    time_unix_nano: str
    body: dict[str, Any]
    trace_id: str
    attributes: list[Attribute]
    severity_text: str


class PageLinks(_Record):
    """Whether there is a next page; the URL itself is never requested."""

    next: str | None = None


class PageBody(_Record, Generic[Record]):
    """One page as it travels."""

    data: list[Record] = Field(max_length=1000)
    links: PageLinks


@dataclass(frozen=True, slots=True)
class Page(Generic[Record]):
    """One page of a list, and whether another follows.

    `next_query` is what asks for it, where the API pages by what it says itself and not by offset.
    """

    items: tuple[Record, ...]
    has_more: bool
    next_query: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FileBytes:
    """A file's content and its entity tag, if it has one (RFC 9110 section 8.8.3)."""

    content: bytes
    etag: str | None
