"""Who is calling, and how far the token reaches."""

from dataclasses import dataclass, field

from shared.revocation import entries_against


@dataclass(frozen=True, slots=True, eq=False)
class Principal:
    """The caller of one request, known only after everything about the credential was checked.

    `scopes` holds the fine scopes that `granted`, the names in the token, add up to. A caller with the
    `X-Val-Town-Token` header (`legacy`) has no client, grant or expiry.
    """

    subject: str
    client_id: str | None
    grant_id: str | None
    granted: tuple[str, ...]
    scopes: frozenset[str]
    expires_at: int | None
    token_id: str | None
    legacy: bool = False
    key_id: str | None = None
    """The `kid` of the key that signed the token."""
    version: int = 0
    """Of the grant: each time its person takes scopes from it, the tokens of the version before end."""
    vals: frozenset[str] | None = None
    """Ids of the vals that the grant is limited to; None: all that the scopes reach."""
    revoked_by: tuple[str, ...] = field(init=False, repr=False)
    """Every entry in the list of revocations that would end the token."""

    def __post_init__(self) -> None:
        """Work out what would end the token: with every call it is looked for."""
        entries: tuple[str, ...] = ()
        if self.grant_id is not None:
            entries = entries_against(self.grant_id, self.token_id or "", self.version, self.key_id or "")
        object.__setattr__(self, "revoked_by", entries)
