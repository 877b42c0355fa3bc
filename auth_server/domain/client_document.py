"""Client ID Metadata Documents (draft-ietf-oauth-client-id-metadata-document-03 section 4)."""

from collections.abc import Mapping
from typing import Final

from auth_server.domain import client_metadata
from auth_server.domain.redirect_uri import RedirectPolicy
from auth_server.models import Client
from shared.oauth.errors import InvalidClientMetadata, InvalidRedirectUri
from shared.strict_json import InvalidJsonError, load_object

MAX_BYTES: Final = 5 * 1024
"""Section 8.7."""

# Nobody has ever shared a secret with a client that is described by a document.
_FORBIDDEN: Final = ("client_secret", "client_secret_expires_at")


class InvalidDocumentError(Exception):
    """The document does not describe a client that can be used here; `reason` ends a sentence about it."""

    def __init__(self, reason: str) -> None:
        """Take the reason."""
        self.reason = reason
        super().__init__(reason)


def read(
    body: bytes | str, *, url: str | None, policy: RedirectPolicy, grant_types: tuple[str, ...]
) -> Client:
    """Return the client that a document describes.

    Args:
        body: of the document.
        url: where it was fetched, which is the `client_id`; None: it may be of any.
        policy: which redirect URIs are allowed. Others are left out, because a document is written for every
            server at once; it needs one that is allowed.
        grant_types: what the token endpoint supports.

    Raises:
        InvalidDocumentError: in every other case.
    """
    members = _members(body)
    client_id = members.get("client_id")
    # Byte for byte: nothing is normalized, or one document would speak for several identifiers.
    if not isinstance(client_id, str) or (url is not None and client_id != url):
        raise InvalidDocumentError("its client_id is not the URL it was read from")
    if sent := [name for name in _FORBIDDEN if name in members]:
        raise InvalidDocumentError(f"it must not have a {sent[0]} member")
    try:
        accepted = client_metadata.check(
            {**members, "redirect_uris": _usable(members.get("redirect_uris"), policy)},
            policy=policy,
            grant_types=grant_types,
            auth_methods=client_metadata.SECRETLESS_AUTH_METHODS,
        )
    except (InvalidClientMetadata, InvalidRedirectUri) as error:
        raise InvalidDocumentError(f"it is refused: {error.description}") from None
    return Client(
        client_id=client_id,
        secret_hash=None,
        redirect_uris=_texts(accepted["redirect_uris"]),
        grant_types=_texts(accepted["grant_types"]),
        metadata=accepted,
        by_document=True,
    )


def _members(body: bytes | str) -> Mapping[str, object]:
    try:
        return load_object(body)
    except InvalidJsonError as error:
        raise InvalidDocumentError(f"it is no JSON object that can be used: {error}") from None


def _usable(value: object, policy: RedirectPolicy) -> object:
    if not isinstance(value, list) or len(value) > client_metadata.MAX_REDIRECT_URIS:
        return value
    return [uri for uri in value if not isinstance(uri, str) or _is_allowed(uri, policy)]


def _is_allowed(uri: str, policy: RedirectPolicy) -> bool:
    try:
        policy.check(uri)
    except InvalidRedirectUri:
        return False
    return True


def _texts(value: object) -> tuple[str, ...]:
    return tuple(str(item) for item in value) if isinstance(value, list) else ()
