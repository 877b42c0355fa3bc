"""Val Town's records as its REST API writes them; members unknown here are ignored.

Enumerations stay plain strings, so that a new kind of file or plan at Val Town breaks nothing here.
"""

from dataclasses import dataclass
from typing import Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

Record = TypeVar("Record", bound=BaseModel)


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, alias_generator=to_camel, populate_by_name=True)


class User(_Record):
    """A person or an organization; `tier` and `email` only of the account itself."""

    id: str
    type: str
    username: str | None = None
    url: str
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


class PageLinks(_Record):
    """Whether there is a next page; the URL itself is never requested."""

    next: str | None = None


class PageBody(_Record, Generic[Record]):
    """One page as it travels."""

    data: list[Record] = Field(max_length=1000)
    links: PageLinks


@dataclass(frozen=True, slots=True)
class Page(Generic[Record]):
    """One page of a list, and whether another follows."""

    items: tuple[Record, ...]
    has_more: bool
