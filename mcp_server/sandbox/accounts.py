"""The two accounts of the stand-in, their organization, and the tokens that open them.

Val Town's tokens carry read and write permissions per area (docs.val.town, "API tokens"). Each account has
one token with all of them, one that may only read, and one for vals alone: with that one `GET /v1/me` is
refused, as it is for a real token made without the user permission.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Tier = Literal["free", "pro", "business"]
Role = Literal["owner", "member"]
Permission = Literal[
    "val:read",
    "val:write",
    "user:read",
    "user:write",
    "blob:read",
    "blob:write",
    "sqlite:read",
    "sqlite:write",
    "email:read",
    "email:write",
    "telemetry:read",
]


@dataclass(frozen=True, slots=True)
class Account:
    """A Val Town user or organization; an organization has members, with their roles, and no token."""

    id: str
    username: str
    email: str
    bio: str
    tier: Tier
    members: tuple[tuple[str, Role], ...] = ()

    @property
    def type(self) -> Literal["user", "org"]:
        return "org" if self.members else "user"

    def acts_for(self, owner: "Account") -> bool:
        """Say whether this account may act as `owner`: it is the owner, or a member of it."""
        return self == owner or any(member == self.id for member, _ in owner.members)


@dataclass(frozen=True, slots=True)
class Access:
    """What a token opens: an account, and what may be done with it."""

    account: Account
    permissions: frozenset[Permission]


ADA = Account(
    id="ada00000-0000-4000-8000-000000000001",
    username="ada",
    email="ada@example.com",
    bio="Sandbox account on the pro tier.",
    tier="pro",
)
GRACE = Account(
    id="62ace000-0000-4000-8000-000000000002",
    username="grace",
    email="grace@example.com",
    bio="Sandbox account on the free tier: public vals only.",
    tier="free",
)
ACCOUNTS = (ADA, GRACE)
ORG = Account(
    id="06600000-0000-4000-8000-000000000003",
    username="sandbox-org",
    email="org@example.com",
    bio="Sandbox organization: ada owns it, grace is a member.",
    tier="business",
    members=((ADA.id, "owner"), (GRACE.id, "member")),
)
ORGS = (ORG,)

READ: frozenset[Permission] = frozenset(
    {"val:read", "user:read", "blob:read", "sqlite:read", "email:read", "telemetry:read"}
)
VALS: frozenset[Permission] = frozenset({"val:read", "val:write"})
ALL: frozenset[Permission] = (
    READ | VALS | frozenset({"user:write", "blob:write", "sqlite:write", "email:write"})
)

TOKENS: Mapping[str, Access] = {
    f"vtwn_sandbox_{account.username}{suffix}": Access(account, permissions)
    for account in ACCOUNTS
    for suffix, permissions in (("", ALL), ("_readonly", READ), ("_vals", VALS))
}


def by_id(account_id: str) -> Account | None:
    """Return the account or organization with this id, if there is one."""
    return next((account for account in (*ACCOUNTS, *ORGS) if account.id == account_id), None)


def by_username(username: str) -> Account | None:
    """Return the account or organization with this username, if there is one."""
    return next((account for account in (*ACCOUNTS, *ORGS) if account.username == username), None)


def orgs_of(account: Account) -> tuple[Account, ...]:
    """Return the organizations an account is in."""
    return tuple(org for org in ORGS if account.acts_for(org))
