"""How tools show Val Town's records: snake_case, no links a model has no use for."""

from pydantic import BaseModel, Field

from shared.valtown.models import Branch, File, Val


class ValSummary(BaseModel):
    """A val."""

    id: str
    name: str
    owner: str | None = Field(
        default=None, description="Handle of the owner: `owner/name` names the val everywhere."
    )
    description: str | None = None
    privacy: str = Field(description="public, unlisted or private.")
    created_at: str
    url: str = Field(description="The val's page for people.")

    @classmethod
    def of(cls, val: Val) -> "ValSummary":
        """Return what is shown of a val."""
        return cls(
            id=val.id,
            name=val.name,
            owner=val.author.username,
            description=val.description,
            privacy=val.privacy,
            created_at=val.created_at,
            url=val.links.html,
        )


class BranchSummary(BaseModel):
    """A branch."""

    id: str
    name: str
    version: int = Field(description="Goes up with every change on the branch.")
    updated_at: str

    @classmethod
    def of(cls, branch: Branch) -> "BranchSummary":
        """Return what is shown of a branch."""
        return cls(id=branch.id, name=branch.name, version=branch.version, updated_at=branch.updated_at)


class FileSummary(BaseModel):
    """A file or directory, without its content."""

    id: str
    path: str
    type: str = Field(description="file, script, http, interval, email or directory.")
    version: int = Field(description="For write_file's `expected_version`.")
    updated_at: str
    endpoint: str | None = Field(default=None, description="Web address an http file answers at.")
    email: str | None = Field(default=None, description="Address an email file receives mail at.")

    @classmethod
    def of(cls, file: File) -> "FileSummary":
        """Return what is shown of a file."""
        return cls(
            id=file.id,
            path=file.path,
            type=file.type,
            version=file.version,
            updated_at=file.updated_at,
            endpoint=file.links.endpoint,
            email=file.links.email,
        )
