"""What may be asked for, and which permissions of an account it opens (docs.val.town, OAuth scopes).

There are no read-only variants of vals, blobs, SQLite and email.
"""

from collections.abc import Mapping

from mcp_server.sandbox.accounts import Permission

OFFLINE_ACCESS = "offline_access"

PERMISSIONS: Mapping[str, frozenset[Permission]] = {
    "user_r": frozenset({"user:read"}),
    "project_rw": frozenset({"val:read", "val:write"}),
    "blob_rw": frozenset({"blob:read", "blob:write"}),
    "sqlite_rw": frozenset({"sqlite:read", "sqlite:write"}),
    "email_rw": frozenset({"email:read", "email:write"}),
    "telemetry_r": frozenset({"telemetry:read"}),
}
SUPPORTED = (*PERMISSIONS, OFFLINE_ACCESS)


def known(scope: str) -> frozenset[str]:
    """Return the scopes in a scope string; unknown ones are left out, as RFC 6749 section 3.3 allows."""
    return frozenset(scope.split(" ")) & frozenset(SUPPORTED)


def text(scopes: frozenset[str]) -> str:
    """Return them as a scope string, in one order."""
    return " ".join(name for name in SUPPORTED if name in scopes)


def permissions(scope: str) -> frozenset[Permission]:
    """Return what a scope string opens."""
    return frozenset().union(*(PERMISSIONS.get(name, frozenset()) for name in scope.split(" ")))
