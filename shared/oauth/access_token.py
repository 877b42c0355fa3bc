"""The access token both services agree on: a JWT of type at+jwt (RFC 9068).

Its claims: iss, sub, aud, client_id, scope, iat, exp, jti (section 2.2, with `scope` always there), gid, and,
once the person has taken scopes from the grant, gver.
"""

from typing import Final

TYP: Final = "at+jwt"
"""RFC 9068 section 2.1."""

GRANT_ID_CLAIM: Final = "gid"
"""Ours: one approval by one person, and everything issued from it. Revocation works on it."""

GRANT_VERSION_CLAIM: Final = "gver"
"""Ours: how often the person had taken scopes from the grant by then; left out while never."""

SIGNING_ALGORITHMS: Final = ("RS256", "ES256", "EdDSA")
"""Every algorithm a signing key of ours may have; each key is pinned to one."""

LEEWAY: Final = 30
"""Seconds of clock skew a resource server forgives; revocations and retiring keys outlive tokens by more."""

MAX_LIFETIME: Final = 86_400
"""Seconds: the longest OAUTH_ACCESS_TOKEN_TTL; a resource server refuses a token that claims more."""
