"""An access token that a client sends as a parameter, read whatever replica signed it."""

from auth_server.domain.token_issuer import VerifiedAccessToken
from auth_server.services import Services


async def read_access_token(services: Services, token: str) -> VerifiedAccessToken | None:
    """Return one of our own access tokens, its signature checked, though it may be over; else None."""
    access = services.issuer.read_access_token(token)
    if access is None and services.issuer.names_unknown_key(token):
        # Another replica may have begun to sign with a new key a moment ago.
        await services.key_keeper.load()
        access = services.issuer.read_access_token(token)
    return access
